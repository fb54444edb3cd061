//! Shiftmax of a row of scores by the bytes of exponentials, each of which is looked up once.
//!
//! An exponential `e = 2¹⁶·a + b`, with `b` below 2¹⁶, times the factor `f = 2¹⁶·c + d` gives the bits 16
//! to 31 of the product as `a·d + b·c + ⌊b·d / 2¹⁶⌋` modulo 2¹⁶: products of words, which stay in place.

use core::arch::asm;
use core::arch::x86_64::{
    __m128i, __m512i, _mm_min_epu8, _mm_minpos_epu16, _mm_srli_epi16, _mm256_castsi256_si128,
    _mm256_extracti128_si256, _mm256_min_epu8, _mm512_add_epi16, _mm512_add_epi32, _mm512_and_si512,
    _mm512_andnot_si512, _mm512_broadcastb_epi8, _mm512_castsi512_si256, _mm512_dpbusd_epi32,
    _mm512_extracti64x4_epi64, _mm512_loadu_si512, _mm512_mask_loadu_epi8, _mm512_mask_permutexvar_epi8,
    _mm512_mask_storeu_epi8, _mm512_mask_storeu_epi16, _mm512_maskz_loadu_epi8, _mm512_maskz_set1_epi8,
    _mm512_movepi8_mask, _mm512_mullo_epi16, _mm512_or_si512, _mm512_permutexvar_epi8,
    _mm512_reduce_add_epi32, _mm512_set1_epi8, _mm512_set1_epi16, _mm512_setzero_si512, _mm512_slli_epi16,
    _mm512_slli_epi32, _mm512_srli_epi16, _mm512_sub_epi8, _mm512_unpackhi_epi16, _mm512_unpacklo_epi16,
    _mm512_xor_si512,
};
use core::mem::MaybeUninit;

use quant::slice::{rows, rows_mut};

use super::lookup::Bytes;
use super::{Avx512, WIDTH, first, halves};
use crate::vector::isa::{Exponentials, Lookup};

/// Bytes of an exponential that are looked up.
pub(super) const PLANES: usize = 3;
/// Most scores of a row.
pub(super) const SCORES: usize = WIDTH * REGISTERS;
const REGISTERS: usize = 16;

/// The high bytes of the probabilities of at most [`SCORES`] scores, and the low ones; exponentials have
/// at most [`PLANES`] bytes.
///
/// # Safety
///
/// Where AVX-512 BW, VNNI and VBMI are.
#[inline(always)]
pub(super) unsafe fn row(exp: &Exponentials<'_>, scores: &[i8], high: &mut [u8], low: &mut [u8]) {
    let len = scores.len().min(high.len()).min(low.len());
    // SAFETY: a mask has as many ones as there are elements behind `at`, in all three slices.
    unsafe {
        let max = _mm512_set1_epi8(Avx512::max(scores));
        let mut found = [const { MaybeUninit::uninit() }; REGISTERS];
        let mut sums = [_mm512_setzero_si512(); PLANES];
        for (number, found) in found.iter_mut().enumerate().take(len.div_ceil(WIDTH)) {
            let at = number * WIDTH;
            let mask = first(len - at);
            let scores = _mm512_maskz_loadu_epi8(mask, scores.as_ptr().add(at));
            let bytes = look_up(exp, _mm512_sub_epi8(max, scores));
            let counted = _mm512_maskz_set1_epi8(mask, 1);
            for plane in 0..PLANES {
                sums[plane] = _mm512_dpbusd_epi32(sums[plane], bytes[plane], counted);
            }
            found.write(bytes);
        }
        let [a, b, c] = sums;
        let sum = _mm512_add_epi32(a, _mm512_slli_epi32::<8>(b));
        let sum = _mm512_reduce_add_epi32(_mm512_add_epi32(sum, _mm512_slli_epi32::<16>(c))) as u32;
        let factor = (i32::MAX as u32).checked_div(sum).unwrap_or(0);
        let factor = (_mm512_set1_epi16((factor >> 16) as i16), _mm512_set1_epi16(factor as i16));
        let lower = unknown(_mm512_set1_epi16(0xff));
        for (number, found) in found.iter().enumerate().take(len.div_ceil(WIDTH)) {
            let at = number * WIDTH;
            let mask = first(len - at);
            // The first loop has written it.
            let (b, a) = multiply(found.assume_init(), factor, lower);
            _mm512_mask_storeu_epi8(high.as_mut_ptr().add(at).cast(), mask, b);
            _mm512_mask_storeu_epi8(low.as_mut_ptr().add(at).cast(), mask, a);
        }
    }
}

/// Probabilities of 16 bits of rows of `width` scores, at most [`WIDTH`], whose exponentials have `N` bytes.
///
/// # Safety
///
/// Where AVX-512 BW, VNNI and VBMI are.
#[inline(always)]
pub(super) unsafe fn short_rows<const N: usize>(
    exp: &Exponentials<'_>,
    width: usize,
    x: &[i8],
    out: &mut [i16],
) {
    let mask = first(width);
    // SAFETY: masks have as many ones as a row has elements, in both slices.
    unsafe {
        let mut tables = [Bytes::new(&exp.planes[0]); N];
        for (table, plane) in tables.iter_mut().zip(&exp.planes) {
            *table = Bytes::new(plane);
        }
        let (inverted, counted) = (_mm512_set1_epi8(i8::MAX), _mm512_maskz_set1_epi8(mask, 1));
        let lower = unknown(_mm512_set1_epi16(0xff));
        for (x, out) in rows(x, width).zip(rows_mut(out, width)) {
            let scores = _mm512_mask_loadu_epi8(_mm512_set1_epi8(i8::MIN), mask, x.as_ptr());
            // Unsigned: the largest score has the least.
            let below = _mm512_xor_si512(scores, inverted);
            let distance = _mm512_sub_epi8(below, _mm512_broadcastb_epi8(least(below)));
            let mut bytes = [_mm512_setzero_si512(); 4];
            let mut sum = _mm512_setzero_si512();
            for plane in (0..N).rev() {
                bytes[plane] = tables[plane].get(distance);
                sum = _mm512_dpbusd_epi32(_mm512_slli_epi32::<8>(sum), bytes[plane], counted);
            }
            let sum = _mm512_reduce_add_epi32(sum) as u32;
            let factor = (i32::MAX as u32).checked_div(sum).unwrap_or(0);
            let factor = (_mm512_set1_epi16((factor >> 16) as i16), _mm512_set1_epi16(factor as i16));
            let (even, odd) = words(bytes, factor, lower);
            let parts = halves(_mm512_unpacklo_epi16(even, odd), _mm512_unpackhi_epi16(even, odd));
            for (part, words) in parts.into_iter().enumerate() {
                let at = part * WIDTH / 2;
                _mm512_mask_storeu_epi16(out.as_mut_ptr().wrapping_add(at), (mask >> at) as u32, words);
            }
        }
    }
}

/// The least of unsigned bytes.
///
/// # Safety
///
/// Where AVX-512 F is.
#[inline(always)]
unsafe fn least(bytes: __m512i) -> __m128i {
    // SAFETY: as the caller vouches.
    unsafe {
        let half = _mm256_min_epu8(_mm512_castsi512_si256(bytes), _mm512_extracti64x4_epi64::<1>(bytes));
        let least = _mm_min_epu8(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half));
        _mm_minpos_epu16(_mm_min_epu8(least, _mm_srli_epi16::<8>(least)))
    }
}

/// The bytes of the exponentials of distances, the lowest first.
///
/// # Safety
///
/// Where AVX-512 BW and VBMI are.
#[inline(always)]
unsafe fn look_up(exp: &Exponentials<'_>, distance: __m512i) -> [__m512i; PLANES] {
    // SAFETY: four times 64 bytes are read, of arrays of as many.
    unsafe {
        // A permutation takes the lower six bits; the other two say which one of four it is.
        let bit_7 = _mm512_movepi8_mask(distance);
        let bit_6 = _mm512_movepi8_mask(_mm512_slli_epi16::<1>(distance));
        let (from_64, from_192) = (bit_7 | bit_6, bit_7 & bit_6);
        let mut found = [_mm512_setzero_si512(); PLANES];
        for (found, plane) in found.iter_mut().zip(&exp.planes) {
            let part = plane.as_ptr().cast::<__m512i>();
            let mut bytes = _mm512_permutexvar_epi8(distance, _mm512_loadu_si512(part));
            for (number, mask) in [(1, from_64), (2, bit_7), (3, from_192)] {
                let part = _mm512_loadu_si512(part.add(number));
                bytes = _mm512_mask_permutexvar_epi8(bytes, mask, distance, part);
            }
            *found = bytes;
        }
        found
    }
}

/// The high bytes of probabilities and the low ones, as [`words`].
///
/// # Safety
///
/// Where AVX-512 BW is.
#[inline(always)]
unsafe fn multiply(
    [a, b, c]: [__m512i; PLANES],
    factor: (__m512i, __m512i),
    lower: __m512i,
) -> (__m512i, __m512i) {
    // SAFETY: as the caller vouches.
    unsafe {
        let (even, odd) = words([a, b, c, _mm512_setzero_si512()], factor, lower);
        (
            _mm512_or_si512(_mm512_srli_epi16::<8>(even), _mm512_andnot_si512(lower, odd)),
            _mm512_or_si512(_mm512_and_si512(even, lower), _mm512_slli_epi16::<8>(odd)),
        )
    }
}

/// The probabilities of even places and of odd ones, of the bytes of exponentials and the two words of
/// their factor. `lower` selects the low bytes of words.
///
/// # Safety
///
/// Where AVX-512 BW is.
#[inline(always)]
unsafe fn words(
    [a, b, c, d]: [__m512i; 4],
    factor: (__m512i, __m512i),
    lower: __m512i,
) -> (__m512i, __m512i) {
    // SAFETY: as the caller vouches.
    unsafe {
        let ((c, c_odd), (a, a_odd)) = (pairs(c, d, lower), pairs(a, b, lower));
        (product((c, a), factor), product((c_odd, a_odd), factor))
    }
}

/// Words of two bytes each, the low ones first: of even places, and of odd ones. `lower` selects the low
/// bytes of words.
///
/// # Safety
///
/// Where AVX-512 BW is.
#[inline(always)]
unsafe fn pairs(low: __m512i, high: __m512i, lower: __m512i) -> (__m512i, __m512i) {
    // SAFETY: as the caller vouches.
    unsafe {
        (
            _mm512_or_si512(_mm512_and_si512(low, lower), _mm512_slli_epi16::<8>(high)),
            _mm512_or_si512(_mm512_srli_epi16::<8>(low), _mm512_andnot_si512(lower, high)),
        )
    }
}

/// Bits 16 to 31 of the products of `factor` with exponentials, each of both in two words, the high ones
/// first.
///
/// # Safety
///
/// Where AVX-512 BW is.
#[inline(always)]
unsafe fn product((a, b): (__m512i, __m512i), (c, d): (__m512i, __m512i)) -> __m512i {
    // SAFETY: as the caller vouches.
    unsafe {
        let lower = _mm512_add_epi16(high_words(b, d), _mm512_mullo_epi16(b, c));
        _mm512_add_epi16(lower, _mm512_mullo_epi16(a, d))
    }
}

/// The high words of products of unsigned words. By assembly, for the compiler widens the words that it
/// multiplies by one and the same.
///
/// # Safety
///
/// Where AVX-512 BW is.
#[inline]
#[target_feature(enable = "avx512bw")]
unsafe fn high_words(a: __m512i, b: __m512i) -> __m512i {
    let high;
    // SAFETY: as the caller vouches.
    unsafe {
        asm!(
            "vpmulhuw {high}, {a}, {b}",
            high = lateout(zmm_reg) high,
            a = in(zmm_reg) a,
            b = in(zmm_reg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    high
}

/// `value`, of which the compiler does not know that it is constant: with a constant it would turn masks
/// and shifts of bytes into permutations of two registers, which take several times as long.
///
/// # Safety
///
/// Where AVX-512 F is.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn unknown(mut value: __m512i) -> __m512i {
    // SAFETY: nothing is done.
    unsafe {
        asm!("/* {value} */", value = inout(zmm_reg) value, options(pure, nomem, nostack, preserves_flags))
    };
    value
}
