//! Tables of 256 bytes: four registers.

use core::arch::x86_64::{
    __m512i, _mm_cvtsi32_si128, _mm_extract_epi16, _mm_max_epi8, _mm_min_epu8, _mm_minpos_epu16,
    _mm_set1_epi8, _mm_srli_epi16, _mm_sub_epi8, _mm256_castsi256_si128, _mm256_extracti128_si256,
    _mm256_max_epi8, _mm512_add_epi64, _mm512_castsi512_si256, _mm512_extracti64x4_epi64, _mm512_loadu_si512,
    _mm512_mask_blend_epi8, _mm512_mask_loadu_epi8, _mm512_mask_storeu_epi8, _mm512_maskz_loadu_epi8,
    _mm512_maskz_mov_epi8, _mm512_max_epi8, _mm512_movepi8_mask, _mm512_permutex2var_epi8,
    _mm512_reduce_add_epi64, _mm512_sad_epu8, _mm512_set1_epi8, _mm512_setzero_si512, _mm512_shuffle_i64x2,
    _mm512_sll_epi64, _mm512_storeu_si512, _mm512_sub_epi8, _mm512_xor_si512,
};

use super::shiftmax::{PLANES, SCORES as MOST, row, short_rows};
use super::{Avx512, WIDTH, first, interleave};
use crate::vector::isa::{Exponentials, Lookup, SCORES};
use crate::vector::shiftmax::probabilities;

/// 256 bytes in four registers.
#[derive(Clone, Copy)]
pub(super) struct Bytes([__m512i; 4]);

impl Bytes {
    /// # Safety
    ///
    /// Where AVX-512 F is.
    #[inline(always)]
    pub(super) unsafe fn new(bytes: &[u8; 256]) -> Self {
        let start = bytes.as_ptr().cast::<__m512i>();
        // SAFETY: four times 64 bytes are read, from an array of as many.
        Self(core::array::from_fn(|part| unsafe { _mm512_loadu_si512(start.add(part)) }))
    }

    /// That of each byte of `index`.
    ///
    /// # Safety
    ///
    /// Where AVX-512 BW and VBMI are.
    #[inline(always)]
    pub(super) unsafe fn get(self, index: __m512i) -> __m512i {
        let [a, b, c, d] = self.0;
        // SAFETY: as the caller vouches.
        unsafe {
            let low = _mm512_permutex2var_epi8(a, index, b);
            let high = _mm512_permutex2var_epi8(c, index, d);
            _mm512_mask_blend_epi8(_mm512_movepi8_mask(index), low, high)
        }
    }
}

// SAFETY: every instruction is one of AVX-512 F, BW or VBMI, and every access is masked to the
// length of its slice.
unsafe impl Lookup for Avx512 {
    #[inline(always)]
    unsafe fn table(table: &[i8; 256], x: &mut [i8]) {
        // SAFETY: a chunk has as many bytes as its mask has ones; an array of i8 has the bytes of one
        // of u8.
        unsafe {
            let bytes = Bytes::new(&*table.as_ptr().cast());
            for chunk in x.chunks_mut(WIDTH) {
                let mask = first(chunk.len());
                let values = _mm512_maskz_loadu_epi8(mask, chunk.as_ptr());
                let found = bytes.get(_mm512_xor_si512(values, _mm512_set1_epi8(i8::MIN)));
                _mm512_mask_storeu_epi8(chunk.as_mut_ptr(), mask, found);
            }
        }
    }

    #[inline(always)]
    unsafe fn max(scores: &[i8]) -> i8 {
        // SAFETY: a chunk has as many bytes as its mask has ones.
        unsafe {
            let mut most = _mm512_set1_epi8(i8::MIN);
            for chunk in scores.chunks(WIDTH) {
                let scores = _mm512_mask_loadu_epi8(most, first(chunk.len()), chunk.as_ptr());
                most = _mm512_max_epi8(most, scores);
            }
            let half = _mm256_max_epi8(_mm512_castsi512_si256(most), _mm512_extracti64x4_epi64::<1>(most));
            let most = _mm_max_epi8(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half));
            // The least of sixteen bytes: of the unsigned distances from 127, two by two.
            let distance = _mm_sub_epi8(_mm_set1_epi8(i8::MAX), most);
            let pairs = _mm_min_epu8(distance, _mm_srli_epi16::<8>(distance));
            let least = _mm_extract_epi16::<0>(_mm_minpos_epu16(pairs)) as u8;
            i8::MAX.wrapping_sub(least as i8)
        }
    }

    #[inline(always)]
    unsafe fn sum(exp: &Exponentials<'_>, max: i8, scores: &[i8]) -> u32 {
        // SAFETY: a chunk has as many bytes as its mask has ones.
        unsafe {
            let zero = _mm512_setzero_si512();
            let mut sum = zero;
            for (plane, bytes) in exp.planes.iter().enumerate().take(exp.used) {
                let (bytes, mut sums) = (Bytes::new(bytes), zero);
                for chunk in scores.chunks(WIDTH) {
                    let mask = first(chunk.len());
                    let scores = _mm512_maskz_loadu_epi8(mask, chunk.as_ptr());
                    let found = bytes.get(_mm512_sub_epi8(_mm512_set1_epi8(max), scores));
                    sums = _mm512_add_epi64(sums, _mm512_sad_epu8(_mm512_maskz_mov_epi8(mask, found), zero));
                }
                sum = _mm512_add_epi64(sum, _mm512_sll_epi64(sums, _mm_cvtsi32_si128(8 * plane as i32)));
            }
            _mm512_reduce_add_epi64(sum) as u32
        }
    }

    #[inline(always)]
    unsafe fn exponentials(exp: &Exponentials<'_>, max: i8, scores: &[i8], to: &mut [u32; SCORES]) {
        // SAFETY: a chunk has as many bytes as its mask has ones, and four times 64 bytes are written,
        // to an array of as many.
        unsafe {
            let mask = first(scores.len());
            let index =
                _mm512_sub_epi8(_mm512_set1_epi8(max), _mm512_maskz_loadu_epi8(mask, scores.as_ptr()));
            let mut found = [_mm512_setzero_si512(); 4];
            for (found, plane) in found.iter_mut().zip(&exp.planes).take(exp.used) {
                *found = _mm512_maskz_mov_epi8(mask, Bytes::new(plane).get(index));
            }
            let [a, b, c, d] = interleave(found);
            // Lane l of register r holds values 16·l + 4·r and after: lanes of the same l go together.
            let (ab_low, ab_high) = (_mm512_shuffle_i64x2::<0x44>(a, b), _mm512_shuffle_i64x2::<0xee>(a, b));
            let (cd_low, cd_high) = (_mm512_shuffle_i64x2::<0x44>(c, d), _mm512_shuffle_i64x2::<0xee>(c, d));
            let place = to.as_mut_ptr().cast::<__m512i>();
            _mm512_storeu_si512(place, _mm512_shuffle_i64x2::<0x88>(ab_low, cd_low));
            _mm512_storeu_si512(place.add(1), _mm512_shuffle_i64x2::<0xdd>(ab_low, cd_low));
            _mm512_storeu_si512(place.add(2), _mm512_shuffle_i64x2::<0x88>(ab_high, cd_high));
            _mm512_storeu_si512(place.add(3), _mm512_shuffle_i64x2::<0xdd>(ab_high, cd_high));
        }
    }

    #[inline(always)]
    unsafe fn distances(table: &[u16; 256], max: i8, scores: &[i8], high: &mut [u8], low: &mut [u8]) {
        // SAFETY: as the caller vouches.
        unsafe {
            let of_low = Bytes::new(&table.map(|value| value as u8));
            let of_high = Bytes::new(&table.map(|value| (value >> 8) as u8));
            look_up(of_low, of_high, (max, scores), high, low);
        }
    }

    #[inline(always)]
    unsafe fn shiftmax(exp: &Exponentials<'_>, scores: &[i8], high: &mut [u8], low: &mut [u8]) {
        // SAFETY: as the caller vouches.
        unsafe {
            if exp.used > PLANES || scores.len() > MOST {
                return probabilities::<Self>(exp, scores, high, low);
            }
            row(exp, scores, high, low);
        }
    }

    #[inline(always)]
    unsafe fn short_rows(exp: &Exponentials<'_>, width: usize, x: &[i8], out: &mut [i16]) -> bool {
        // SAFETY: as the caller vouches.
        unsafe {
            match exp.used {
                _ if width > WIDTH => return false,
                ..=2 => short_rows::<2>(exp, width, x, out),
                3 => short_rows::<3>(exp, width, x, out),
                _ => short_rows::<4>(exp, width, x, out),
            }
        }
        true
    }
}

/// Looks the distances of `scores` from `max` up.
///
/// # Safety
///
/// Where AVX-512 BW and VBMI are.
#[inline(always)]
unsafe fn look_up(
    of_low: Bytes,
    of_high: Bytes,
    (max, scores): (i8, &[i8]),
    high: &mut [u8],
    low: &mut [u8],
) {
    let chunks = high.chunks_mut(WIDTH).zip(low.chunks_mut(WIDTH));
    for (scores, (high, low)) in scores.chunks(WIDTH).zip(chunks) {
        // SAFETY: all three chunks have at least as many bytes as the mask has ones.
        unsafe {
            let mask = first(scores.len().min(high.len()).min(low.len()));
            let scores = _mm512_maskz_loadu_epi8(mask, scores.as_ptr());
            let index = _mm512_sub_epi8(_mm512_set1_epi8(max), scores);
            _mm512_mask_storeu_epi8(high.as_mut_ptr().cast(), mask, of_high.get(index));
            _mm512_mask_storeu_epi8(low.as_mut_ptr().cast(), mask, of_low.get(index));
        }
    }
}
