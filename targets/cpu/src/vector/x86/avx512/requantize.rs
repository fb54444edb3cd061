//! Requantization by the high halves of products, and one rounding shift (see [`quant::arith`]).

use core::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_loadu_si512, _mm512_mask_shuffle_epi32, _mm512_mul_epi32,
    _mm512_packs_epi16, _mm512_packs_epi32, _mm512_permutexvar_epi32, _mm512_permutexvar_epi64,
    _mm512_set1_epi32, _mm512_setr_epi32, _mm512_setr_epi64, _mm512_srav_epi32, _mm512_srli_epi64,
    _mm512_storeu_si512,
};

use quant::ops::{LinearOut, Residual};

use super::Avx512;
use super::words::Sum;
use crate::portable::epilogue::{self, put};
use crate::portable::requantize::Multipliers;
use crate::vector::isa::{LANES, Requantize};

/// Multipliers `mantissa / 2^(32 + shift)` of sixteen values, where each shift is at least 1.
#[derive(Clone, Copy)]
pub(in crate::vector::x86) struct HighHalf {
    mantissa: __m512i,
    /// The mantissas of odd places, each in the even place before.
    odd: __m512i,
    /// Half of what is shifted out.
    half: __m512i,
    shift: __m512i,
}

impl HighHalf {
    /// One multiplier for all, of a shift in 33 ..= 62.
    ///
    /// # Safety
    ///
    /// Where AVX-512 F is.
    #[inline(always)]
    pub(in crate::vector::x86) unsafe fn uniform(mantissa: i32, shift: u8) -> Self {
        let shift = u32::from(shift & 63).saturating_sub(32);
        // SAFETY: as the caller vouches.
        unsafe {
            Self {
                mantissa: _mm512_set1_epi32(mantissa),
                odd: _mm512_set1_epi32(mantissa),
                half: _mm512_set1_epi32((1 << shift) >> 1),
                shift: _mm512_set1_epi32(shift as i32),
            }
        }
    }

    /// Those of sixteen channels from `at` on, where all shifts of `by` are high.
    ///
    /// # Safety
    ///
    /// Where AVX-512 F is.
    #[inline(always)]
    pub(in crate::vector::x86) unsafe fn of<const C: usize>(by: &Multipliers<C>, at: usize) -> Self {
        // SAFETY: as the caller vouches.
        unsafe { Self::new(load(&by.mantissa, at), load(&by.half, at), load(&by.right, at)) }
    }

    /// Those of `mantissa` and `shift`; `half` is added to the high halves of products.
    ///
    /// # Safety
    ///
    /// Where AVX-512 F is.
    #[inline(always)]
    pub(super) unsafe fn new(mantissa: __m512i, half: __m512i, shift: __m512i) -> Self {
        // SAFETY: as the caller vouches.
        let odd = unsafe { _mm512_srli_epi64::<32>(mantissa) };
        Self { mantissa, odd, half, shift }
    }

    /// `round(z · mantissa / 2^(32 + shift))`.
    ///
    /// # Safety
    ///
    /// Where AVX-512 F is.
    #[inline(always)]
    pub(in crate::vector::x86) unsafe fn apply(self, z: __m512i) -> __m512i {
        // SAFETY: as the caller vouches.
        unsafe {
            let even_products = _mm512_mul_epi32(z, self.mantissa);
            // Shifts and shuffles have ports of their own: one of each here.
            let odd_products = _mm512_mul_epi32(_mm512_srli_epi64::<32>(z), self.odd);
            // The high half of an even product goes to its place, beside that of the odd one.
            let high = _mm512_mask_shuffle_epi32::<0xf5>(odd_products, 0x5555, even_products);
            _mm512_srav_epi32(_mm512_add_epi32(high, self.half), self.shift)
        }
    }
}

/// Values of four registers saturated to int8, those of lane `l` of register `r` in place
/// `16·l + 4·r` and after.
///
/// # Safety
///
/// Where AVX-512 BW is.
#[inline(always)]
pub(in crate::vector::x86) unsafe fn narrow([a, b, c, d]: [__m512i; 4]) -> __m512i {
    // SAFETY: as the caller vouches.
    unsafe { _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d)) }
}

/// Values of four registers saturated to int8, in order.
///
/// # Safety
///
/// Where AVX-512 BW is.
#[inline(always)]
pub(super) unsafe fn to_bytes(values: [__m512i; 4]) -> __m512i {
    // SAFETY: as the caller vouches.
    unsafe {
        let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        _mm512_permutexvar_epi32(order, narrow(values))
    }
}

/// Values of two registers saturated to int16, in order.
///
/// # Safety
///
/// Where AVX-512 BW is.
#[inline(always)]
pub(super) unsafe fn to_words([a, b]: [__m512i; 2]) -> __m512i {
    // SAFETY: as the caller vouches.
    unsafe {
        let order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
        _mm512_permutexvar_epi64(order, _mm512_packs_epi32(a, b))
    }
}

/// Sixteen of `values` from `at` on.
///
/// # Safety
///
/// Where AVX-512 F is.
#[inline(always)]
unsafe fn load<const C: usize>(values: &[i32; C], at: usize) -> __m512i {
    const { assert!(C.is_multiple_of(LANES)) };
    let values: &[i32; LANES] = values[at..].first_chunk().unwrap_or(&[0; LANES]);
    // SAFETY: 64 bytes are read, from an array of as many.
    unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
}

/// The bytes of a register.
///
/// # Safety
///
/// Where AVX-512 F is.
#[inline(always)]
unsafe fn bytes<T: Copy + Default, const N: usize>(register: __m512i) -> [T; N] {
    const { assert!(size_of::<[T; N]>() == size_of::<__m512i>()) };
    let mut values = [T::default(); N];
    // SAFETY: 64 bytes are written, to an array of as many.
    unsafe { _mm512_storeu_si512(values.as_mut_ptr().cast(), register) };
    values
}

// SAFETY: every instruction is one of AVX-512 F or BW.
unsafe impl Requantize for Avx512 {
    #[inline(always)]
    unsafe fn requantize<const C: usize>(by: &Multipliers<C>, z: &[i32; C]) -> [i32; C] {
        if !by.is_high {
            return by.apply(z);
        }
        let mut t = [0; C];
        for (part, t) in t.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let at = LANES * part;
            // SAFETY: as the caller vouches.
            unsafe { *t = bytes(HighHalf::of(by, at).apply(load(z, at))) };
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

/// Saturated to int8.
///
/// # Safety
///
/// Where AVX-512 BW is.
#[inline(always)]
unsafe fn to_i8<const C: usize>(t: &[i32; C]) -> [i8; C] {
    let mut narrowed = [0; C];
    for (part, to) in narrowed.chunks_mut(4 * LANES).enumerate() {
        // SAFETY: as the caller vouches.
        unsafe {
            // Registers behind the last one give bytes that are not used.
            let register = |r: usize| load(t, (4 * part + r).min(C / LANES - 1) * LANES);
            let bytes: [i8; 4 * LANES] =
                bytes(to_bytes([register(0), register(1), register(2), register(3)]));
            to.copy_from_slice(&bytes[..to.len()]);
        }
    }
    narrowed
}

/// Saturated to int16.
///
/// # Safety
///
/// Where AVX-512 BW is.
#[inline(always)]
unsafe fn to_i16<const C: usize>(t: &[i32; C]) -> [i16; C] {
    let mut narrowed = [0; C];
    for (part, to) in narrowed.chunks_mut(2 * LANES).enumerate() {
        // SAFETY: as the caller vouches.
        unsafe {
            let register = |r: usize| load(t, (2 * part + r).min(C / LANES - 1) * LANES);
            let words: [i16; 2 * LANES] = bytes(to_words([register(0), register(1)]));
            to.copy_from_slice(&words[..to.len()]);
        }
    }
    narrowed
}

/// Adds the first of the branch `t` to the stream `y`, as [`quant::ops::Add`].
///
/// # Safety
///
/// Where AVX-512 BW is.
#[inline(always)]
unsafe fn add<const C: usize>(y: &mut [i16], t: &[i16; C], residual: &Residual) {
    // SAFETY: as the caller vouches.
    unsafe {
        match Sum::new(residual) {
            Some(sum) => sum.add(y, t),
            None => epilogue::add(y, t, residual),
        }
    }
}
