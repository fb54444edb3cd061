//! GroupNorm over spans of whole groups: their sums, then their values, a block of channels at a time.

use quant::Fault;
use quant::arith::{saturate_i8, saturate_i16};
use quant::ops::{GroupNormArgs, GroupStatistics, TensorMut};
use quant::slice::{rows, window, window_mut};

use super::block::{BLOCK, blocks};

#[inline(always)]
pub(crate) fn group_norm(args: &GroupNormArgs<'_>, x: &[i16], out: &mut TensorMut<'_>) -> Result<(), Fault> {
    match out {
        TensorMut::I8(out) => typed(args, x, out, saturate_i8),
        TensorMut::I16(out) => typed(args, x, out, saturate_i16),
        TensorMut::I32(_) => Err(Fault::Instruction),
    }
}

#[inline(always)]
fn typed<Y>(
    args: &GroupNormArgs<'_>,
    x: &[i16],
    out: &mut [Y],
    saturate: impl Fn(i64) -> Y,
) -> Result<(), Fault> {
    let channels = args.width.checked_div(args.groups).filter(|&channels| channels > 0);
    let channels = channels.ok_or(Fault::Instruction)?;
    // A span is one group, or as many as a block holds.
    let span = channels * (BLOCK / channels).max(1);
    for start in (0..args.width).step_by(span) {
        let len = span.min(args.width - start);
        let statistics = statistics(args, x, (start, len), channels)?;
        for (inside, count) in blocks(len) {
            let of_channel = |c: usize| statistics[(inside + c).min(len - 1) / channels];
            let constants = Constants::new(args, (start + inside, count), of_channel)?;
            for (row, x) in rows(x, args.width).enumerate() {
                let mut values = [0; BLOCK];
                values[..count].copy_from_slice(window(x, start + inside, count)?);
                let made = constants.apply(&values);
                let out = window_mut(out, row * args.width + start + inside, count)?;
                for (out, &v) in out.iter_mut().zip(&made) {
                    *out = saturate(v.into());
                }
            }
        }
    }
    Ok(())
}

/// Those of each group of the `len` channels from `start` on.
#[inline(always)]
fn statistics(
    args: &GroupNormArgs<'_>,
    x: &[i16],
    (start, len): (usize, usize),
    channels: usize,
) -> Result<[GroupStatistics; BLOCK], Fault> {
    let (mut sums, mut squares) = ([0i64; BLOCK], [0i64; BLOCK]);
    for (inside, count) in blocks(len) {
        let (mut sum, mut square) = ([0i64; BLOCK], [0i64; BLOCK]);
        for x in rows(x, args.width) {
            let values = window(x, start + inside, count)?;
            for ((sum, square), &v) in sum.iter_mut().zip(&mut square).zip(values) {
                *sum += i64::from(v);
                *square += i64::from(i32::from(v) * i32::from(v));
            }
        }
        for (c, (sum, square)) in (inside..).zip(sum.iter().zip(&square)).take(count) {
            sums[c / channels] += sum;
            squares[c / channels] += square;
        }
    }
    let count = (x.len().checked_div(args.width).unwrap_or(0) * channels) as u32;
    Ok(core::array::from_fn(|group| GroupStatistics::new(count, sums[group], squares[group], args.eps)))
}

/// What makes `out` of a block of channels.
struct Constants {
    mean: [i32; BLOCK],
    factor: [u32; BLOCK],
    down: [u32; BLOCK],
    mantissa: [i32; BLOCK],
    offset: [i32; BLOCK],
    shift: [u32; BLOCK],
}

impl Constants {
    /// Of `count` channels from `first` on; all else of those behind them is 0.
    #[inline(always)]
    fn new(
        args: &GroupNormArgs<'_>,
        (first, count): (usize, usize),
        statistics: impl Fn(usize) -> GroupStatistics,
    ) -> Result<Self, Fault> {
        let scale = args.scale.window(first, count)?;
        let (mut mantissa, mut offset, mut shift) = ([0; BLOCK], [0; BLOCK], [0; BLOCK]);
        mantissa[..count].copy_from_slice(scale.mantissa);
        offset[..count].copy_from_slice(window(args.offset, first, count)?);
        shift
            .iter_mut()
            .zip(scale.shift)
            .for_each(|(to, shift)| *to = u32::from(*shift).wrapping_sub(32) & 31);
        Ok(Self {
            mean: core::array::from_fn(|c| statistics(c).mean),
            factor: core::array::from_fn(|c| statistics(c).factor),
            down: core::array::from_fn(|c| statistics(c).shift & 31),
            mantissa,
            offset,
            shift,
        })
    }

    /// As [`GroupStatistics::normalised`] and [`GroupNormArgs::scaled`].
    #[inline(always)]
    fn apply(&self, values: &[i16; BLOCK]) -> [i32; BLOCK] {
        let mut made = [0; BLOCK];
        for c in 0..BLOCK {
            let y = i64::from(i32::from(values[c]) - self.mean[c]);
            let half = (1i64 << self.down[c]) >> 1;
            let z = ((y * i64::from(self.factor[c]) + half) >> self.down[c]) as i32;
            let high = ((i64::from(z) * i64::from(self.mantissa[c])) >> 32) as i32;
            made[c] = (high + self.offset[c]) >> self.shift[c];
        }
        made
    }
}
