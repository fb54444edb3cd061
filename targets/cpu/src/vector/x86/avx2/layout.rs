//! How activations and weights of bytes become those of products.

use core::arch::x86_64::{
    __m256i, _mm_setr_epi8, _mm256_add_epi32, _mm256_broadcastsi128_si256, _mm256_dpbusd_avx_epi32,
    _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srai_epi16, _mm256_storeu_si256,
};
use core::ops::Range;

use quant::Fault;
use quant::slice::window_mut;

use super::halves;
use super::tile::{Fours, Pairs, Row, Tile};
use crate::vector::isa::{GROUP, LANES, STAGE, Weights};
use crate::vector::source::Source;

/// Steps of a tile whose weights stay in the first cache.
pub(super) const DEPTH: usize = 224;

/// Weights of two panels.
pub(super) type Panels<'a> = [&'a [Weights]; 2];
/// Room for the weights of a tile.
#[repr(align(64))]
pub(super) struct Widened([[Weights; DEPTH]; 2]);

impl Widened {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self([[[0; LANES * GROUP]; DEPTH]; 2])
    }
}

/// How activations and weights of bytes become those of products.
///
/// # Safety
///
/// As [`Tile`] says.
pub(super) unsafe trait Layout<const R: usize>: Tile<R> {
    /// Steps of a group of inputs.
    const STEPS: usize;

    /// Lays out inputs of row `row` of `source`, which are `k`.
    fn stage(source: &impl Source, row: usize, k: usize, to: &mut [u32]) -> Result<(), Fault>;

    /// The weights of `groups`, which are at most `DEPTH / STEPS`.
    ///
    /// # Safety
    ///
    /// As the trait says.
    unsafe fn weights<'a>(panels: Panels<'a>, groups: Range<usize>, room: &'a mut Widened) -> Panels<'a>;

    /// What is to be taken from the sums of `panels`.
    ///
    /// # Safety
    ///
    /// As the trait says.
    unsafe fn excess(panels: Panels<'_>) -> Row;
}

// SAFETY: every instruction is one of AVX2 or AVX-VNNI.
unsafe impl Layout<3> for Fours {
    const STEPS: usize = 1;

    /// `x + 128`, unsigned.
    #[inline(always)]
    fn stage(source: &impl Source, row: usize, k: usize, to: &mut [u32]) -> Result<(), Fault> {
        source.stage(row, 0, 0x80, window_mut(bytemuck::cast_slice_mut(to), 0, k)?)
    }

    #[inline(always)]
    unsafe fn weights<'a>(panels: Panels<'a>, groups: Range<usize>, _room: &'a mut Widened) -> Panels<'a> {
        panels.map(|panel| panel.get(groups.clone()).unwrap_or(&[]))
    }

    #[inline(always)]
    unsafe fn excess(panels: Panels<'_>) -> Row {
        // SAFETY: as the caller vouches.
        unsafe { excess_of_fours(panels) }
    }
}

/// 128 times the sums of the weights of both panels.
///
/// # Safety
///
/// Where AVX-VNNI is.
#[inline(never)]
#[target_feature(enable = "avx2,avxvnni")]
unsafe fn excess_of_fours([first, second]: Panels<'_>) -> Row {
    // SAFETY: the instructions are those that the function is compiled for.
    unsafe {
        let flip = _mm256_set1_epi8(i8::MIN);
        // Two steps at once, whose sums do not wait for each other.
        let mut sums = [[_mm256_setzero_si256(); 4]; 2];
        let pairs = first.as_chunks::<2>().0.iter().zip(second.as_chunks::<2>().0);
        for (first, second) in pairs {
            for step in 0..2 {
                add_excess(&mut sums[step], flip, [&first[step], &second[step]]);
            }
        }
        if let ([first], [second]) = (first.as_chunks::<2>().1, second.as_chunks::<2>().1) {
            add_excess(&mut sums[0], flip, [first, second]);
        }
        let [mut total, more] = sums;
        for (sum, more) in total.iter_mut().zip(more) {
            *sum = _mm256_add_epi32(*sum, more);
        }
        total
    }
}

/// Adds the products of `flip` and a step of both panels.
///
/// # Safety
///
/// Where AVX-VNNI is.
#[inline(always)]
unsafe fn add_excess(sums: &mut Row, flip: __m256i, panels: [&Weights; 2]) {
    for panel in 0..2 {
        // SAFETY: 64 bytes are read, of an array of as many.
        let w = unsafe { halves(panels[panel].as_ptr()) };
        for half in 0..2 {
            let sum = &mut sums[2 * panel + half];
            // SAFETY: as the caller vouches.
            *sum = unsafe { _mm256_dpbusd_avx_epi32(*sum, flip, w[half]) };
        }
    }
}

// SAFETY: every instruction is one of AVX2.
unsafe impl Layout<2> for Pairs {
    const STEPS: usize = 2;

    /// As words.
    #[inline(always)]
    fn stage(source: &impl Source, row: usize, k: usize, to: &mut [u32]) -> Result<(), Fault> {
        let mut bytes = [0u8; STAGE];
        let bytes = window_mut(&mut bytes, 0, k)?;
        source.stage(row, 0, 0, bytes)?;
        let words: &mut [i16] = bytemuck::cast_slice_mut(to);
        words.iter_mut().zip(&*bytes).for_each(|(to, &x)| *to = i16::from(x as i8));
        Ok(())
    }

    /// The first two inputs of a group as words, then the other two.
    #[inline(always)]
    unsafe fn weights<'a>(panels: Panels<'a>, groups: Range<usize>, room: &'a mut Widened) -> Panels<'a> {
        let [first, second] = &mut room.0;
        let mut widened: Panels<'a> = [&[]; 2];
        for ((panel, room), widened) in panels.into_iter().zip([first, second]).zip(&mut widened) {
            let panel = panel.get(groups.clone()).unwrap_or(&[]);
            for (weights, to) in panel.iter().zip(room.as_chunks_mut::<2>().0) {
                // SAFETY: 64 bytes are read, of an array of as many, and twice as many written.
                unsafe {
                    let to = to.as_mut_ptr().cast::<__m256i>();
                    for (half, weights) in halves(weights.as_ptr()).into_iter().enumerate() {
                        _mm256_storeu_si256(to.add(half), words_of(weights, 0));
                        _mm256_storeu_si256(to.add(2 + half), words_of(weights, 2));
                    }
                }
            }
            *widened = room.get(..2 * panel.len()).unwrap_or(&[]);
        }
        widened
    }

    #[inline(always)]
    unsafe fn excess(_panels: Panels<'_>) -> Row {
        // SAFETY: as the caller vouches.
        unsafe { [_mm256_setzero_si256(); 4] }
    }
}

/// Bytes `byte` and `byte + 1` of each 32 bits as words.
///
/// # Safety
///
/// Where AVX2 is.
#[inline(always)]
unsafe fn words_of(x: __m256i, byte: i8) -> __m256i {
    // SAFETY: as the caller vouches.
    unsafe {
        let (a, b, c, d) = (byte, byte + 4, byte + 8, byte + 12);
        // Each to the upper half of a word.
        let places = _mm_setr_epi8(-1, a, -1, a + 1, -1, b, -1, b + 1, -1, c, -1, c + 1, -1, d, -1, d + 1);
        let places = _mm256_broadcastsi128_si256(places);
        _mm256_srai_epi16::<8>(_mm256_shuffle_epi8(x, places))
    }
}
