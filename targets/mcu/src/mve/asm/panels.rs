//! Additions of table entries for panels of 16 channels, by gathers.

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
