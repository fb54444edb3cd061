//! Scores and P·V by vectors.

use quant::Fault;
use quant::arith::Multiplier;
use quant::slice::{chunks_mut, window, window_mut};

use crate::attention;

/// Inputs of a vector of a score.
const LANES: usize = 16;
/// Keys whose sums are held at once.
const KEYS: usize = 64;
/// Channels of P·V that are summed together.
const CHANNELS: usize = 16;

/// Heads of whole vectors: two keys a pass, 16 products for each multiplication.
pub(super) fn scores(
    q: &[i8],
    k: &[i8],
    stride: usize,
    scale: Multiplier,
    scores: &mut [i8],
) -> Result<(), Fault> {
    if q.is_empty() || q.len() % LANES != 0 || scores.len() < 2 || scale.shift < 33 {
        return attention::scores(q, k, stride, scale, scores);
    }
    let mut sums = [0; KEYS];
    let mut first = 0;
    while first < scores.len() {
        // A single key at the end has the one before it for company.
        let start = first.min(scores.len() - 2);
        let count = (scores.len() - start).min(KEYS) & !1;
        let k = window(k, start * stride, (count - 1) * stride + q.len())?;
        let sums = window_mut(&mut sums, 0, count)?;
        products(q, k, stride, sums);
        requantize(sums, scale, window_mut(scores, start, count)?);
        first = start + count;
    }
    Ok(())
}

/// Heads of whole blocks of channels: a key takes 11 instructions for 16 products.
pub(super) fn values(
    p: &[i16],
    v: &[i8],
    stride: usize,
    scale: Multiplier,
    out: &mut [i8],
) -> Result<(), Fault> {
    let (blocks, tail) = chunks_mut::<CHANNELS, _>(out);
    if !tail.is_empty() || p.is_empty() || scale.shift < 33 {
        return attention::values(p, v, stride, scale, out);
    }
    for (block, out) in blocks.iter_mut().enumerate() {
        let v = window(v, block * CHANNELS, (p.len() - 1) * stride + CHANNELS)?;
        let sums = weighted(p, v, stride);
        requantize(&sums, scale, out);
    }
    Ok(())
}

/// `sums[j] = Σ_i q[i] · k[j · stride + i]` for whole pairs of keys, which `k` holds.
#[inline(always)]
fn products(q: &[i8], k: &[i8], stride: usize, sums: &mut [i32]) {
    #[cfg(all(target_arch = "arm", feature = "mve"))]
    isa::products(q, k, stride, sums);
    #[cfg(not(all(target_arch = "arm", feature = "mve")))]
    for (j, z) in sums.iter_mut().enumerate() {
        let k = k.get(j * stride..).unwrap_or(&[]);
        *z = q.iter().zip(k).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
    }
}

/// `sums[c] = Σ_j p[j] · v[j · stride + c]`; `v` holds a row for each probability.
#[inline(always)]
fn weighted(p: &[i16], v: &[i8], stride: usize) -> [i32; CHANNELS] {
    let mut sums = [0; CHANNELS];
    #[cfg(all(target_arch = "arm", feature = "mve"))]
    isa::weighted(p, v, stride, &mut sums);
    #[cfg(not(all(target_arch = "arm", feature = "mve")))]
    for (j, &p) in p.iter().enumerate() {
        for (z, &v) in sums.iter_mut().zip(v.get(j * stride..).unwrap_or(&[])) {
            *z += i32::from(p) * i32::from(v);
        }
    }
    sums
}

/// All sums with one multiplier, whose shift is at least 33.
#[inline(always)]
fn requantize(sums: &[i32], scale: Multiplier, out: &mut [i8]) {
    #[cfg(all(target_arch = "arm", feature = "mve"))]
    isa::requantize(sums, scale, out);
    #[cfg(not(all(target_arch = "arm", feature = "mve")))]
    for (y, &z) in out.iter_mut().zip(sums) {
        *y = crate::requantize::requantize_i8(z, scale.mantissa, scale.shift);
    }
}

/// The loops themselves.
#[cfg(all(target_arch = "arm", feature = "mve"))]
#[expect(unsafe_code, reason = "instructions without an intrinsic")]
mod isa {
    use core::arch::naked_asm;

    use quant::arith::Multiplier;

    use super::{CHANNELS, LANES};

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
    pub(super) fn products(q: &[i8], k: &[i8], stride: usize, sums: &mut [i32]) {
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
    pub(super) fn weighted(p: &[i16], v: &[i8], stride: usize, sums: &mut [i32; CHANNELS]) {
        let needed = p.len().checked_sub(1).and_then(|last| last.checked_mul(stride)?.checked_add(CHANNELS));
        if needed.is_none_or(|needed| needed > v.len()) {
            return;
        }
        // SAFETY: the function reads `p` whole and `CHANNELS` bytes of a row of `v` for each of
        // them, which end within `v` as was checked, and writes the sums.
        unsafe { weighted_rows(p.as_ptr(), v.as_ptr(), sums, stride, p.len()) }
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
    pub(super) fn requantize(sums: &[i32], scale: Multiplier, out: &mut [i8]) {
        let down = 32i32.wrapping_sub(scale.shift.into());
        // SAFETY: both slices hold `count` elements; the predicated loop touches no others.
        unsafe {
            let count = sums.len().min(out.len());
            requantize_all(sums.as_ptr(), out.as_mut_ptr(), scale.mantissa, down, count);
        }
    }

    /// `VRSHL` adds its rounding term in unbounded integers: one rounding.
    #[unsafe(naked)]
    unsafe extern "C" fn requantize_all(
        sums: *const i32,
        out: *mut i8,
        mantissa: i32,
        down: i32,
        count: usize,
    ) {
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
}
