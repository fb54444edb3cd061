//! GroupNorm: channels in groups, each normalised over all rows; InstanceNorm where a group has one
//! channel.
//!
//! Per group of `n` int16 values `x`, those of its channels in every row:
//!
//! 1. `mean = floor(Σx / n + 1/2)`; `y = x − mean`, 17 bits.
//! 2. `S = Σy² + eps` in 64 bits: below 2⁶² for `n ≤ 2³⁰`.
//! 3. `up = leading_zeros₆₄(S) / 2`, so that `root = isqrt(S · 4^up)` has 32 significant bits,
//!    and `factor = floor(2⁶¹ / root)` 30 of them; both are 0 where `S` is.
//! 4. `z = floor(y · factor / 2^(31 − up) + 1/2)`, of scale `√n / 2³⁰`. Because
//!    `|y| · 2^up` is not above the square root of `S · 4^up`, it is below `root + 1`:
//!    `|z| ≤ 2³⁰ + 1`.
//! 5. `out = saturate((floor(z · mantissa[c] / 2³²) + offset[c]) >> (shift[c] − 32))`, as in
//!    [`LayerNorm`](super::LayerNorm): one requantization rounded half up, with β and its
//!    rounding term in the offset. The sum is at most 2²⁹ + 1 + 2³⁰ and fits int32.

use serde::{Deserialize, Serialize};

use super::{Act, Channels, ChannelsRef, Consts, TensorMut};
use crate::arith::{MAX_SHIFT, isqrt};
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Blob, Memory, Slot, Window};
use crate::operand::{Role, Tiling, Visitor};
use crate::slice::rows;

/// Most values of a group, so that their sum of squares stays below 2⁶¹.
const MAX_COUNT: u32 = 1 << 30;
/// Largest `eps`, so that `S < 2⁶²`.
const MAX_EPS: u64 = 1 << 60;
/// Smallest shift of γ, so that [`GroupNorm`] shifts by at least 1 behind the high product.
const MIN_SHIFT: u8 = 33;

/// Normalises each group of channels over all rows, then scales and shifts per channel. Runs as a
/// whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupNorm {
    /// Rows (tokens, pixels).
    pub rows: u32,
    /// Channels.
    pub width: u32,
    /// Groups of consecutive channels; divides `width`.
    pub groups: u32,
    /// `n · eps / s_x²` rounded for the `n` values of a group, at most 2⁶⁰.
    pub eps: u64,
    /// Input, `rows × width`.
    pub x: Slot<i16>,
    /// γ: multipliers with shifts in `33..=62`.
    pub scale: Channels,
    /// β and rounding, see the module documentation; |offset| ≤ 2³⁰.
    pub offset: Blob<i32>,
    /// Output, `rows × width`, int8 or int16.
    pub out: Act,
}

impl GroupNorm {
    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        let all = Tiling::All { stride: self.width, width: self.width };
        visitor.read(&mut self.x, all);
        self.scale.operands(visitor);
        visitor.constant(&mut self.offset);
        self.out.visit(visitor, Role::Write, Tiling::Whole);
    }

    /// One: it runs as a whole.
    pub fn rows(&self) -> u32 {
        1
    }

    /// None: not a matrix product.
    pub fn macs(&self) -> u64 {
        0
    }

    /// Groups of equal size and at most 2³⁰ values, eps within its bound, exact slot lengths,
    /// shifts in `33..=62`, |offset| ≤ 2³⁰.
    pub fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
        let channels = self.width.checked_div(self.groups).ok_or(Reject::Dimension)?;
        let divides = channels.checked_mul(self.groups) == Some(self.width);
        let count = self.rows.checked_mul(channels).filter(|count| (1..=MAX_COUNT).contains(count));
        if !divides || count.is_none() || self.eps > MAX_EPS {
            return Err(Reject::Dimension);
        }
        if matches!(self.out, Act::I32(_)) {
            return Err(Reject::Type);
        }
        let len = self.rows.checked_mul(self.width).ok_or(Reject::Dimension)?;
        if self.x.len != len || self.out.len() != len {
            return Err(Reject::SlotLength);
        }
        self.scale.check(consts, self.width)?;
        let shifts = consts.get(self.scale.shift, self.width)?;
        if shifts.iter().any(|s| !(MIN_SHIFT..=MAX_SHIFT).contains(s)) {
            return Err(Reject::Shift);
        }
        if consts.get(self.offset, self.width)?.iter().any(|b| b.unsigned_abs() > super::MAX_BIAS) {
            return Err(Reject::Bias);
        }
        Ok(())
    }

    /// Runs all groups.
    pub fn run<K: Kernels>(&self, kernels: &mut K, memory: &mut Memory<'_>, _: Window) -> Result<(), Fault> {
        let args = GroupNormArgs {
            width: self.width as usize,
            groups: self.groups as usize,
            eps: self.eps,
            scale: self.scale.load(memory)?,
            offset: memory.blob(self.offset)?,
        };
        let (mut out, rest) = self.out.split(memory)?;
        kernels.group_norm(&args, rest.read(self.x)?, &mut out)
    }
}

/// Constants of a [`GroupNorm`] over rows of `width`.
#[derive(Clone, Copy, Debug)]
pub struct GroupNormArgs<'a> {
    /// Channels.
    pub width: usize,
    /// Groups, a divisor of `width`.
    pub groups: usize,
    /// Added to the sum of squares.
    pub eps: u64,
    /// γ.
    pub scale: ChannelsRef<'a>,
    /// β and rounding.
    pub offset: &'a [i32],
}

impl GroupNormArgs<'_> {
    /// `out` of `z` in `channel`, before it is saturated; 0 outside.
    #[inline(always)]
    pub fn scaled(&self, channel: usize, z: i32) -> i32 {
        match (self.scale.mantissa.get(channel), self.scale.shift.get(channel), self.offset.get(channel)) {
            (Some(&mantissa), Some(&shift), Some(&offset)) => {
                let high = ((i64::from(z) * i64::from(mantissa)) >> 32) as i32;
                (high + offset) >> (shift.wrapping_sub(32) & 31)
            }
            _ => 0,
        }
    }
}

/// What steps 1 to 3 make of a group: `z = round((x − mean) · factor / 2^shift)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupStatistics {
    /// Rounded mean.
    pub mean: i32,
    /// At most 2³⁰.
    pub factor: u32,
    /// 0 to 31.
    pub shift: u32,
}

impl GroupStatistics {
    /// Of `count` values, 1 to 2³⁰, with their sum and their sum of squares.
    #[inline]
    pub fn new(count: u32, sum: i64, squares: i64, eps: u64) -> Self {
        let count = i64::from(count);
        // floor(sum/count + 1/2) = floor((2·sum + count) / (2·count)); |sum| ≤ 2⁴⁵.
        let mean = (2 * sum + count).checked_div_euclid(2 * count).unwrap_or(0);
        // Σ(x − mean)²: the terms of the correction are below 2⁶².
        let energy = (squares + mean * (count * mean - 2 * sum)) as u64 + eps;
        let up = energy.leading_zeros() / 2;
        let root = isqrt(energy << ((2 * up) & 63));
        let factor = (1u64 << 61).checked_div(root.into()).unwrap_or(0);
        Self { mean: mean as i32, factor: factor as u32, shift: 31u32.saturating_sub(up) }
    }

    /// Step 4.
    #[inline(always)]
    pub fn normalised(self, v: i16) -> i32 {
        let half = (1i64 << (self.shift & 31)) >> 1;
        let y = i64::from(i32::from(v) - self.mean);
        ((y * i64::from(self.factor) + half) >> (self.shift & 31)) as i32
    }
}

/// Scalar reference.
pub fn group_norm(args: &GroupNormArgs<'_>, x: &[i16], out: &mut TensorMut<'_>) -> Result<(), Fault> {
    let channels = args.width.checked_div(args.groups).ok_or(Fault::Instruction)?;
    for group in 0..args.groups {
        let start = group * channels;
        let of_group = || rows(x, args.width).map(|row| row.get(start..start + channels).unwrap_or_default());
        let (mut count, mut sum, mut squares) = (0u32, 0i64, 0i64);
        for &v in of_group().flatten() {
            let v = i64::from(v);
            count += 1;
            sum += v;
            squares += v * v;
        }
        let statistics = GroupStatistics::new(count, sum, squares, args.eps);
        for (r, row) in of_group().enumerate() {
            for (c, &v) in (start..).zip(row) {
                out.set(r * args.width + c, args.scaled(c, statistics.normalised(v)).into());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Buffer, root, run};
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    fn value() -> impl Strategy<Value = i16> {
        prop_oneof![4 => any::<i16>(), 1 => Just(i16::MIN), 1 => Just(i16::MAX), 3 => -3i16..3]
    }

    /// Steps 1 to 4 of a group as they are defined, in 128 bits.
    fn exact(values: &[i16], eps: u64) -> Vec<i128> {
        let n = values.len() as i128;
        let sum: i128 = values.iter().map(|&v| i128::from(v)).sum();
        let mean = (2 * sum + n).div_euclid(2 * n);
        let y: Vec<i128> = values.iter().map(|&v| i128::from(v) - mean).collect();
        let energy = y.iter().map(|y| y * y).sum::<i128>() as u128 + u128::from(eps);
        if energy == 0 {
            return vec![0; values.len()];
        }
        let up = (energy as u64).leading_zeros() / 2;
        let factor = ((1u128 << 61) / root(energy << (2 * up))) as i128;
        let twice = 1i128 << (32 - up);
        y.iter().map(|y| (2 * y * factor + twice / 2).div_euclid(twice)).collect()
    }

    fn statistics(values: &[i16], eps: u64) -> GroupStatistics {
        let of = |f: fn(i64) -> i64| values.iter().map(|&v| f(v.into())).sum::<i64>();
        GroupStatistics::new(values.len() as u32, of(|v| v), of(|v| v * v), eps)
    }

    #[test]
    fn a_constant_group_is_zero() {
        for v in [i16::MIN, 0, i16::MAX] {
            assert_eq!(statistics(&[v; 9], 0).normalised(v), 0);
        }
    }

    #[test]
    fn the_largest_groups_do_not_overflow() {
        // Half of the values at either end, and one end in all of them.
        let count = MAX_COUNT;
        let ends = [i64::from(i16::MIN), i64::from(i16::MAX)];
        let half = i64::from(count / 2);
        let (sum, squares) = (half * (ends[0] + ends[1]), half * (ends[0].pow(2) + ends[1].pow(2)));
        for eps in [0, MAX_EPS] {
            let s = GroupStatistics::new(count, sum, squares, eps);
            let spread = (squares as f64 + eps as f64).sqrt() / 2f64.powi(30);
            for v in [i16::MIN, i16::MAX] {
                let want = f64::from(v) / spread;
                assert!((f64::from(s.normalised(v)) - want).abs() < 2.0, "{s:?} {want}");
            }
            let n = i64::from(count);
            let s = GroupStatistics::new(count, n * ends[0], n * ends[0].pow(2), eps);
            assert_eq!((s.mean, s.normalised(i16::MIN)), (i16::MIN.into(), 0));
        }
    }

    proptest! {
        #[test]
        fn groups_are_close_to_real_ones(values in prop::collection::vec(value(), 2..300), eps in 0u64..1 << 20) {
            let n = values.len() as f64;
            let s = statistics(&values, eps);
            // About the rounded mean.
            let energy = values.iter().map(|&v| (f64::from(v) - f64::from(s.mean)).powi(2)).sum::<f64>() + eps as f64;
            let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
            prop_assert!((mean - f64::from(s.mean)).abs() <= 0.5);
            prop_assume!(energy > 0.0);
            prop_assert!(s.factor >= 1 << 29);
            for &v in &values {
                let want = (f64::from(v) - f64::from(s.mean)) / energy.sqrt() * 2f64.powi(30);
                let got = f64::from(s.normalised(v));
                prop_assert!((got - want).abs() <= 1.0 + want.abs() * 2f64.powi(-29), "{got} {want}");
                prop_assert!(got.abs() <= 2f64.powi(30) + 1.0);
            }
        }

        #[test]
        fn equals_exact_arithmetic(
            (channels, groups, rows) in (1usize..5, 1usize..5, 1usize..12),
            values in prop::collection::vec(value(), 200),
            eps in prop_oneof![Just(0u64), Just(MAX_EPS), 0u64..1 << 40],
            constants in prop::collection::vec((any::<i32>(), 33u8..=62, -(1i32 << 30)..=1 << 30), 16),
            wide: bool,
        ) {
            let width = channels * groups;
            let x = &values[..rows * width];
            let (mut arena, mut blobs) = (Buffer::new(), Buffer::new());
            let mut constants = constants;
            constants[0] = (i32::MIN, 33, 1 << 30);
            let constants = &constants[..width];
            let op = GroupNorm {
                rows: rows as u32,
                width: width as u32,
                groups: groups as u32,
                eps,
                x: arena.slot(x),
                scale: Channels {
                    mantissa: blobs.blob(&constants.iter().map(|c| c.0).collect::<Vec<_>>()),
                    shift: blobs.blob(&constants.iter().map(|c| c.1).collect::<Vec<_>>()),
                },
                offset: blobs.blob(&constants.iter().map(|c| c.2).collect::<Vec<_>>()),
                out: match wide {
                    true => Act::I16(arena.slot(&vec![0i16; x.len()])),
                    false => Act::I8(arena.slot(&vec![0i8; x.len()])),
                },
            };
            prop_assert_eq!(op.check(&Consts::new(blobs.bytes())), Ok(()));
            let after = run(op, &arena, &blobs, 1).unwrap();
            let got: Vec<i128> = match op.out {
                Act::I8(out) => after.get(out).into_iter().map(i128::from).collect(),
                Act::I16(out) => after.get(out).into_iter().map(i128::from).collect(),
                Act::I32(_) => unreachable!(),
            };
            let limit = if wide { 1i128 << 15 } else { 1 << 7 };
            for group in 0..groups {
                let at = |r: usize, c: usize| r * width + group * channels + c;
                let places: Vec<usize> = (0..rows).flat_map(|r| (0..channels).map(move |c| at(r, c))).collect();
                let z = exact(&places.iter().map(|&at| x[at]).collect::<Vec<_>>(), eps);
                for (&at, z) in places.iter().zip(z) {
                    let (mantissa, shift, offset) = constants[at % width];
                    let sum = (z * i128::from(mantissa)).div_euclid(1 << 32) + i128::from(offset);
                    let want = sum.div_euclid(1 << (shift - 32)).clamp(-limit, limit - 1);
                    prop_assert_eq!(got[at], want);
                }
            }
        }
    }

    #[test]
    fn the_checker_refuses_hostile_records() {
        let mut blobs = Buffer::new();
        let op = GroupNorm {
            rows: 3,
            width: 4,
            groups: 2,
            eps: 1,
            x: Slot::new(0, 12),
            scale: Channels { mantissa: blobs.blob(&[1i32; 4]), shift: blobs.blob(&[40u8, 33, 62, 50]) },
            offset: blobs.blob(&[1 << 30, -(1 << 30), 0, 1i32]),
            out: Act::I8(Slot::new(24, 12)),
        };
        let low = blobs.blob(&[40u8, 32, 40, 40]);
        let large = blobs.blob(&[0, 0, 0, (1i32 << 30) + 1]);
        let check = |op: GroupNorm| op.check(&Consts::new(blobs.bytes()));
        assert_eq!(check(op), Ok(()));
        for groups in [0, 3, 8, u32::MAX] {
            assert_eq!(check(GroupNorm { groups, ..op }), Err(Reject::Dimension));
        }
        assert_eq!(check(GroupNorm { rows: 0, ..op }), Err(Reject::Dimension));
        assert_eq!(check(GroupNorm { rows: 1 << 30, ..op }), Err(Reject::Dimension));
        assert_eq!(check(GroupNorm { rows: 1 << 29, groups: 4, ..op }), Err(Reject::SlotLength));
        assert_eq!(check(GroupNorm { eps: MAX_EPS + 1, ..op }), Err(Reject::Dimension));
        assert_eq!(check(GroupNorm { out: Act::I32(Slot::new(24, 12)), ..op }), Err(Reject::Type));
        assert_eq!(check(GroupNorm { x: Slot::new(0, 11), ..op }), Err(Reject::SlotLength));
        assert_eq!(check(GroupNorm { out: Act::I16(Slot::new(24, 13)), ..op }), Err(Reject::SlotLength));
        assert_eq!(check(GroupNorm { scale: Channels { shift: low, ..op.scale }, ..op }), Err(Reject::Shift));
        assert_eq!(check(GroupNorm { offset: large, ..op }), Err(Reject::Bias));
    }
}
