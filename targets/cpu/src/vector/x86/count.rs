//! Counts of bits: by VPOPCNTDQ, or by tables of the counts of four bits.

use core::arch::x86_64::{
    __m256i, __m512i, _mm_cvtsi128_si32, _mm_min_epu32, _mm_shuffle_epi32, _mm256_add_epi8, _mm256_add_epi32,
    _mm256_and_si256, _mm256_castsi256_ps, _mm256_castsi256_si128, _mm256_cmpgt_epi32,
    _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_min_epu32,
    _mm256_movemask_ps, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setr_epi8,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16, _mm256_storeu_si256, _mm256_xor_si256,
    _mm512_add_epi32, _mm512_and_si512, _mm512_cmple_epu32_mask, _mm512_loadu_si512, _mm512_min_epu32,
    _mm512_popcnt_epi32, _mm512_reduce_min_epu32, _mm512_set1_epi32, _mm512_setzero_si512,
    _mm512_storeu_si512, _mm512_xor_si512,
};

use super::avx2::{Avx2, Avx2Unsigned, AvxVnni, halves};
use super::avx512::Avx512;
use crate::vector::binary::Count;
use crate::vector::isa::LANES;

// SAFETY: every instruction is one of AVX-512 F or VPOPCNTDQ, and every access is to a whole array.
unsafe impl Count for Avx512 {
    type Counts = __m512i;
    const MOST: usize = usize::MAX;

    #[inline(always)]
    unsafe fn none() -> __m512i {
        // SAFETY: as the caller vouches.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn add(counts: __m512i, x: u32, m: u32, w: &[u32; LANES]) -> __m512i {
        // SAFETY: 64 bytes are read, from an array of as many.
        unsafe {
            let w = _mm512_loadu_si512(w.as_ptr().cast());
            let bits = _mm512_xor_si512(w, _mm512_set1_epi32(x as i32));
            let bits = _mm512_and_si512(bits, _mm512_set1_epi32(m as i32));
            _mm512_add_epi32(counts, _mm512_popcnt_epi32(bits))
        }
    }

    #[inline(always)]
    unsafe fn add_to(sums: &mut [u32; LANES], counts: __m512i) {
        let place = sums.as_mut_ptr();
        // SAFETY: 64 bytes are read and written, of an array of as many.
        unsafe {
            let sums = _mm512_add_epi32(_mm512_loadu_si512(place.cast()), counts);
            _mm512_storeu_si512(place.cast(), sums);
        }
    }

    #[inline(always)]
    unsafe fn least(values: &[[u32; LANES]]) -> u32 {
        // SAFETY: 64 bytes are read, from arrays of as many.
        unsafe {
            let mut least = _mm512_set1_epi32(-1);
            for values in values {
                least = _mm512_min_epu32(least, _mm512_loadu_si512(values.as_ptr().cast()));
            }
            _mm512_reduce_min_epu32(least)
        }
    }

    #[inline(always)]
    unsafe fn at_most(values: &[u32; LANES], limit: u32) -> u32 {
        // SAFETY: 64 bytes are read, from an array of as many.
        unsafe {
            let values = _mm512_loadu_si512(values.as_ptr().cast());
            _mm512_cmple_epu32_mask(values, _mm512_set1_epi32(limit as i32)).into()
        }
    }
}

/// Bits of each byte.
///
/// # Safety
///
/// Where AVX2 is.
#[inline(always)]
unsafe fn popcount(bits: __m256i) -> __m256i {
    // SAFETY: as the caller vouches.
    unsafe {
        let counts = _mm256_setr_epi8(
            0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,
        );
        let four = _mm256_set1_epi8(15);
        let low = _mm256_shuffle_epi8(counts, _mm256_and_si256(bits, four));
        let high = _mm256_shuffle_epi8(counts, _mm256_and_si256(_mm256_srli_epi16::<4>(bits), four));
        _mm256_add_epi8(low, high)
    }
}

/// Adds the counts of four bytes each.
///
/// # Safety
///
/// Where AVX2 is.
#[inline(always)]
unsafe fn add_bytes(sums: &mut [u32; LANES], counts: [__m256i; 2]) {
    let place = sums.as_mut_ptr().cast::<__m256i>();
    for (half, counts) in counts.into_iter().enumerate() {
        // SAFETY: 32 bytes are read and written at each half of an array of 64.
        unsafe {
            let pairs = _mm256_maddubs_epi16(counts, _mm256_set1_epi8(1));
            let fours = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
            let place = place.add(half);
            _mm256_storeu_si256(place, _mm256_add_epi32(_mm256_loadu_si256(place), fours));
        }
    }
}

/// The least of all.
///
/// # Safety
///
/// Where AVX2 is.
#[inline(always)]
unsafe fn least(values: &[[u32; LANES]]) -> u32 {
    // SAFETY: arrays of 64 bytes.
    unsafe {
        let mut least = _mm256_set1_epi32(-1);
        for values in values {
            let [low, high] = halves(values.as_ptr());
            least = _mm256_min_epu32(least, _mm256_min_epu32(low, high));
        }
        let least = _mm_min_epu32(_mm256_castsi256_si128(least), _mm256_extracti128_si256::<1>(least));
        let least = _mm_min_epu32(least, _mm_shuffle_epi32::<0b01_00_11_10>(least));
        _mm_cvtsi128_si32(_mm_min_epu32(least, _mm_shuffle_epi32::<0b10_11_00_01>(least))) as u32
    }
}

/// Counts of bytes in two registers.
macro_rules! count {
    ($isa:ty) => {
        // SAFETY: every instruction is one of AVX2, and every access is to a whole array.
        unsafe impl Count for $isa {
            type Counts = [__m256i; 2];
            /// 8 · 31 < 2⁸.
            const MOST: usize = 31;

            #[inline(always)]
            unsafe fn none() -> [__m256i; 2] {
                // SAFETY: as the caller vouches.
                unsafe { [_mm256_setzero_si256(); 2] }
            }

            #[inline(always)]
            unsafe fn add([low, high]: [__m256i; 2], x: u32, m: u32, w: &[u32; LANES]) -> [__m256i; 2] {
                // SAFETY: `w` is an array of 64 bytes.
                unsafe {
                    let (x, m) = (_mm256_set1_epi32(x as i32), _mm256_set1_epi32(m as i32));
                    let [a, b] = halves(w.as_ptr());
                    let (a, b) = (_mm256_xor_si256(a, x), _mm256_xor_si256(b, x));
                    let (a, b) = (_mm256_and_si256(a, m), _mm256_and_si256(b, m));
                    [_mm256_add_epi8(low, popcount(a)), _mm256_add_epi8(high, popcount(b))]
                }
            }

            #[inline(always)]
            unsafe fn add_to(sums: &mut [u32; LANES], [low, high]: [__m256i; 2]) {
                // SAFETY: as the caller vouches; `sums` is an array of 64 bytes.
                unsafe { add_bytes(sums, [low, high]) }
            }

            #[inline(always)]
            unsafe fn least(values: &[[u32; LANES]]) -> u32 {
                // SAFETY: as the caller vouches.
                unsafe { least(values) }
            }

            #[inline(always)]
            unsafe fn at_most(values: &[u32; LANES], limit: u32) -> u32 {
                // SAFETY: `values` is an array of 64 bytes.
                unsafe {
                    let ([low, high], limit) = (halves(values.as_ptr()), _mm256_set1_epi32(limit as i32));
                    let low = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(low, limit)));
                    let high = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(high, limit)));
                    (low | high << 8) as u32 ^ 0xffff
                }
            }
        }
    };
}

count!(Avx2);
count!(Avx2Unsigned);
count!(AvxVnni);
