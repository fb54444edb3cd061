//! Products of matrices of int8: two rows of eight activations by two channels of eight weights.
//!
//! Two groups of a panel, woven, have the eight weights of each channel one behind the other. The rows
//! are woven two by two before they are multiplied, once for all panels of a tile.

use core::arch::aarch64::{
    int8x16_t, int32x4_t, vaddq_s32, vcombine_s8, vdupq_n_s32, vget_high_s8, vget_low_s8, vld1q_s8,
    vreinterpretq_s8_s32, vreinterpretq_s32_s8, vreinterpretq_s32_s64, vreinterpretq_s64_s32, vzip1q_s32,
    vzip1q_s64, vzip2q_s32, vzip2q_s64,
};
use core::arch::asm;
use core::mem::MaybeUninit;

use crate::vector::aarch64::dotprod::{self, DotProd, PARTS};
use crate::vector::aarch64::lookup::Tables;
use crate::vector::isa::{Depthwise, GROUP, Isa, LANES, STAGE, Staged, Weights, groups};

/// `SMMLA`, and `SDOT` for rows that are not whole tiles; for unsigned activations, too, where
/// `UNSIGNED`.
#[derive(Clone, Copy)]
pub(super) struct I8mm<const UNSIGNED: bool>;

impl<const UNSIGNED: bool> Tables for I8mm<UNSIGNED> {}

/// Pairs of rows in a tile.
const PAIRS: usize = 6;
/// Rows of a tile.
const ROWS: usize = 2 * PAIRS;
/// Steps of two groups in a staged row.
const STEPS: usize = STAGE / (2 * GROUP);

/// Two rows, eight activations of each in turn.
type Woven = [MaybeUninit<int8x16_t>; STEPS];
/// Sums of two rows for two channels: those of the first row, then those of the second.
type Square = int32x4_t;

/// Adds the products of two rows `x` with two channels `w`.
///
/// # Safety
///
/// Where the products of matrices of int8 are.
#[inline(always)]
unsafe fn smmla(mut sums: Square, x: int8x16_t, w: int8x16_t) -> Square {
    // SAFETY: it reads and writes registers alone; as the caller vouches, the instruction exists.
    unsafe {
        asm!(
            "smmla {sums:v}.4s, {x:v}.16b, {w:v}.16b",
            sums = inout(vreg) sums,
            x = in(vreg) x,
            w = in(vreg) w,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sums
}

/// The lower and the upper halves of `a` and `b`.
///
/// # Safety
///
/// Where NEON is.
#[inline(always)]
unsafe fn halves(a: int32x4_t, b: int32x4_t) -> [int32x4_t; 2] {
    // SAFETY: as the caller vouches.
    unsafe {
        let (a, b) = (vreinterpretq_s64_s32(a), vreinterpretq_s64_s32(b));
        [vreinterpretq_s32_s64(vzip1q_s64(a, b)), vreinterpretq_s32_s64(vzip2q_s64(a, b))]
    }
}

/// Weaves the first `steps` steps of two rows; `steps` is even.
///
/// # Safety
///
/// Where NEON is.
#[inline(always)]
unsafe fn weave([even, odd]: [&Staged; 2], steps: usize, woven: &mut Woven) {
    let rows = even.as_chunks::<4>().0.iter().zip(odd.as_chunks::<4>().0);
    for (place, (even, odd)) in woven.as_chunks_mut::<2>().0.iter_mut().zip(rows).take(steps.div_ceil(2)) {
        // SAFETY: 16 bytes are read, from arrays of as many.
        unsafe {
            let (even, odd) = (vld1q_s8(even.as_ptr().cast()), vld1q_s8(odd.as_ptr().cast()));
            place[0].write(vcombine_s8(vget_low_s8(even), vget_low_s8(odd)));
            place[1].write(vcombine_s8(vget_high_s8(even), vget_high_s8(odd)));
        }
    }
}

/// The weights of channels `8·half ..` in two groups, eight of each channel in turn.
///
/// # Safety
///
/// Where NEON is.
#[inline(always)]
unsafe fn pairs_of_channels([first, second]: [&Weights; 2], half: usize) -> [int8x16_t; 4] {
    // SAFETY: 16 bytes are read from a multiple of 16 below 64 on, of arrays of 64.
    unsafe {
        let load = |w: &Weights, part| vreinterpretq_s32_s8(vld1q_s8(w.as_ptr().add(16 * (2 * half + part))));
        let [a, b] = [0, 1].map(|part| (load(first, part), load(second, part)));
        [vzip1q_s32(a.0, a.1), vzip2q_s32(a.0, a.1), vzip1q_s32(b.0, b.1), vzip2q_s32(b.0, b.1)]
            .map(|pair| vreinterpretq_s8_s32(pair))
    }
}

/// Twelve rows by channels `8·half ..` of a panel, `steps` steps.
///
/// # Safety
///
/// Where the products of matrices of int8 are; the first `steps` of `x` are written, and `panel` has
/// twice as many groups.
#[inline(always)]
unsafe fn half_panel(
    x: &[Woven; PAIRS],
    panel: &[Weights],
    half: usize,
    steps: usize,
) -> [[Square; 4]; PAIRS] {
    // SAFETY: as the caller vouches.
    unsafe {
        let mut squares = [[vdupq_n_s32(0); 4]; PAIRS];
        for step in 0..steps {
            let groups = [panel.get_unchecked(2 * step), panel.get_unchecked(2 * step + 1)];
            let w = pairs_of_channels(groups, half);
            for pair in 0..PAIRS {
                let x = x[pair].get_unchecked(step).assume_init();
                for channels in 0..4 {
                    squares[pair][channels] = smmla(squares[pair][channels], x, w[channels]);
                }
            }
        }
        squares
    }
}

// SAFETY: every instruction is one of NEON, of the dot products of Armv8.2, or of the products of
// matrices of int8.
unsafe impl<const UNSIGNED: bool> Isa for I8mm<UNSIGNED> {
    const FLIP: u8 = 0;
    const TAKES_UNSIGNED: bool = UNSIGNED;
    type Sums = [int32x4_t; PARTS];

    #[inline(always)]
    unsafe fn sums(values: &[i32; LANES]) -> Self::Sums {
        // SAFETY: as the caller vouches.
        unsafe { dotprod::sums(values) }
    }

    #[inline(always)]
    unsafe fn values(sums: Self::Sums) -> [i32; LANES] {
        // SAFETY: as the caller vouches.
        unsafe { dotprod::values(sums) }
    }

    #[inline(always)]
    unsafe fn dot(sums: Self::Sums, x: [u8; GROUP], w: &Weights) -> Self::Sums {
        // SAFETY: as the caller vouches.
        unsafe { DotProd::<UNSIGNED>::dot(sums, x, w) }
    }

    #[inline(always)]
    unsafe fn tile<const R: usize, const P: usize>(
        sums: &mut [[Self::Sums; P]; R],
        x: &[Staged; R],
        w: [&[Weights]; P],
    ) {
        let Some(rows) = x.first_chunk::<ROWS>().filter(|_| R == ROWS) else {
            // SAFETY: as the caller vouches.
            return unsafe { DotProd::<UNSIGNED>::tile(sums, x, w) };
        };
        let (groups, mut woven) = (groups(&w), [[MaybeUninit::uninit(); STEPS]; PAIRS]);
        // SAFETY: `steps` steps are written and read, of rows and panels that have twice as many groups;
        // the last group is one of every panel and of a staged row.
        unsafe {
            for (woven, [even, odd]) in woven.iter_mut().zip(rows.as_chunks::<2>().0) {
                weave([even, odd], groups / 2, woven);
            }
            for (p, panel) in w.iter().enumerate() {
                for half in 0..2 {
                    let squares = half_panel(&woven, panel, half, groups / 2);
                    for (rows, squares) in sums.as_chunks_mut::<2>().0.iter_mut().zip(squares) {
                        for (part, [a, b]) in squares.as_chunks::<2>().0.iter().copied().enumerate() {
                            for (row, products) in rows.iter_mut().zip(halves(a, b)) {
                                let sum = &mut row[p][2 * half + part];
                                *sum = vaddq_s32(*sum, products);
                            }
                        }
                    }
                }
            }
            if groups % 2 == 1 {
                for (x, sums) in x.iter().zip(sums) {
                    for (sums, panel) in sums.iter_mut().zip(&w) {
                        let last = groups - 1;
                        *sums = Self::dot(*sums, *x.get_unchecked(last), panel.get_unchecked(last));
                    }
                }
            }
        }
    }
}

// SAFETY: nothing is overridden.
unsafe impl<const UNSIGNED: bool> Depthwise for I8mm<UNSIGNED> {}
