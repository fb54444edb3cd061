//! Tiles of products: some rows by 32 channels, whose sums stay in registers.

use core::arch::x86_64::{
    __m256i, _mm_cvtsi32_si128, _mm256_add_epi32, _mm256_dpbusd_avx_epi32, _mm256_dpwssd_avx_epi32,
    _mm256_madd_epi16, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_sll_epi32,
};

use super::halves;
use super::output::Output;
use super::requantize::HighHalf;
use crate::vector::isa::Weights;

/// Values of 32 channels of a row, in order.
pub(super) type Row = [__m256i; 4];

/// Tiles of `R` rows, as many as leave registers to the factors.
///
/// # Safety
///
/// The functions may run only where the instructions are.
pub(super) unsafe trait Tile<const R: usize>: Copy {
    /// `sums[r] += Σ x[r] · w`, modulo 2³², over the steps that all of them have: a row has 32 bits in each,
    /// and a panel 32 of each of its sixteen channels.
    ///
    /// # Safety
    ///
    /// As the trait says.
    unsafe fn tile(sums: &mut [Row; R], x: [&[u32]; R], w: [&[Weights]; 2]);

    /// `sums[r] + Σ x[r] · w` requantized, and put where `to` says.
    ///
    /// # Safety
    ///
    /// As the trait says; `to` has the elements.
    unsafe fn finish<O: Output>(sums: &[Row; R], x: [&[u32]; R], w: [&[Weights]; 2], to: &Finish<'_, O>);
}

/// Where the rows of a tile go.
pub(super) struct Finish<'a, O> {
    pub(super) by: &'a [HighHalf; 4],
    /// Bits by which sums are shifted left before.
    pub(super) up: u32,
    pub(super) out: &'a O,
    /// The element of the first channel of the first row, and elements from one row to the next.
    pub(super) at: usize,
    pub(super) stride: usize,
    /// Rows and channels that there are.
    pub(super) rows: usize,
    pub(super) channels: usize,
}

/// Four unsigned bytes by four signed ones, by AVX-VNNI.
#[derive(Clone, Copy)]
pub(super) struct Fours;

/// Two words by two, by AVX-VNNI.
#[derive(Clone, Copy)]
pub(super) struct FusedPairs;

/// Two words by two, by AVX2.
#[derive(Clone, Copy)]
pub(super) struct Pairs;

/// `sums + Σ x · w`, modulo 2³².
///
/// # Safety
///
/// Where AVX2 is.
#[inline(always)]
unsafe fn add_pairs(sums: __m256i, x: __m256i, w: __m256i) -> __m256i {
    // SAFETY: as the caller vouches.
    unsafe { _mm256_add_epi32(sums, _mm256_madd_epi16(x, w)) }
}

/// Steps that rows and panels have all.
#[inline(always)]
fn steps<const R: usize>(x: &[&[u32]; R], w: &[&[Weights]; 2]) -> usize {
    let mut steps = w[0].len().min(w[1].len());
    for row in x {
        steps = steps.min(row.len());
    }
    steps
}

/// The loop of a tile.
macro_rules! products {
    ($local:ident, $x:expr, $w:ident, $steps:ident, $rows:literal, $add:path) => {
        let x = $x;
        for step in 0..$steps {
            // SAFETY: all have more steps than `step`.
            unsafe {
                let mut of_rows = [_mm256_setzero_si256(); $rows];
                for r in 0..$rows {
                    of_rows[r] = _mm256_set1_epi32(*x[r].add(step) as i32);
                }
                for panel in 0..2 {
                    let of_panel = halves($w[panel].add(step));
                    for half in 0..2 {
                        for r in 0..$rows {
                            let sum = &mut $local[r][2 * panel + half];
                            *sum = $add(*sum, of_rows[r], of_panel[half]);
                        }
                    }
                }
            }
        }
    };
}

/// Two functions for each tile, of pointers and a number of steps: their loop has nothing else to compute, and
/// registers lead from the first product to the end.
macro_rules! tile {
    ($tile:ident, $function:ident, $finish:ident, $rows:literal, $features:literal, $add:path) => {
        // SAFETY: the instructions are those that the functions are compiled for.
        unsafe impl Tile<$rows> for $tile {
            #[inline(always)]
            unsafe fn tile(sums: &mut [Row; $rows], x: [&[u32]; $rows], w: [&[Weights]; 2]) {
                let steps = steps(&x, &w);
                // SAFETY: all have so many steps; and as the caller vouches.
                unsafe { $function(sums, &x.map(<[u32]>::as_ptr), w.map(<[Weights]>::as_ptr), steps) }
            }

            #[inline(always)]
            unsafe fn finish<O: Output>(
                sums: &[Row; $rows],
                x: [&[u32]; $rows],
                w: [&[Weights]; 2],
                to: &Finish<'_, O>,
            ) {
                let steps = steps(&x, &w);
                // SAFETY: all have so many steps; and as the caller vouches.
                unsafe { $finish(sums, &x.map(<[u32]>::as_ptr), w.map(<[Weights]>::as_ptr), steps, to) }
            }
        }

        /// # Safety
        ///
        /// Rows and panels have so many steps; where the instructions are.
        #[inline(never)]
        #[target_feature(enable = $features)]
        unsafe fn $function(
            sums: &mut [Row; $rows],
            x: &[*const u32; $rows],
            w: [*const Weights; 2],
            steps: usize,
        ) {
            let mut local = *sums;
            products!(local, *x, w, steps, $rows, $add);
            *sums = local;
        }

        /// # Safety
        ///
        /// Rows and panels have so many steps, and `to` the elements; where the instructions are.
        #[inline(never)]
        #[target_feature(enable = $features)]
        unsafe fn $finish<O: Output>(
            sums: &[Row; $rows],
            x: &[*const u32; $rows],
            w: [*const Weights; 2],
            steps: usize,
            to: &Finish<'_, O>,
        ) {
            let mut local = *sums;
            products!(local, *x, w, steps, $rows, $add);
            // Without a question: behind one, the loop above would keep its sums in memory.
            let up = _mm_cvtsi32_si128(to.up as i32);
            for part in 0..4 {
                for sums in &mut local {
                    // SAFETY: as the caller vouches.
                    sums[part] = unsafe { to.by[part].apply(_mm256_sll_epi32(sums[part], up)) };
                }
            }
            for r in 0..$rows {
                if r < to.rows {
                    // SAFETY: `to` has the elements.
                    unsafe { to.out.put(to.at + r * to.stride, to.channels, local[r]) };
                }
            }
        }
    };
}

tile!(Fours, fours, finish_fours, 3, "avx2,avxvnni", _mm256_dpbusd_avx_epi32);
tile!(FusedPairs, fused_pairs, finish_fused_pairs, 3, "avx2,avxvnni", _mm256_dpwssd_avx_epi32);
tile!(Pairs, pairs, finish_pairs, 2, "avx2", add_pairs);
