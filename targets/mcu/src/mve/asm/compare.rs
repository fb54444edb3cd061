//! Comparisons with limits, to bits.

use core::arch::naked_asm;

use super::fields::Product;

/// As [`signs::at_least`](crate::binary::signs::at_least), of up to 32 integers of 8, 16 or 32 bits
/// with a sign; bits behind are 0.
#[inline(always)]
pub(crate) fn at_least<T: Copy + Into<i32>>(x: &[T], limits: &[i32], more: i32) -> u32 {
    let count = x.len().min(limits.len()).min(32);
    let compare = match size_of::<T>() {
        1 => compare_i8,
        2 => compare_i16,
        _ => compare_i32,
    };
    // SAFETY: both slices hold `count` elements, those of `x` of as many bytes as the function reads,
    // and the predicated loops touch no others.
    unsafe { compare(x.as_ptr().cast(), limits.as_ptr(), count, more) }
}

macro_rules! compare {
    ($name:ident, $load:literal) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(x: *const u8, limits: *const i32, count: usize, more: i32) -> u32 {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r7, lr}}",
                "mov r12, #0",
                "vidup.u32 q0, r12, #1",
                "vmov.i32 q3, #1",
                "vshl.u32 q3, q3, q0",
                "vmov.i32 q2, #0",
                "wlstp.32 lr, r2, 3f",
                "2:",
                $load,
                "vldrw.u32 q1, [r1], #16",
                "vqadd.s32 q1, q1, r3",
                "vpt.s32 ge, q0, q1",
                "vorrt q2, q2, q3",
                "vshl.i32 q3, q3, #4",
                "letp lr, 2b",
                "3:",
                "vaddv.u32 r0, q2",
                "pop {{r7, pc}}",
            )
        }
    };
}
compare!(compare_i8, "vldrb.s32 q0, [r0], #4");
compare!(compare_i16, "vldrh.s32 q0, [r0], #8");
compare!(compare_i32, "vldrw.u32 q0, [r0], #16");

/// For each of four rows, which of 16 counts, a byte of a word each, are below their limit, a byte; the
/// first row in the lowest 16 bits.
#[inline(always)]
pub(crate) fn below(counts: &[u32; 16], limits: &[Product; 4]) -> [u16; 4] {
    // SAFETY: the function reads all of both.
    let masks = unsafe { below_limits(counts, limits) };
    [masks as u16, (masks >> 16) as u16, (masks >> 32) as u16, (masks >> 48) as u16]
}

#[unsafe(naked)]
unsafe extern "C" fn below_limits(counts: *const [u32; 16], limits: *const [Product; 4]) -> u64 {
    naked_asm!(
        ".cpu cortex-m55",
        "vpush {{d8-d9}}",
        "vld40.8 {{q0, q1, q2, q3}}, [r0]",
        "vldrb.u8 q4, [r1]",
        "vld41.8 {{q0, q1, q2, q3}}, [r0]",
        "vld42.8 {{q0, q1, q2, q3}}, [r0]",
        "vld43.8 {{q0, q1, q2, q3}}, [r0]",
        "vcmp.u8 hi, q4, q0",
        "vmrs r0, p0",
        "vcmp.u8 hi, q4, q1",
        "vmrs r2, p0",
        "vcmp.u8 hi, q4, q2",
        "vmrs r1, p0",
        "vcmp.u8 hi, q4, q3",
        "vmrs r3, p0",
        "orr r0, r0, r2, lsl #16",
        "orr r1, r1, r3, lsl #16",
        "vpop {{d8-d9}}",
        "bx lr",
    )
}

/// The counts of differing bits below which `offset - 2 * count` is at least each of `thresholds`, a
/// byte each.
#[inline(always)]
pub(crate) fn counts_below(offset: i32, thresholds: &[i32], limits: &mut [Product]) {
    let count = thresholds.len().min(size_of_val(limits));
    // SAFETY: the first slice holds `count` elements and the second as many bytes, and the predicated loop touches no others.
    unsafe { limit(thresholds.as_ptr(), limits.as_mut_ptr().cast(), count, offset) }
}

/// A difference saturates far from all counts.
#[unsafe(naked)]
unsafe extern "C" fn limit(thresholds: *const i32, limits: *mut u8, count: usize, offset: i32) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r7, lr}}",
        "add r3, #2",
        "vdup.32 q1, r3",
        "vmov.i32 q2, #0",
        "vmov.i32 q3, #255",
        "wlstp.32 lr, r2, 3f",
        "2:",
        "vldrw.u32 q0, [r0], #16",
        "vqsub.s32 q0, q1, q0",
        "vshr.s32 q0, q0, #1",
        "vmax.s32 q0, q0, q2",
        "vmin.s32 q0, q0, q3",
        "vstrb.32 q0, [r1], #4",
        "letp lr, 2b",
        "3:",
        "pop {{r7, pc}}",
    )
}
