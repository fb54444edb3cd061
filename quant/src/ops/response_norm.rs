//! ResponseNorm: the length of each channel over all rows, in lengths of the average channel, as
//! global response normalisation (ConvNeXt V2, arXiv 2301.00808) weights channels by.
//!
//! For `x`, `rows × width` int8 or int16:
//!
//! 1. `S[c] = Σ x[r][c]²` over the rows, at most `rows · 2^(2·bits − 2)`; below 2⁶³ for rows of
//!    32 bits.
//! 2. `up = leading_zeros₆₄(rows · 2^(2·bits − 2)) / 2`, the same for all channels;
//!    `L[c] = isqrt(S[c] · 4^up)`, 32 bits.
//! 3. `D = Σ L[c] + eps`, below 2⁶³ for at most 2¹⁶ channels and `eps ≤ 2⁶²`.
//! 4. `out[c] = saturate(floor(L[c] · unit / D + 1/2))`, and 0 where `D` is. With `unit ≤ 2³⁰`
//!    twice the product is below 2⁶³, and its sum with `D` below 2⁶⁴.
//!
//! `out` has scale `width / unit`: a channel of average length is `unit / width`.

use serde::{Deserialize, Serialize};

use super::{Act, Consts, Tensor};
use crate::arith::isqrt;
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Memory, Slot, Window};
use crate::operand::{Role, Tiling, Visitor};
use crate::slice::rows;

/// Most channels, so that the sum of their lengths stays below 2⁴⁸.
const MAX_WIDTH: u32 = 1 << 16;
/// Largest `eps`.
const MAX_EPS: u64 = 1 << 62;
/// Largest `unit`.
const MAX_UNIT: u32 = 1 << 30;

/// Lengths of channels over all rows, divided by their average. Runs as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseNorm {
    /// Rows (tokens, pixels).
    pub rows: u32,
    /// Channels, `1..=2¹⁶`.
    pub width: u32,
    /// `width · eps · 2^up / s_x` rounded, at most 2⁶².
    pub eps: u64,
    /// `width / s_out`, `1..=2³⁰`.
    pub unit: u32,
    /// Input, `rows × width`, int8 or int16.
    pub x: Act,
    /// Scratch: `width` lengths.
    pub lengths: Slot<u32>,
    /// Output, `width`.
    pub out: Slot<i16>,
}

impl ResponseNorm {
    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        self.x.visit(visitor, Role::Read, Tiling::All { stride: self.width, width: self.width });
        visitor.scratch(&mut self.lengths);
        visitor.write(&mut self.out, Tiling::Whole);
    }

    /// One: it runs as a whole.
    pub fn rows(&self) -> u32 {
        1
    }

    /// None: not a matrix product.
    pub fn macs(&self) -> u64 {
        0
    }

    /// Dimensions, eps and unit within their bounds, exact slot lengths.
    pub fn check(&self, _: &Consts<'_>) -> Result<(), Reject> {
        let units = (1..=MAX_UNIT).contains(&self.unit);
        let widths = (1..=MAX_WIDTH).contains(&self.width);
        if self.rows == 0 || !units || !widths || self.eps > MAX_EPS {
            return Err(Reject::Dimension);
        }
        if matches!(self.x, Act::I32(_)) {
            return Err(Reject::Type);
        }
        let len = self.rows.checked_mul(self.width).ok_or(Reject::Dimension)?;
        let exact = self.x.len() == len && self.lengths.len == self.width && self.out.len == self.width;
        if exact { Ok(()) } else { Err(Reject::SlotLength) }
    }

    /// Runs all channels.
    pub fn run<K: Kernels>(&self, kernels: &mut K, memory: &mut Memory<'_>, _: Window) -> Result<(), Fault> {
        let args = ResponseNormArgs { width: self.width as usize, eps: self.eps, unit: self.unit };
        let (lengths, out, rest) = memory.split2(self.lengths, self.out)?;
        kernels.response_norm(&args, self.x.read(&rest)?, lengths, out)
    }
}

/// Constants of a [`ResponseNorm`] over rows of `width`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseNormArgs {
    /// Channels.
    pub width: usize,
    /// Added to the sum of lengths.
    pub eps: u64,
    /// What the length of all channels together is in the output.
    pub unit: u32,
}

/// Step 2: the bits by which roots of `rows` int16 values (int8 if not `wide`) are shifted up.
#[inline]
pub const fn root_bits(rows: u32, wide: bool) -> u32 {
    ((rows as u64) << if wide { 30 } else { 14 }).leading_zeros() / 2
}

/// Channels whose squares the reference sums together.
const BLOCK: usize = 16;

/// Scalar reference. `lengths` and `out` have an element for each channel.
pub fn response_norm(
    args: &ResponseNormArgs,
    x: Tensor<'_>,
    lengths: &mut [u32],
    out: &mut [i16],
) -> Result<(), Fault> {
    match x {
        Tensor::I8(x) => root_squares(x, args.width, false, lengths),
        Tensor::I16(x) => root_squares(x, args.width, true, lengths),
        Tensor::I32(_) => return Err(Fault::Instruction),
    }
    let divisor = lengths.iter().map(|&length| u64::from(length)).sum::<u64>() + args.eps;
    for (out, &length) in out.iter_mut().zip(lengths.iter()) {
        let twice = 2 * u64::from(length) * u64::from(args.unit);
        let share = (twice + divisor).checked_div(2 * divisor).unwrap_or(0);
        *out = share.min(i16::MAX as u64) as i16;
    }
    Ok(())
}

/// Steps 1 and 2.
fn root_squares<T: Copy + Into<i64>>(x: &[T], width: usize, wide: bool, lengths: &mut [u32]) {
    let count = x.len().checked_div(width).unwrap_or(0);
    let up = root_bits(count as u32, wide);
    for (block, lengths) in lengths.chunks_mut(BLOCK).enumerate() {
        let start = block * BLOCK;
        let mut squares = [0u64; BLOCK];
        for row in rows(x, width) {
            let values = row.get(start..start + lengths.len()).unwrap_or_default();
            for (sum, &v) in squares.iter_mut().zip(values) {
                let v: i64 = v.into();
                *sum += (v * v) as u64;
            }
        }
        for (length, &sum) in lengths.iter_mut().zip(&squares) {
            *length = isqrt(sum << ((2 * up) & 63));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Buffer, root, run};
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    fn value() -> impl Strategy<Value = i16> {
        prop_oneof![4 => any::<i16>(), 1 => Just(i16::MIN), 3 => -3i16..3]
    }

    fn op(arena: &mut Buffer, x: &[i16], width: usize, wide: bool, eps: u64, unit: u32) -> ResponseNorm {
        let bytes: Vec<i8> = x.iter().map(|&v| v as i8).collect();
        ResponseNorm {
            rows: (x.len() / width) as u32,
            width: width as u32,
            eps,
            unit,
            x: if wide { Act::I16(arena.slot(x)) } else { Act::I8(arena.slot(&bytes)) },
            lengths: arena.slot(&vec![7u32; width]),
            out: arena.slot(&vec![7i16; width]),
        }
    }

    #[test]
    fn the_largest_sums_do_not_overflow() {
        for (rows, wide) in [(1, false), (1, true), (3, true), (u32::MAX, false), (u32::MAX, true)] {
            let largest = u128::from(rows) << if wide { 30 } else { 14 };
            let shifted = largest << (2 * root_bits(rows, wide));
            assert!(shifted <= u64::MAX.into() && shifted >= 1 << 62, "{rows} {wide}");
        }
        let longest = u128::from(u32::MAX);
        let sum = longest * u128::from(MAX_WIDTH) + u128::from(MAX_EPS);
        assert!(2 * sum <= u64::MAX.into());
        assert!(2 * longest * u128::from(MAX_UNIT) + sum <= u64::MAX.into());
        // Lengths of 2³¹ times 2³⁰ beside divisors of 2⁶² and 2⁶¹, and 2³².
        for (eps, want) in [(MAX_EPS, 0), (MAX_EPS / 2, 1)] {
            let mut out = [7i16; 2];
            let args = ResponseNormArgs { width: 2, eps, unit: MAX_UNIT };
            response_norm(&args, Tensor::I16(&[i16::MIN; 2]), &mut [0; 2], &mut out).unwrap();
            assert_eq!(out, [want; 2]);
        }
    }

    #[test]
    fn zeros_are_zero_and_equal_channels_are_one() {
        let mut out = [1i16; 3];
        let args = ResponseNormArgs { width: 3, eps: 0, unit: 3000 };
        response_norm(&args, Tensor::I8(&[0; 6]), &mut [0; 3], &mut out).unwrap();
        assert_eq!(out, [0; 3]);
        response_norm(&args, Tensor::I8(&[5, -5, 5, -3, 3, 3]), &mut [0; 3], &mut out).unwrap();
        assert_eq!(out, [1000; 3]);
    }

    proptest! {
        #[test]
        fn equals_exact_arithmetic_and_is_close_to_real(
            (width, x) in (1usize..40).prop_flat_map(|w| (Just(w), prop::collection::vec(value(), w..=w * 6))),
            eps in prop_oneof![Just(0u64), Just(MAX_EPS), 0u64..1 << 33],
            unit in prop_oneof![1u32..1 << 20, Just(MAX_UNIT)],
            wide: bool,
        ) {
            let x = &x[..x.len() / width * width];
            let mut arena = Buffer::new();
            let op = op(&mut arena, x, width, wide, eps, unit);
            prop_assert_eq!(op.check(&Consts::new(&[])), Ok(()));
            let got = run(op, &arena, &Buffer::new(), 1).unwrap().get(op.out);
            let value = |at: usize| if wide { i128::from(x[at]) } else { i128::from(x[at] as i8) };
            let largest = i128::from(op.rows) << if wide { 30 } else { 14 };
            // The most that the largest sum can be shifted and stay below 2⁶⁴.
            let up = (0..32).rev().find(|&up| largest << (2 * up) < 1 << 64).unwrap();
            let squares = |c: usize| (c..x.len()).step_by(width).map(|at| value(at) * value(at)).sum::<i128>();
            let lengths: Vec<u128> = (0..width).map(|c| root((squares(c) << (2 * up)) as u128)).collect();
            let divisor = lengths.iter().sum::<u128>() + u128::from(eps);
            let real: f64 = (0..width).map(|c| (squares(c) as f64).sqrt()).sum();
            let real = real + eps as f64 / 2f64.powi(up);
            for c in 0..width {
                let twice = 2 * lengths[c] * u128::from(unit);
                let want = (twice + divisor).checked_div(2 * divisor).unwrap_or(0);
                prop_assert_eq!(i128::from(got[c]), want.min(32767) as i128);
                if want < 32767 && real > 0.0 {
                    let share = (squares(c) as f64).sqrt() * f64::from(unit) / real;
                    prop_assert!((f64::from(got[c]) - share).abs() <= 0.51 + share * 1e-4, "{share}");
                }
            }
        }
    }

    #[test]
    fn the_checker_refuses_hostile_records() {
        let mut arena = Buffer::new();
        let op = op(&mut arena, &[1; 12], 4, true, 1, 1);
        let check = |op: ResponseNorm| op.check(&Consts::new(&[]));
        assert_eq!(check(op), Ok(()));
        for bad in [
            ResponseNorm { rows: 0, ..op },
            ResponseNorm { width: 0, ..op },
            ResponseNorm { width: MAX_WIDTH + 1, ..op },
            ResponseNorm { rows: u32::MAX, ..op },
            ResponseNorm { eps: MAX_EPS + 1, ..op },
            ResponseNorm { unit: 0, ..op },
            ResponseNorm { unit: MAX_UNIT + 1, ..op },
        ] {
            assert_eq!(check(bad), Err(Reject::Dimension), "{bad:?}");
        }
        assert_eq!(check(ResponseNorm { rows: 2, ..op }), Err(Reject::SlotLength));
        assert_eq!(check(ResponseNorm { out: Slot::new(0, 3), ..op }), Err(Reject::SlotLength));
        assert_eq!(check(ResponseNorm { lengths: Slot::new(0, 5), ..op }), Err(Reject::SlotLength));
        assert_eq!(check(ResponseNorm { x: Act::I32(Slot::new(0, 12)), ..op }), Err(Reject::Type));
    }
}
