//! The loops over keys.

use core::arch::naked_asm;

use quant::arith::Multiplier;

use crate::mve::attention::{CHANNELS, LANES};

/// Sizes of a run over keys.
#[repr(C)]
struct Work {
    vectors: usize,
    /// From the end of a key to the one after the next.
    skip: usize,
    pairs: usize,
    stride: usize,
}

#[inline(always)]
pub(crate) fn key_products(q: &[i8], k: &[i8], stride: usize, sums: &mut [i32]) {
    let (pairs, vectors) = (sums.len() / 2, q.len() / LANES);
    let last = (2 * pairs).saturating_sub(1).checked_mul(stride);
    let needed = last.and_then(|last| last.checked_add(vectors * LANES));
    if pairs == 0 || vectors == 0 || needed.is_none_or(|needed| needed > k.len()) {
        return;
    }
    let work = Work { vectors, skip: (2 * stride).wrapping_sub(vectors * LANES), pairs, stride };
    // SAFETY: the function reads `vectors` vectors of `q` and of each of `2 · pairs` keys, which
    // end within `k` as was checked, and writes as many sums.
    unsafe { dot_products(q.as_ptr(), k.as_ptr(), sums.as_mut_ptr(), &work) }
}

#[unsafe(naked)]
unsafe extern "C" fn dot_products(q: *const i8, k: *const i8, sums: *mut i32, work: *const Work) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r9, lr}}",
        "ldm r3, {{r5, r6, r7, r9}}",
        "add r9, r1",
        "2:",
        "mov r3, r0",
        "mov r4, #0",
        "mov r8, #0",
        "dls lr, r5",
        "3:",
        "vldrb.u8 q0, [r3], #16",
        "vldrb.u8 q1, [r1], #16",
        "vmladava.s8 r4, q0, q1",
        "vldrb.u8 q2, [r9], #16",
        "vmladava.s8 r8, q0, q2",
        "le lr, 3b",
        "strd r4, r8, [r2], #8",
        "add r1, r6",
        "add r9, r6",
        "subs r7, #1",
        "bne 2b",
        "pop {{r4-r9, pc}}",
    )
}

#[inline(always)]
pub(crate) fn weighted(p: &[i16], v: &[i8], stride: usize) -> [i32; CHANNELS] {
    let mut sums = [0; CHANNELS];
    let needed = p.len().checked_sub(1).and_then(|last| last.checked_mul(stride)?.checked_add(CHANNELS));
    if needed.is_none_or(|needed| needed > v.len()) {
        return sums;
    }
    // SAFETY: the function reads `p` whole and `CHANNELS` bytes of a row of `v` for each of
    // them, which end within `v` as was checked, and writes the sums.
    unsafe { weighted_rows(p.as_ptr(), v.as_ptr(), &mut sums, stride, p.len()) }
    sums
}

/// `count ≥ 1`.
#[unsafe(naked)]
unsafe extern "C" fn weighted_rows(
    p: *const i16,
    v: *const i8,
    sums: *mut [i32; CHANNELS],
    stride: usize,
    count: usize,
) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4, lr}}",
        "vpush {{d8-d11}}",
        "ldr r4, [sp, #40]",
        "vmov.i32 q0, #0",
        "vmov.i32 q1, #0",
        "vmov.i32 q2, #0",
        "vmov.i32 q3, #0",
        "dls lr, r4",
        "2:",
        "ldrsh r12, [r0], #2",
        "vldrb.s32 q4, [r1]",
        "vldrb.s32 q5, [r1, #4]",
        "vmla.i32 q0, q4, r12",
        "vldrb.s32 q4, [r1, #8]",
        "vmla.i32 q1, q5, r12",
        "vldrb.s32 q5, [r1, #12]",
        "vmla.i32 q2, q4, r12",
        "vmla.i32 q3, q5, r12",
        "add r1, r3",
        "le lr, 2b",
        "vstrw.32 q0, [r2]",
        "vstrw.32 q1, [r2, #16]",
        "vstrw.32 q2, [r2, #32]",
        "vstrw.32 q3, [r2, #48]",
        "vpop {{d8-d11}}",
        "pop {{r4, pc}}",
    )
}

#[inline(always)]
pub(crate) fn requantize(sums: &[i32], scale: Multiplier, out: &mut [i8]) {
    let down = 32i32.wrapping_sub(scale.shift.into());
    // SAFETY: both slices hold `count` elements; the predicated loop touches no others.
    unsafe {
        let count = sums.len().min(out.len());
        requantize_all(sums.as_ptr(), out.as_mut_ptr(), scale.mantissa, down, count);
    }
}

/// `VRSHL` adds its rounding term in unbounded integers: one rounding.
#[unsafe(naked)]
unsafe extern "C" fn requantize_all(sums: *const i32, out: *mut i8, mantissa: i32, down: i32, count: usize) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r7, lr}}",
        "ldr r12, [sp, #8]",
        "vdup.32 q1, r2",
        "wlstp.32 lr, r12, 3f",
        "2:",
        "vldrw.u32 q0, [r0], #16",
        "vmulh.s32 q0, q0, q1",
        "vrshl.s32 q0, r3",
        "vqmovnb.s32 q0, q0",
        "vqmovnb.s16 q0, q0",
        "vstrb.32 q0, [r1], #4",
        "letp lr, 2b",
        "3:",
        "pop {{r7, pc}}",
    )
}
