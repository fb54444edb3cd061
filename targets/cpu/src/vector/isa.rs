//! What the products of one instruction set are made of.

use core::ops::Range;

use quant::Fault;
use quant::ops::{AttentionArgs, Conv2dArgs, LinearArgs, LinearOut, MatMulArgs, Tensor, TensorMut};

use super::shiftmax::probabilities;
use super::source::Source;
use crate::portable::epilogue;
use crate::portable::requantize::Multipliers;

/// Output channels of a panel: those of [`Panel16x4`](quant::pack::Pack::Panel16x4).
pub(super) const LANES: usize = 16;
/// Scores whose exponentials are looked up together.
pub(super) const SCORES: usize = 64;
/// Inputs of a group.
pub(super) const GROUP: usize = 4;

/// Inputs that are staged at once.
pub(super) const STAGE: usize = 2048;

/// Weights of one group of a panel: four of each channel in turn.
pub(super) type Weights = [i8; LANES * GROUP];
/// A row of activations as the products take it.
pub(super) type Staged = [[u8; GROUP]; STAGE / GROUP];

/// Four-way products of int8 with the weights of a panel.
///
/// # Safety
///
/// The functions of an implementation may run only where the CPU and the system offer its
/// instruction set, and only inside functions that are compiled for it: elsewhere each is a call.
pub(super) unsafe trait Isa: Copy {
    /// Turns the sign of activations: 0x80 where the instructions multiply unsigned by signed
    /// bytes, so that an activation `x` is given as `x + 128`; 0 where they take it as it is.
    const FLIP: u8;

    /// Whether unsigned activations are taken, too, and weights of −128. Their sign is turned where
    /// that of signed ones is not: `x` is given as `x − 128` where the instructions multiply signed bytes.
    const TAKES_UNSIGNED: bool;

    /// An int32 sum for each channel of a panel, in registers.
    type Sums: Copy;

    /// `values` in registers.
    ///
    /// # Safety
    ///
    /// As the trait says.
    unsafe fn sums(values: &[i32; LANES]) -> Self::Sums;

    /// `sums` in memory.
    ///
    /// # Safety
    ///
    /// As the trait says.
    unsafe fn values(sums: Self::Sums) -> [i32; LANES];

    /// `sums[c] + Σ_i x[i] · w[c][i]`, modulo 2³². Weights of −128 are only for those that take
    /// unsigned activations.
    ///
    /// # Safety
    ///
    /// As the trait says.
    unsafe fn dot(sums: Self::Sums, x: [u8; GROUP], w: &Weights) -> Self::Sums;

    /// `sums[r][p] += Σ x[r] · w[p]` over all groups of `w`, whose panels have equally many.
    ///
    /// # Safety
    ///
    /// As the trait says.
    #[inline(always)]
    unsafe fn tile<const R: usize, const P: usize>(
        sums: &mut [[Self::Sums; P]; R],
        x: &[Staged; R],
        w: [&[Weights]; P],
    ) {
        let mut local = *sums;
        for g in 0..groups(&w) {
            for (row, sums) in x.iter().zip(&mut local) {
                for (sum, panel) in sums.iter_mut().zip(&w) {
                    // SAFETY: `g` is below the number of groups of every panel and of a staged row.
                    unsafe { *sum = Self::dot(*sum, *row.get_unchecked(g), panel.get_unchecked(g)) };
                }
            }
        }
        *sums = local;
    }

    /// `count` rows of `source` by `channels` of `args`, where there are products of their own for them:
    /// says whether there are.
    ///
    /// # Safety
    ///
    /// As the trait says.
    #[inline(always)]
    unsafe fn channels(
        _args: &LinearArgs<'_>,
        _channels: Range<usize>,
        _source: &impl Source,
        _count: usize,
        _out: &mut LinearOut<'_>,
    ) -> Result<bool, Fault> {
        Ok(false)
    }

    /// Attention, where there are products of their own for it: says whether there are.
    ///
    /// # Safety
    ///
    /// As the trait says.
    #[inline(always)]
    unsafe fn attention(_args: &mut AttentionArgs<'_>) -> Result<bool, Fault> {
        Ok(false)
    }

    /// Products of activations, where there are some of their own for them: says whether there are.
    ///
    /// # Safety
    ///
    /// As the trait says.
    #[inline(always)]
    unsafe fn matmul(
        _args: &MatMulArgs,
        _a: Tensor<'_>,
        _b: &[i8],
        _out: &mut TensorMut<'_>,
    ) -> Result<bool, Fault> {
        Ok(false)
    }
}

/// Groups that all panels of `w` have, of those of a staged row.
#[inline(always)]
pub(super) fn groups<const P: usize>(w: &[&[Weights]; P]) -> usize {
    w.iter().map(|panel| panel.len()).min().unwrap_or(0).min(STAGE / GROUP)
}

/// `x ← table[x + 128]`.
#[inline(always)]
pub(super) fn one_by_one(table: &[i8; 256], x: &mut [i8]) {
    for x in x {
        *x = table[usize::from(*x as u8 ^ 0x80)];
    }
}

/// `max − score`, which is not negative.
#[inline(always)]
pub(super) fn distance(max: i8, score: i8) -> usize {
    usize::from(max.wrapping_sub(score) as u8)
}

/// Tables of 256 entries. What an instruction set does not override looks them up one by one.
///
/// # Safety
///
/// As for [`Isa`].
pub(super) unsafe trait Lookup {
    /// `x ← table[x + 128]`.
    ///
    /// # Safety
    ///
    /// As the trait says.
    #[inline(always)]
    unsafe fn table(table: &[i8; 256], x: &mut [i8]) {
        one_by_one(table, x);
    }

    /// The same for at most `C` bytes.
    ///
    /// # Safety
    ///
    /// As the trait says.
    #[inline(always)]
    unsafe fn short_table<const C: usize>(table: &[i8; 256], x: &mut [i8]) {
        // SAFETY: as the caller vouches.
        unsafe { Self::table(table, x) };
    }

    /// The largest score; −128 where there is none.
    ///
    /// # Safety
    ///
    /// As the trait says.
    #[inline(always)]
    unsafe fn max(scores: &[i8]) -> i8 {
        scores.iter().fold(i8::MIN, |most, &score| most.max(score))
    }

    /// `Σ exp[max − score]` modulo 2³².
    ///
    /// # Safety
    ///
    /// As the trait says.
    #[inline(always)]
    unsafe fn sum(exp: &Exponentials<'_>, max: i8, scores: &[i8]) -> u32 {
        scores.iter().fold(0u32, |sum, &score| sum.wrapping_add(exp.values[distance(max, score)]))
    }

    /// `exp[max − score]` of each score, and 0 behind the last one.
    ///
    /// # Safety
    ///
    /// As the trait says.
    #[inline(always)]
    unsafe fn exponentials(exp: &Exponentials<'_>, max: i8, scores: &[i8], to: &mut [u32; SCORES]) {
        let (found, rest) = to.split_at_mut(scores.len().min(SCORES));
        for (to, &score) in found.iter_mut().zip(scores) {
            *to = exp.values[distance(max, score)];
        }
        rest.fill(0);
    }

    /// The bytes of `table[max − score]` for each score: the high ones and the low ones.
    ///
    /// # Safety
    ///
    /// As the trait says.
    #[inline(always)]
    unsafe fn distances(table: &[u16; 256], max: i8, scores: &[i8], high: &mut [u8], low: &mut [u8]) {
        for ((high, low), &score) in high.iter_mut().zip(low).zip(scores) {
            [*low, *high] = table[distance(max, score)].to_le_bytes();
        }
    }

    /// Shiftmax of one row: the high bytes of all probabilities, and the low ones.
    ///
    /// # Safety
    ///
    /// As the trait says.
    #[inline(always)]
    unsafe fn shiftmax(exp: &Exponentials<'_>, scores: &[i8], high: &mut [u8], low: &mut [u8])
    where
        Self: Sized,
    {
        // SAFETY: as the caller vouches.
        unsafe { probabilities::<Self>(exp, scores, high, low) };
    }

    /// Shiftmax of rows of `width` scores, where there are instructions for rows so short: says whether
    /// there are.
    ///
    /// # Safety
    ///
    /// As the trait says.
    #[inline(always)]
    unsafe fn short_rows(_exp: &Exponentials<'_>, _width: usize, _x: &[i8], _out: &mut [i16]) -> bool {
        false
    }
}

/// Requantization of a block of `C` channels.
///
/// # Safety
///
/// As for [`Isa`].
pub(super) unsafe trait Requantize {
    /// `round(z · mantissa / 2^shift)` saturated to int32.
    ///
    /// # Safety
    ///
    /// As the trait says.
    #[inline(always)]
    unsafe fn requantize<const C: usize>(by: &Multipliers<C>, z: &[i32; C]) -> [i32; C] {
        by.apply(z)
    }

    /// Stores the first of `t`, as many as `out` takes. A table of `out` is left to the caller.
    ///
    /// # Safety
    ///
    /// As the trait says.
    #[inline(always)]
    unsafe fn store<const C: usize>(t: &[i32; C], out: &mut LinearOut<'_>) {
        epilogue::store(t, out);
    }
}

/// Convolutions of each channel by a kernel of its own.
///
/// # Safety
///
/// As for [`Isa`].
pub(super) unsafe trait Depthwise {
    /// As many pixels as `out` holds, the table included, where there are instructions for such windows:
    /// says whether there are.
    ///
    /// # Safety
    ///
    /// As the trait says.
    #[inline(always)]
    unsafe fn depthwise(_args: &Conv2dArgs<'_>, _x: &[i8], _out: &mut LinearOut<'_>) -> Result<bool, Fault> {
        Ok(false)
    }
}

/// The exponentials of all distances.
pub(super) struct Exponentials<'a> {
    pub(super) values: &'a [u32; 256],
    /// Their bytes, the lowest first.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "AVX-512 looks bytes up"))]
    pub(super) planes: [[u8; 256]; 4],
    /// Planes that are not all zeros, which are the first ones.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "AVX-512 looks bytes up"))]
    pub(super) used: usize,
}

impl<'a> Exponentials<'a> {
    #[inline(always)]
    pub(super) fn new(values: &'a [u32; 256]) -> Self {
        let planes = core::array::from_fn(|byte| values.map(|value| (value >> (8 * byte)) as u8));
        let all = values.iter().fold(0, |all, value| all | value);
        Self { values, planes, used: (u32::BITS - all.leading_zeros()).div_ceil(8) as usize }
    }
}
