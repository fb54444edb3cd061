//! Sums of words, each times a multiplier (see [`OfWord`]).

use core::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_mulhi_epi16, _mm256_packs_epi32,
    _mm256_set1_epi16, _mm256_set1_epi32, _mm256_srav_epi32, _mm256_storeu_si256, _mm256_unpackhi_epi16,
    _mm256_unpacklo_epi16,
};

use quant::Fault;
use quant::ops::{AddArgs, Residual};

use crate::portable::{self, epilogue};
use crate::vector::x86::words::OfWord;

/// Words of a register.
const WORDS: usize = 16;

/// A multiplier in registers.
#[derive(Clone, Copy)]
struct Words {
    low: __m256i,
    pair: __m256i,
    half: __m256i,
    right: __m256i,
}

impl Words {
    /// # Safety
    ///
    /// Where AVX2 is.
    #[inline(always)]
    unsafe fn new(OfWord { low, pair, half, right }: OfWord) -> Self {
        // SAFETY: as the caller vouches.
        unsafe {
            Self {
                low: _mm256_set1_epi16(low),
                pair: _mm256_set1_epi32(pair),
                half: _mm256_set1_epi32(half),
                right: _mm256_set1_epi32(right),
            }
        }
    }

    /// Words times the multiplier: those that unpacking calls the low ones, and the high ones.
    ///
    /// # Safety
    ///
    /// Where AVX2 is.
    #[inline(always)]
    unsafe fn apply(&self, x: __m256i) -> [__m256i; 2] {
        // SAFETY: as the caller vouches.
        unsafe {
            let upper = _mm256_mulhi_epi16(x, self.low);
            let mut parts = [_mm256_unpacklo_epi16(x, upper), _mm256_unpackhi_epi16(x, upper)];
            for part in &mut parts {
                let sum = _mm256_add_epi32(_mm256_madd_epi16(*part, self.pair), self.half);
                *part = _mm256_srav_epi32(sum, self.right);
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
    residual: Residual,
}

impl Sum {
    /// Where the multipliers are such.
    ///
    /// # Safety
    ///
    /// Where AVX2 is.
    #[inline(always)]
    pub(super) unsafe fn new(residual: &Residual) -> Option<Self> {
        let (stream, branch) = (OfWord::new(residual.stream)?, OfWord::new(residual.branch)?);
        // SAFETY: as the caller vouches.
        Some(unsafe { Self { stream: Words::new(stream), branch: Words::new(branch), residual: *residual } })
    }

    /// `x` in the stream and `y` of the branch, saturated.
    ///
    /// # Safety
    ///
    /// Where AVX2 is.
    #[inline(always)]
    pub(super) unsafe fn of(&self, x: __m256i, y: __m256i) -> __m256i {
        // SAFETY: as the caller vouches.
        unsafe {
            let ([a, b], [c, d]) = (self.stream.apply(x), self.branch.apply(y));
            _mm256_packs_epi32(_mm256_add_epi32(a, c), _mm256_add_epi32(b, d))
        }
    }

    /// Adds as many words of `y` to `x` as both have.
    ///
    /// # Safety
    ///
    /// Where AVX2 is.
    #[inline(always)]
    pub(super) unsafe fn add(&self, x: &mut [i16], y: &[i16]) {
        let len = x.len().min(y.len());
        let ((whole, rest), (words, rest_of_words)) = (x[..len].as_chunks_mut(), y[..len].as_chunks());
        for (x, y) in whole.iter_mut().zip(words) {
            let (x, y): (&mut [i16; WORDS], &[i16; WORDS]) = (x, y);
            // SAFETY: 32 bytes are read and written, of arrays of as many.
            unsafe {
                let place = x.as_mut_ptr().cast();
                let sum = self.of(_mm256_loadu_si256(place), _mm256_loadu_si256(y.as_ptr().cast()));
                _mm256_storeu_si256(place, sum);
            }
        }
        epilogue::add(rest, rest_of_words, &self.residual);
    }
}

/// The residual addition.
///
/// # Safety
///
/// Where AVX2 is.
#[inline(always)]
pub(super) unsafe fn add(args: &AddArgs, x: &mut [i16], y: &[i16]) -> Result<(), Fault> {
    let scales = Residual { stream: args.x_scale, branch: args.y_scale };
    // SAFETY: as the caller vouches.
    unsafe {
        let Some(sum) = Sum::new(&scales) else { return portable::add(args, x, y) };
        if y.is_empty() {
            return Err(Fault::Bounds);
        }
        for row in x.chunks_mut(y.len()) {
            sum.add(row, y);
        }
    }
    Ok(())
}
