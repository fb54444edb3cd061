//! Additions of table entries for panels of 16 channels, by gathers.

use core::arch::naked_asm;

use quant::Fault;
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

/// One group of four channels, whose weights are in `q0`: the indices, cut out by the mask in
/// `q3` or `q4`, gather entries, which are added to `q1`.
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
macro_rules! panels {
    ($name:ident, $first:expr) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(work: *mut Work<'_>) {
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
panels!(first_panels, "vldrw.u32 q1, [r0, q2, uxtw #2]\n");
panels!(
    more_panels,
    concat!("vldrw.u32 q1, [r7]\n", "vldrw.u32 q5, [r0, q2, uxtw #2]\n", "vadd.i32 q1, q1, q5\n",)
);

/// Adds to the distance of each key what `tables` say of its word, the first of `keys` and every
/// `stride`-th behind it; to 0 if `fresh`. `low`: the tables are those of the first inputs alone.
#[inline(always)]
pub(crate) fn distances(
    tables: &Tables,
    (keys, stride): (&[u32], usize),
    (low, fresh): (bool, bool),
    distances: &mut [u32],
) -> Result<(), Fault> {
    let count = distances.len();
    let last = count.wrapping_sub(1).checked_mul(stride);
    if count == 0 || last.is_none_or(|last| last >= keys.len()) {
        return Err(Fault::Bounds);
    }
    let look_up = match (low, fresh) {
        (true, _) => low_keys,
        (false, true) => first_keys,
        (false, false) => more_keys,
    };
    // SAFETY: the word of the last of `count ≥ 1` keys lies in `keys`, and the predicated loops touch
    // no others, and as many distances. Every index into the tables is cut to their sizes.
    unsafe { look_up(tables, keys.as_ptr(), distances.as_mut_ptr(), count, stride) };
    Ok(())
}

macro_rules! keys {
    ($name:ident, $start:expr, $rest:expr) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(
            tables: *const Tables,
            keys: *const u32,
            distances: *mut u32,
            count: usize,
            stride: usize,
        ) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4-r9, r12, lr}}",
                "vpush {{d8-d13}}",
                "ldr r9, [sp, #80]",
                "mov r12, #0",
                "vidup.u32 q6, r12, #1",
                "vmul.i32 q6, q6, r9",
                "lsl r9, r9, #4",
                "add r4, r0, #256",
                "add r5, r0, #512",
                "add r6, r0, #640",
                "add r7, r0, #768",
                "add r8, r0, #896",
                "movs r12, #63",
                "vdup.32 q3, r12",
                "movs r12, #31",
                "vdup.32 q4, r12",
                "dlstp.32 lr, r3",
                "2:",
                "vldrw.u32 q0, [r1, q6, uxtw #2]",
                "add r1, r9",
                "vand q2, q0, q3",
                $start,
                gathered!("6", "q3", "r4"),
                gathered!("12", "q4", "r5"),
                $rest,
                "vstrw.32 q1, [r2], #16",
                "letp lr, 2b",
                "vpop {{d8-d13}}",
                "pop {{r4-r9, r12, pc}}",
            )
        }
    };
    ($name:ident, $start:expr) => {
        keys!(
            $name,
            $start,
            concat!(
                gathered!("17", "q4", "r6"),
                gathered!("22", "q4", "r7"),
                "vshr.u32 q2, q0, #27\n",
                "vldrw.u32 q5, [r8, q2, uxtw #2]\n",
                "vadd.i32 q1, q1, q5\n",
            )
        );
    };
}
keys!(low_keys, "vldrw.u32 q1, [r0, q2, uxtw #2]\n", "");
keys!(first_keys, "vldrw.u32 q1, [r0, q2, uxtw #2]\n");
keys!(
    more_keys,
    concat!("vldrw.u32 q1, [r2]\n", "vldrw.u32 q5, [r0, q2, uxtw #2]\n", "vadd.i32 q1, q1, q5\n")
);
