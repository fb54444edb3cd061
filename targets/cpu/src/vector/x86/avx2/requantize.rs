//! Requantization by the high halves of products, and one rounding shift (see [`quant::arith`]).

use core::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_blend_epi32, _mm256_loadu_si256, _mm256_mul_epi32, _mm256_packs_epi16,
    _mm256_packs_epi32, _mm256_permute4x64_epi64, _mm256_permutevar8x32_epi32, _mm256_set1_epi32,
    _mm256_setr_epi32, _mm256_shuffle_epi32, _mm256_srav_epi32, _mm256_srli_epi64, _mm256_storeu_si256,
};

use super::tile::Row;
use crate::portable::requantize::Multipliers;

/// Channels of a [`Row`].
pub(super) const CHANNELS: usize = 32;
/// Values of 32 bits in a register.
pub(super) const INTS: usize = 8;

/// Multipliers `mantissa / 2^(32 + shift)` of eight values, where each shift is at least 1.
#[derive(Clone, Copy)]
pub(super) struct HighHalf {
    mantissa: __m256i,
    /// The mantissas of odd places, each in the even place before.
    odd: __m256i,
    /// Half of what is shifted out.
    half: __m256i,
    shift: __m256i,
}

impl HighHalf {
    /// One multiplier for all, of a shift in 33 ..= 62.
    ///
    /// # Safety
    ///
    /// Where AVX2 is.
    #[inline(always)]
    pub(super) unsafe fn uniform(mantissa: i32, shift: u8) -> Self {
        let shift = u32::from(shift & 63).saturating_sub(32);
        // SAFETY: as the caller vouches.
        unsafe {
            Self {
                mantissa: _mm256_set1_epi32(mantissa),
                odd: _mm256_set1_epi32(mantissa),
                half: _mm256_set1_epi32((1 << shift) >> 1),
                shift: _mm256_set1_epi32(shift as i32),
            }
        }
    }

    /// Those of `mantissa` and `shift`; `half` is added to the high halves of products.
    ///
    /// # Safety
    ///
    /// Where AVX2 is.
    #[inline(always)]
    pub(super) unsafe fn new(mantissa: __m256i, half: __m256i, shift: __m256i) -> Self {
        // SAFETY: as the caller vouches.
        let odd = unsafe { _mm256_srli_epi64::<32>(mantissa) };
        Self { mantissa, odd, half, shift }
    }

    /// Those of all channels, where all shifts of `by` are high.
    ///
    /// # Safety
    ///
    /// Where AVX2 is.
    #[inline(always)]
    pub(super) unsafe fn of(by: &Multipliers<CHANNELS>) -> [Self; 4] {
        // SAFETY: as the caller vouches.
        unsafe {
            let (mantissa, half, shift) = (load(&by.mantissa), load(&by.half), load(&by.right));
            let mut all = [Self::uniform(0, 33); 4];
            for (part, by) in all.iter_mut().enumerate() {
                *by = Self::new(mantissa[part], half[part], shift[part]);
            }
            all
        }
    }

    /// `round(z · mantissa / 2^(32 + shift))`.
    ///
    /// # Safety
    ///
    /// Where AVX2 is.
    #[inline(always)]
    pub(super) unsafe fn apply(&self, z: __m256i) -> __m256i {
        // SAFETY: as the caller vouches.
        unsafe {
            let even_products = _mm256_mul_epi32(z, self.mantissa);
            // Shifts and shuffles have ports of their own: one of each here.
            let odd_products = _mm256_mul_epi32(_mm256_srli_epi64::<32>(z), self.odd);
            let even_high = _mm256_shuffle_epi32::<0xf5>(even_products);
            let high = _mm256_blend_epi32::<0xaa>(even_high, odd_products);
            _mm256_srav_epi32(_mm256_add_epi32(high, self.half), self.shift)
        }
    }
}

/// In registers.
///
/// # Safety
///
/// Where AVX2 is.
#[inline(always)]
pub(super) unsafe fn load(values: &[i32; CHANNELS]) -> Row {
    let start = values.as_ptr().cast::<__m256i>();
    // SAFETY: four times 32 bytes are read, of an array of as many.
    unsafe {
        [
            _mm256_loadu_si256(start),
            _mm256_loadu_si256(start.add(1)),
            _mm256_loadu_si256(start.add(2)),
            _mm256_loadu_si256(start.add(3)),
        ]
    }
}

/// In memory.
///
/// # Safety
///
/// Where AVX2 is.
#[inline(always)]
pub(super) unsafe fn values(row: Row) -> [i32; CHANNELS] {
    let mut values = [0; CHANNELS];
    for (part, values) in row.into_iter().zip(values.as_chunks_mut::<INTS>().0) {
        // SAFETY: 32 bytes are written, to an array of as many.
        unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), part) };
    }
    values
}

/// By multipliers with shifts of all sizes. Apart, so that it leaves the registers to what is done often.
///
/// # Safety
///
/// Where AVX2 is.
#[inline(never)]
#[target_feature(enable = "avx2")]
pub(super) unsafe fn by_any(by: &Multipliers<CHANNELS>, sums: &[i32; CHANNELS]) -> [i32; CHANNELS] {
    by.apply(sums)
}

/// Saturated to int8, in order.
///
/// # Safety
///
/// Where AVX2 is.
#[inline(always)]
pub(super) unsafe fn to_bytes([a, b, c, d]: Row) -> __m256i {
    // SAFETY: as the caller vouches.
    unsafe {
        let bytes = _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
        _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))
    }
}

/// Values of two registers saturated to int16, in order.
///
/// # Safety
///
/// Where AVX2 is.
#[inline(always)]
pub(super) unsafe fn to_words([a, b]: [__m256i; 2]) -> __m256i {
    // SAFETY: as the caller vouches.
    unsafe { _mm256_permute4x64_epi64::<0xd8>(_mm256_packs_epi32(a, b)) }
}
