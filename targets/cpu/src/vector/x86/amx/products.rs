//! Products of tiles, and between them the epilogue of the block before. Functions of their own, without
//! calls, so that all that the epilogue needs stays in registers.

use core::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};

use super::epilogue::Epilogue;
use super::tiles::{Rows, Tile, Tiles};
use crate::vector::isa::Weights;
use crate::vector::x86::avx512::Output;

/// Adds to tiles 0 to 3 the products of sixteen rows from step `first` on with four panels, which have
/// equally many steps. Meanwhile brings the weights `ahead` nearer. `UP` is whether the epilogue is lifted.
///
/// # Safety
///
/// `x` has the steps; AVX-512 is as [`Avx512`](crate::vector::x86::avx512::Avx512) has it, and the epilogue was
/// told of the products.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(super) unsafe fn flat<O: Output, const UP: bool>(
    tiles: &mut Tiles,
    (x, first): (&Rows<'_>, usize),
    [a, b, c, d]: [&[Tile]; 4],
    ahead: &[Weights],
    epilogue: &mut Epilogue<'_, O>,
) {
    let steps = a.len().min(b.len()).min(c.len()).min(d.len());
    let share = ahead.len().div_ceil(steps.max(1));
    // SAFETY: as the caller vouches.
    let mut here = unsafe { epilogue.here::<UP>() };
    for step in 0..steps {
        fetch(ahead, step * share, share);
        // SAFETY: all panels have the step; the rest as the caller vouches.
        unsafe {
            tiles.activations::<4>(x, first + step);
            tiles.weights::<5>(a.get_unchecked(step));
            tiles.multiply::<0, 4, 5>();
            here.advance();
            tiles.weights::<6>(b.get_unchecked(step));
            tiles.multiply::<1, 4, 6>();
            here.advance();
            tiles.weights::<7>(c.get_unchecked(step));
            tiles.multiply::<2, 4, 7>();
            here.advance();
            tiles.weights::<5>(d.get_unchecked(step));
            tiles.multiply::<3, 4, 5>();
            here.advance();
        }
    }
    epilogue.progress = here.progress;
}

/// The same of twice sixteen rows with two panels: the upper rows to tiles 0 and 1, the lower ones to
/// tiles 2 and 3.
///
/// # Safety
///
/// As [`flat`].
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(super) unsafe fn square<O: Output, const UP: bool>(
    tiles: &mut Tiles,
    [upper, lower]: [&Rows<'_>; 2],
    [a, b]: [&[Tile]; 2],
    ahead: &[Weights],
    epilogue: &mut Epilogue<'_, O>,
) {
    let steps = a.len().min(b.len());
    let share = ahead.len().div_ceil(steps.max(1));
    // SAFETY: as the caller vouches.
    let mut here = unsafe { epilogue.here::<UP>() };
    for step in 0..steps {
        fetch(ahead, step * share, share);
        // SAFETY: both panels have the step; the rest as the caller vouches.
        unsafe {
            tiles.activations::<4>(upper, step);
            tiles.weights::<6>(a.get_unchecked(step));
            tiles.multiply::<0, 4, 6>();
            here.advance();
            tiles.weights::<7>(b.get_unchecked(step));
            tiles.multiply::<1, 4, 7>();
            here.advance();
            tiles.activations::<5>(lower, step);
            tiles.multiply::<2, 5, 6>();
            here.advance();
            tiles.multiply::<3, 5, 7>();
            here.advance();
        }
    }
    epilogue.progress = here.progress;
}

/// Brings some of `weights` from memory to the second cache.
#[inline(always)]
fn fetch(weights: &[Weights], first: usize, count: usize) {
    for number in first..(first + count).min(weights.len()) {
        // SAFETY: nothing but a hint.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(weights.as_ptr().wrapping_add(number).cast()) };
    }
}
