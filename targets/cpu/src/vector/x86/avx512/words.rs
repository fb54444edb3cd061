//! Sums of words, each times a multiplier (see [`OfWord`]).

use core::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_loadu_si512, _mm512_madd_epi16, _mm512_mask_storeu_epi16,
    _mm512_maskz_loadu_epi16, _mm512_mulhi_epi16, _mm512_packs_epi32, _mm512_set1_epi16, _mm512_set1_epi32,
    _mm512_srav_epi32, _mm512_storeu_si512, _mm512_unpackhi_epi16, _mm512_unpacklo_epi16,
};

use quant::ops::Residual;

use super::{WIDTH, first};
use crate::vector::x86::words::OfWord;

/// Words of a register.
pub(super) const WORDS: usize = WIDTH / 2;

/// A multiplier in registers.
#[derive(Clone, Copy)]
struct Words {
    low: __m512i,
    pair: __m512i,
    half: __m512i,
    right: __m512i,
}

impl Words {
    /// # Safety
    ///
    /// Where AVX-512 BW is.
    #[inline(always)]
    unsafe fn new(OfWord { low, pair, half, right }: OfWord) -> Self {
        // SAFETY: as the caller vouches.
        unsafe {
            Self {
                low: _mm512_set1_epi16(low),
                pair: _mm512_set1_epi32(pair),
                half: _mm512_set1_epi32(half),
                right: _mm512_set1_epi32(right),
            }
        }
    }

    /// Words times the multiplier: those that unpacking calls the low ones, and the high ones.
    ///
    /// # Safety
    ///
    /// Where AVX-512 BW is.
    #[inline(always)]
    unsafe fn apply(&self, x: __m512i) -> [__m512i; 2] {
        // SAFETY: as the caller vouches.
        unsafe {
            let upper = _mm512_mulhi_epi16(x, self.low);
            let mut parts = [_mm512_unpacklo_epi16(x, upper), _mm512_unpackhi_epi16(x, upper)];
            for part in &mut parts {
                let sum = _mm512_add_epi32(_mm512_madd_epi16(*part, self.pair), self.half);
                *part = _mm512_srav_epi32(sum, self.right);
            }
            parts
        }
    }
}

/// Both multipliers of an addition.
#[derive(Clone, Copy)]
pub(super) struct Sum {
    stream: Words,
    branch: Words,
}

impl Sum {
    /// Of zeros.
    ///
    /// # Safety
    ///
    /// Where AVX-512 BW is.
    #[inline(always)]
    pub(super) unsafe fn zero() -> Self {
        // SAFETY: as the caller vouches.
        let none = unsafe { Words::new(OfWord { low: 0, pair: 0, half: 0, right: 0 }) };
        Self { stream: none, branch: none }
    }

    /// Where the multipliers are such.
    ///
    /// # Safety
    ///
    /// Where AVX-512 BW is.
    #[inline(always)]
    pub(super) unsafe fn new(residual: &Residual) -> Option<Self> {
        let (stream, branch) = (OfWord::new(residual.stream)?, OfWord::new(residual.branch)?);
        // SAFETY: as the caller vouches.
        Some(unsafe { Self { stream: Words::new(stream), branch: Words::new(branch) } })
    }

    /// `x` in the stream and `y` of the branch, saturated.
    ///
    /// # Safety
    ///
    /// Where AVX-512 BW is.
    #[inline(always)]
    pub(super) unsafe fn of(&self, x: __m512i, y: __m512i) -> __m512i {
        // SAFETY: as the caller vouches.
        unsafe {
            let ([a, b], [c, d]) = (self.stream.apply(x), self.branch.apply(y));
            _mm512_packs_epi32(_mm512_add_epi32(a, c), _mm512_add_epi32(b, d))
        }
    }

    /// Adds as many words of `y` to `x` as both have.
    ///
    /// # Safety
    ///
    /// Where AVX-512 BW is.
    #[inline(always)]
    pub(super) unsafe fn add(&self, x: &mut [i16], y: &[i16]) {
        let len = x.len().min(y.len());
        let ((whole, rest), (words, rest_of_words)) = (x[..len].as_chunks_mut(), y[..len].as_chunks());
        for (x, y) in whole.iter_mut().zip(words) {
            let (x, y): (&mut [i16; WORDS], &[i16; WORDS]) = (x, y);
            // SAFETY: 64 bytes are read and written, of arrays of as many.
            unsafe {
                let place = x.as_mut_ptr().cast();
                let sum = self.of(_mm512_loadu_si512(place), _mm512_loadu_si512(y.as_ptr().cast()));
                _mm512_storeu_si512(place, sum);
            }
        }
        // SAFETY: the mask has as many ones as both have words.
        unsafe {
            let mask = first(rest.len()) as u32;
            let x = _mm512_maskz_loadu_epi16(mask, rest.as_ptr());
            let sum = self.of(x, _mm512_maskz_loadu_epi16(mask, rest_of_words.as_ptr()));
            _mm512_mask_storeu_epi16(rest.as_mut_ptr(), mask, sum);
        }
    }
}
