//! Requantization by the high halves of products, and one rounding shift (see [`quant::arith`]).
//! What happens seldom is a call, so that the code stays little.

use core::arch::aarch64::{
    int8x16_t, int16x4_t, int16x8_t, int32x4_t, vaddq_s32, vcombine_s8, vcombine_s16, vdupq_n_s32,
    vget_high_s16, vget_low_s16, vget_low_s32, vld1q_s16, vld1q_s32, vmull_high_s32, vmull_s32, vnegq_s32,
    vqmovn_s16, vqmovn_s32, vreinterpretq_s32_s64, vrshlq_s32, vshll_n_s16, vst1q_s8, vst1q_s16, vst1q_s32,
    vuzp2q_s32,
};

use quant::arith::Multiplier;
use quant::ops::{LinearOut, Residual};

use super::lookup::Tables;
use crate::portable::epilogue::{self, put};
use crate::portable::requantize::Multipliers;
use crate::vector::isa::{LANES, Requantize};

/// Multipliers `mantissa / 2^(32 + shift)` of four values, where each shift is at least 1.
#[derive(Clone, Copy)]
struct HighHalf {
    mantissa: int32x4_t,
    /// Shifts to the left: negative ones shift to the right, and round half up.
    shift: int32x4_t,
}

impl HighHalf {
    /// `round(z · mantissa / 2^(32 + shift))`.
    ///
    /// # Safety
    ///
    /// Where NEON is.
    #[inline(always)]
    unsafe fn apply(self, z: int32x4_t) -> int32x4_t {
        // SAFETY: as the caller vouches.
        unsafe {
            let low = vmull_s32(vget_low_s32(z), vget_low_s32(self.mantissa));
            let high = vmull_high_s32(z, self.mantissa);
            vrshlq_s32(vuzp2q_s32(vreinterpretq_s32_s64(low), vreinterpretq_s32_s64(high)), self.shift)
        }
    }

    /// `multiplier` for int16 values in the upper half of 32 bits, where the shifts allow it.
    ///
    /// # Safety
    ///
    /// Where NEON is.
    #[inline(always)]
    unsafe fn of_upper(multiplier: Multiplier) -> Option<Self> {
        let shift = i32::from(multiplier.shift) + 16;
        // SAFETY: as the caller vouches.
        (33..=62).contains(&shift).then(|| unsafe {
            Self { mantissa: vdupq_n_s32(multiplier.mantissa), shift: vdupq_n_s32(32 - shift) }
        })
    }

    /// [`apply`](Self::apply) of int16 values.
    ///
    /// # Safety
    ///
    /// Where NEON is.
    #[inline(always)]
    unsafe fn apply_upper(self, words: int16x4_t) -> int32x4_t {
        // SAFETY: as the caller vouches.
        unsafe { self.apply(vshll_n_s16::<16>(words)) }
    }
}

/// Four of `values` from `at` on.
///
/// # Safety
///
/// Where NEON is.
#[inline(always)]
unsafe fn load<const C: usize>(values: &[i32; C], at: usize) -> int32x4_t {
    let values: &[i32; 4] = values[at..].first_chunk().unwrap_or(&[0; 4]);
    // SAFETY: 16 bytes are read, from an array of as many.
    unsafe { vld1q_s32(values.as_ptr()) }
}

/// Eight of `values` from `at` on, saturated to int16.
///
/// # Safety
///
/// Where NEON is.
#[inline(always)]
unsafe fn words<const C: usize>(values: &[i32; C], at: usize) -> int16x8_t {
    // SAFETY: as the caller vouches.
    unsafe { vcombine_s16(vqmovn_s32(load(values, at)), vqmovn_s32(load(values, at + 4))) }
}

// SAFETY: every instruction is one of NEON.
unsafe impl<T: Tables> Requantize for T {
    #[inline(always)]
    unsafe fn requantize<const C: usize>(by: &Multipliers<C>, z: &[i32; C]) -> [i32; C] {
        if !by.is_high {
            return exact(by, z);
        }
        let mut t = [0; C];
        for (part, t) in t.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            // SAFETY: 16 bytes are written, to an array of as many.
            unsafe {
                let (mantissa, right) = (load(&by.mantissa, 4 * part), load(&by.right, 4 * part));
                let by = HighHalf { mantissa, shift: vnegq_s32(right) };
                vst1q_s32(t.as_mut_ptr(), by.apply(load(z, 4 * part)));
            }
        }
        t
    }

    #[inline(always)]
    unsafe fn store<const C: usize>(t: &[i32; C], out: &mut LinearOut<'_>) {
        // SAFETY: as the caller vouches.
        unsafe {
            match out {
                LinearOut::I8 { out, .. } => put(out, &to_i8(t)),
                LinearOut::I16 { out, residual: None } => put(out, &to_i16(t)),
                LinearOut::I16 { out, residual: Some(residual) } => add(out, &to_i16(t), residual),
                LinearOut::I32 { out } => put(out, t),
            }
        }
    }
}

/// Shifts of 32 and less.
#[cold]
#[inline(never)]
fn exact<const C: usize>(by: &Multipliers<C>, z: &[i32; C]) -> [i32; C] {
    by.apply(z)
}

/// Saturated to int8.
///
/// # Safety
///
/// Where NEON is.
#[inline(always)]
unsafe fn to_i8<const C: usize>(t: &[i32; C]) -> [i8; C] {
    const { assert!(C.is_multiple_of(LANES)) };
    let mut narrowed = [0; C];
    for (part, to) in narrowed.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        // SAFETY: 16 bytes are written, to an array of as many.
        unsafe {
            let [low, high] = [0, 8].map(|at| vqmovn_s16(words(t, LANES * part + at)));
            let bytes: int8x16_t = vcombine_s8(low, high);
            vst1q_s8(to.as_mut_ptr(), bytes);
        }
    }
    narrowed
}

/// Saturated to int16.
///
/// # Safety
///
/// Where NEON is.
#[inline(always)]
unsafe fn to_i16<const C: usize>(t: &[i32; C]) -> [i16; C] {
    const { assert!(C.is_multiple_of(LANES)) };
    let mut narrowed = [0; C];
    for (part, to) in narrowed.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        // SAFETY: 16 bytes are written, to an array of as many.
        unsafe { vst1q_s16(to.as_mut_ptr(), words(t, 8 * part)) };
    }
    narrowed
}

/// Adds the first of the branch `t` to the stream `y`, as [`quant::ops::Add`].
///
/// # Safety
///
/// Where NEON is.
#[inline(always)]
unsafe fn add<const C: usize>(y: &mut [i16], t: &[i16; C], residual: &Residual) {
    // SAFETY: as the caller vouches.
    let multipliers = unsafe { (HighHalf::of_upper(residual.stream), HighHalf::of_upper(residual.branch)) };
    let ((Some(stream), Some(branch)), Ok(y)) = (multipliers, <&mut [i16; C]>::try_from(&mut *y)) else {
        return add_exactly(y, t, residual);
    };
    for (y, t) in y.as_chunks_mut::<8>().0.iter_mut().zip(t.as_chunks::<8>().0) {
        // SAFETY: 16 bytes are read and written, of arrays of as many.
        unsafe {
            let (words, t) = (vld1q_s16(y.as_ptr()), vld1q_s16(t.as_ptr()));
            let [low, high] =
                [(vget_low_s16(words), vget_low_s16(t)), (vget_high_s16(words), vget_high_s16(t))]
                    .map(|(y, t)| vqmovn_s32(vaddq_s32(stream.apply_upper(y), branch.apply_upper(t))));
            vst1q_s16(y.as_mut_ptr(), vcombine_s16(low, high));
        }
    }
}

/// Small shifts, and rows that end within a block.
#[cold]
#[inline(never)]
fn add_exactly(y: &mut [i16], t: &[i16], residual: &Residual) {
    epilogue::add(y, t, residual);
}
