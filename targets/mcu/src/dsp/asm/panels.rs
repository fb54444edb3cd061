//! Additions of table entries for panels of 16 channels: registers are allotted by hand.

use core::arch::naked_asm;

use quant::bits::BitWeights;

use crate::binary::linear::LANES;
use crate::binary::panels::Work;
use crate::binary::subsets::Tables;

/// Adds to each of `sums` what the inputs add under its weights, in panels, from channel and word
/// `at` on; to 0 if `fresh`. Whether the weights were long enough.
#[inline(always)]
pub(crate) fn add_panels(
    tables: &Tables,
    weights: &BitWeights<'_>,
    at: (usize, usize),
    fresh: bool,
    sums: &mut [[u32; LANES]],
) -> bool {
    let Some(mut work) = Work::new(tables, weights, at, sums) else { return sums.is_empty() };
    // SAFETY: there is at least one panel of sums, and the last panel of weights ends within the
    // weights, as `Work::new` has checked. Every index into the tables is cut to their sizes.
    unsafe { if fresh { first_panels(&mut work) } else { more_panels(&mut work) } };
    true
}

/// One lookup for two channels, whose weights are in `r8` and `r9`: `$a` and `$b` cut out the
/// group's indices, the entries of the table at `$table` are added to `r10` and `r11`.
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
macro_rules! panels {
    ($name:ident, $first:expr) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(work: *mut Work<'_>) {
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
panels!(
    first_panels,
    concat!(
        "and r12, r8, #63\n",
        "and lr, r9, #63\n",
        "ldr r10, [r0, r12, lsl #2]\n",
        "ldr r11, [r0, lr, lsl #2]\n",
    )
);
panels!(more_panels, concat!("ldrd r10, r11, [r7]\n", group!("and r12, r8, #63", "and lr, r9, #63", "r0")));
