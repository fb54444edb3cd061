//! Additions of table entries for panels of 16 channels, in the core's own instructions.
#![expect(unsafe_code, reason = "registers are allotted by hand")]

use core::arch::naked_asm;

use super::subsets::Tables;

/// What is to be added to what.
#[repr(C)]
struct Work {
    tables: *const Tables,
    weights: *const u32,
    sums: *mut u32,
    /// Bytes from the end of a panel's word to the next panel's.
    skip: usize,
    /// Where the sums end.
    end: *mut u32,
}

/// Adds to each of `sums` what the inputs add under its weights, panels of which are `stride`
/// words apart; to 0 if `fresh`. Whether `weights` were long enough.
#[inline(always)]
pub(super) fn add(
    tables: &Tables,
    weights: &[u32],
    stride: usize,
    fresh: bool,
    sums: &mut [[u32; 16]],
) -> bool {
    let last = sums.len().wrapping_sub(1).wrapping_mul(stride);
    if sums.is_empty() || stride < 16 || weights.len() < 16 || last > weights.len() - 16 {
        return sums.is_empty();
    }
    let range = sums.as_mut_ptr_range();
    let (skip, end) = (4 * (stride - 16), range.end.cast());
    let mut work = Work { tables, weights: weights.as_ptr(), sums: range.start.cast(), skip, end };
    // SAFETY: `sums` holds at least one panel of 16, and the last panel of weights ends within
    // `weights`, as checked above; a slice of that many panels does not overflow `last`. Every
    // index into the tables is cut to their sizes.
    unsafe { if fresh { set_panels(&mut work) } else { add_panels(&mut work) } };
    true
}

/// One lookup for two channels, whose weights are in `r8` and `r9`: `$a` and `$b` cut out the
/// group's indices, the entries of the table at `$table` are added to `r10` and `r11`.
#[cfg(not(feature = "mve"))]
macro_rules! group {
    ($a:literal, $b:literal, $table:literal) => {
        concat!(
            $a,
            "\n",
            $b,
            "\n",
            "ldr r12, [",
            $table,
            ", r12, lsl #2]\n",
            "ldr lr, [",
            $table,
            ", lr, lsl #2]\n",
            "add r10, r10, r12\n",
            "add r11, r11, lr\n",
        )
    };
}

/// Two channels, the first group by `$first`.
#[cfg(not(feature = "mve"))]
macro_rules! pair {
    ($first:expr) => {
        concat!(
            "ldrd r8, r9, [r6], #8\n",
            $first,
            group!("ubfx r12, r8, #6, #6", "ubfx lr, r9, #6, #6", "r1"),
            group!("ubfx r12, r8, #12, #5", "ubfx lr, r9, #12, #5", "r2"),
            group!("ubfx r12, r8, #17, #5", "ubfx lr, r9, #17, #5", "r3"),
            group!("ubfx r12, r8, #22, #5", "ubfx lr, r9, #22, #5", "r4"),
            group!("lsr r12, r8, #27", "lsr lr, r9, #27", "r5"),
            "strd r10, r11, [r7], #8\n",
        )
    };
}

/// At least one panel.
#[cfg(not(feature = "mve"))]
macro_rules! panels {
    ($name:ident, $first:expr) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(work: *mut Work) {
            naked_asm!(
                "push {{r4-r11, lr}}",
                "ldm r0, {{r0, r6, r7, r8, r9}}",
                // On the stack: the end of the panel's sums, the bytes to skip, the end of all.
                "sub sp, sp, #12",
                "strd r8, r9, [sp, #4]",
                "add r1, r0, #256",
                "add r2, r0, #512",
                "add r3, r0, #640",
                "add r4, r0, #768",
                "add r5, r0, #896",
                "2:",
                "add r8, r7, #64",
                "str r8, [sp]",
                "3:",
                pair!($first),
                pair!($first),
                "ldr r8, [sp]",
                "cmp r7, r8",
                "bne 3b",
                "ldrd r8, r9, [sp, #4]",
                "add r6, r6, r8",
                "cmp r7, r9",
                "bne 2b",
                "add sp, sp, #12",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}
#[cfg(not(feature = "mve"))]
panels!(
    set_panels,
    concat!(
        "and r12, r8, #63\n",
        "and lr, r9, #63\n",
        "ldr r10, [r0, r12, lsl #2]\n",
        "ldr r11, [r0, lr, lsl #2]\n",
    )
);
#[cfg(not(feature = "mve"))]
panels!(add_panels, concat!("ldrd r10, r11, [r7]\n", group!("and r12, r8, #63", "and lr, r9, #63", "r0")));

/// One group of four channels, whose weights are in `q0`: the indices, cut out by the mask in
/// `q3` or `q4`, gather entries, which are added to `q1`.
#[cfg(feature = "mve")]
macro_rules! gathered {
    ($from:literal, $mask:literal, $table:literal) => {
        concat!(
            "vshr.u32 q2, q0, #",
            $from,
            "\n",
            "vand q2, q2, ",
            $mask,
            "\n",
            "vldrw.u32 q5, [",
            $table,
            ", q2, uxtw #2]\n",
            "vadd.i32 q1, q1, q5\n",
        )
    };
}

/// Four channels, the entries of whose first group, at the indices in `q2`, are taken by `$first`.
#[cfg(feature = "mve")]
macro_rules! four {
    ($first:expr) => {
        concat!(
            "vldrw.u32 q0, [r6], #16\n",
            "vand q2, q0, q3\n",
            $first,
            gathered!("6", "q3", "r1"),
            gathered!("12", "q4", "r2"),
            gathered!("17", "q4", "r3"),
            gathered!("22", "q4", "r4"),
            "vshr.u32 q2, q0, #27\n",
            "vldrw.u32 q5, [r5, q2, uxtw #2]\n",
            "vadd.i32 q1, q1, q5\n",
            "vstrw.32 q1, [r7], #16\n",
        )
    };
}

/// At least one panel.
#[cfg(feature = "mve")]
macro_rules! panels {
    ($name:ident, $first:expr) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(work: *mut Work) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4-r10, lr}}",
                "vpush {{d8-d11}}",
                "ldm r0, {{r0, r6, r7, r8, r9}}",
                "add r1, r0, #256",
                "add r2, r0, #512",
                "add r3, r0, #640",
                "add r4, r0, #768",
                "add r5, r0, #896",
                "movs r10, #63",
                "vdup.32 q3, r10",
                "movs r10, #31",
                "vdup.32 q4, r10",
                "2:",
                four!($first),
                four!($first),
                four!($first),
                four!($first),
                "add r6, r6, r8",
                "cmp r7, r9",
                "bne 2b",
                "vpop {{d8-d11}}",
                "pop {{r4-r10, pc}}",
            )
        }
    };
}
#[cfg(feature = "mve")]
panels!(set_panels, "vldrw.u32 q1, [r0, q2, uxtw #2]\n");
#[cfg(feature = "mve")]
panels!(
    add_panels,
    concat!("vldrw.u32 q1, [r7]\n", "vldrw.u32 q5, [r0, q2, uxtw #2]\n", "vadd.i32 q1, q1, q5\n",)
);
