//! Shiftmax: softmax over rows of integer scores (I-ViT, Alg. 1).
//!
//! Per row: `m = max x`; `e[i] = shift_exp(m − x[i])`; `F = floor((2³¹ − 1) / Σe)`;
//! `p[i] = (e[i] · F) >> 16` (int16, scale 2⁻¹⁵) or `(e[i] · F + 2²³) >> 24` (int8, scale
//! 2⁻⁷). Because `e ≤ Σe`, `e · F ≤ 2³¹ − 1`: nothing overflows, and the 16-bit
//! probabilities of a row sum to at most 32767. Each probability is floored once
//! (16 bits) or rounded half up once (8 bits).
//!
//! The sum must fit: `width · max e ≤ 2³¹ − 1`, which the checker enforces; a converter
//! meets it by taking fewer fraction bits in [`ShiftExp`] (the ratio `e / Σe` does not
//! depend on them). A floored 8-bit probability turns uniform attention over 128 or
//! more keys into zeros; rounding moves that to 255 keys, and the checker refuses a
//! width at which uniform attention would still vanish.

use serde::{Deserialize, Serialize};

use super::{Act, Consts, Tensor, TensorMut};
use crate::arith::ShiftExp;
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Blob, Memory, Window};
use crate::operand::{Role, Tiling, Visitor};

/// Softmax over rows of `width` scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shiftmax {
    /// Rows (queries, over all heads).
    pub rows: u32,
    /// Scores of each row (keys).
    pub width: u32,
    /// Scores, int8 with [`Exponential::Table`] or int16 with [`Exponential::Shift`].
    pub x: Act,
    /// The exponential.
    pub exp: Exponential,
    /// Probabilities: int16 of scale 2⁻¹⁵ or int8 of scale 2⁻⁷.
    pub out: Act,
}

/// How `e^(−distance)` is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exponential {
    /// All 256 distances of int8 scores.
    Table(Blob<u32>),
    /// Shift-exp, for int16 scores.
    Shift(ShiftExp),
}

/// The constants behind [`Exponential`].
#[derive(Clone, Copy, Debug)]
pub enum ExponentialRef<'a> {
    /// All 256 distances.
    Table(&'a [u32; 256]),
    /// Shift-exp.
    Shift(ShiftExp),
}

/// Checks that `terms` exponentials from `table` cannot sum past 2³¹ − 1, none is 0,
/// and none is above the one at distance 0.
pub(crate) fn check_table(consts: &Consts<'_>, table: Blob<u32>, terms: u32) -> Result<u32, Reject> {
    let table = consts.get(table, 256)?;
    let first = table.first().copied().unwrap_or(0);
    let sound = table.iter().all(|&e| e >= 1 && e <= first);
    if sound && u64::from(first) * u64::from(terms) <= i32::MAX as u64 {
        Ok(first)
    } else {
        Err(Reject::ExpSum)
    }
}

/// Probabilities of uniform attention over `width` keys whose exponential is `first`.
fn uniform(first: u32, width: u32, out: &Act) -> u32 {
    let factor = (i32::MAX as u32).checked_div(first.saturating_mul(width)).unwrap_or(0);
    match out {
        Act::I8(_) => (first.saturating_mul(factor)).saturating_add(1 << 23) >> 24,
        Act::I16(_) | Act::I32(_) => first.saturating_mul(factor) >> 16,
    }
}

impl Shiftmax {
    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        self.x.visit(visitor, Role::Read, Tiling::rows(self.width));
        if let Exponential::Table(table) = &mut self.exp {
            visitor.constant(table);
        }
        self.out.visit(visitor, Role::Write, Tiling::rows(self.width));
    }

    /// Rows.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// None: not a matrix product.
    pub fn macs(&self) -> u64 {
        0
    }

    /// `width · max e ≤ 2³¹ − 1`, every exponential at least 1, uniform attention not zero.
    pub fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
        if self.rows == 0 || self.width == 0 {
            return Err(Reject::Dimension);
        }
        let first = match (self.x, self.exp) {
            (Act::I8(_), Exponential::Table(table)) => check_table(consts, table, self.width)?,
            (Act::I16(_), Exponential::Shift(exp)) => {
                if !exp.is_valid() || u64::from(exp.max()) * u64::from(self.width) > i32::MAX as u64 {
                    return Err(Reject::ExpSum);
                }
                exp.max()
            }
            _ => return Err(Reject::Type),
        };
        if matches!(self.out, Act::I32(_)) {
            return Err(Reject::Type);
        }
        if uniform(first, self.width, &self.out) == 0 { Err(Reject::Underflow) } else { Ok(()) }
    }

    /// Runs the rows of `window`.
    pub fn run<K: Kernels>(
        &self,
        kernels: &mut K,
        memory: &mut Memory<'_>,
        window: Window,
    ) -> Result<(), Fault> {
        let exp = match self.exp {
            Exponential::Table(table) => {
                ExponentialRef::Table(memory.blob(table)?.try_into().map_err(|_| Fault::Bounds)?)
            }
            Exponential::Shift(exp) => ExponentialRef::Shift(exp),
        };
        let args = ShiftmaxArgs { width: self.width as usize, exp };
        let x = self.x.window(window, self.width, self.width)?;
        let (mut out, rest) = self.out.window(window, self.width, self.width)?.split(memory)?;
        kernels.shiftmax(&args, x.read(&rest)?, &mut out)
    }
}

/// Constants of a Shiftmax over rows of `width`.
#[derive(Clone, Copy, Debug)]
pub struct ShiftmaxArgs<'a> {
    /// Scores of each row.
    pub width: usize,
    /// The exponential.
    pub exp: ExponentialRef<'a>,
}

impl ExponentialRef<'_> {
    #[inline(always)]
    fn eval(&self, distance: u32) -> u32 {
        match self {
            ExponentialRef::Table(table) => table.get(distance as usize).copied().unwrap_or(1),
            ExponentialRef::Shift(exp) => exp.eval(distance),
        }
    }
}

/// Scalar reference.
pub fn shiftmax(args: &ShiftmaxArgs<'_>, x: Tensor<'_>, out: &mut TensorMut<'_>) -> Result<(), Fault> {
    let round = matches!(out, TensorMut::I8(_));
    let rows = out.len().checked_div(args.width).unwrap_or(0);
    for r in 0..rows {
        let row = r * args.width..(r + 1) * args.width;
        let max = row.clone().map(|i| x.get(i)).max().unwrap_or(0);
        let exp = |i| args.exp.eval((max - x.get(i)) as u32);
        let sum = row.clone().fold(0u32, |sum, i| sum.saturating_add(exp(i)));
        let factor = (i32::MAX as u32).checked_div(sum).unwrap_or(0);
        for i in row {
            let product = exp(i).wrapping_mul(factor);
            let p = if round { (product + (1 << 23)) >> 24 } else { product >> 16 };
            out.set(i, p.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    fn table(unit: u32, bits: u8) -> [u32; 256] {
        ShiftExp { unit, bits }.table()
    }

    fn run8(x: &[i8], width: usize, table: &[u32; 256]) -> Vec<i16> {
        let mut out = vec![0i16; x.len()];
        let args = ShiftmaxArgs { width, exp: ExponentialRef::Table(table) };
        shiftmax(&args, Tensor::I8(x), &mut TensorMut::I16(&mut out)).unwrap();
        out
    }

    #[test]
    fn uniform_attention_is_not_zero_in_8_bits() {
        // The 8-bit port floors (e·F) >> 24: zero from 128 keys on.
        let table = table(12, 8);
        for width in [128, 197, 254] {
            let mut out = vec![0i8; width];
            let args = ShiftmaxArgs { width, exp: ExponentialRef::Table(&table) };
            shiftmax(&args, Tensor::I8(&vec![3; width]), &mut TensorMut::I8(&mut out)).unwrap();
            assert_eq!(out, vec![1; width]);
        }
    }

    fn record(width: u32, first: u32, bytes: &mut Vec<u8>, out: Act) -> Result<(), Reject> {
        bytes.clear();
        bytes.extend([first; 256].iter().flat_map(|e| e.to_le_bytes()));
        let aligned: Vec<u32> = bytemuck::pod_collect_to_vec(bytes);
        let exp = Exponential::Table(Blob::new(0, 256));
        let x = Act::I8(crate::mem::Slot::new(0, width));
        Shiftmax { rows: 1, width, x, exp, out }.check(&Consts::new(bytemuck::cast_slice(&aligned)))
    }

    #[test]
    fn the_checker_refuses_sums_past_31_bits_and_vanishing_rows() {
        let mut bytes = Vec::new();
        let out16 = Act::I16(crate::mem::Slot::new(0, 1));
        let out8 = Act::I8(crate::mem::Slot::new(0, 1));
        assert_eq!(record(197, i32::MAX as u32 / 197, &mut bytes, out16), Ok(()));
        assert_eq!(record(197, i32::MAX as u32 / 197 + 1, &mut bytes, out16), Err(Reject::ExpSum));
        assert_eq!(record(4, 0, &mut bytes, out16), Err(Reject::ExpSum));
        assert_eq!(record(510, 1 << 12, &mut bytes, out8), Err(Reject::Underflow));
        assert_eq!(record(510, 1 << 12, &mut bytes, out16), Ok(()));
        assert_eq!(record(40_000, 1 << 12, &mut bytes, out16), Err(Reject::Underflow));
    }

    proptest! {
        #[test]
        fn table_and_formula_agree_and_rows_sum_below_one(
            (width, x) in (1usize..80).prop_flat_map(|w| (Just(w), prop::collection::vec(any::<i8>(), w * 3))),
            unit in 1u32..200,
        ) {
            let exp = ShiftExp { unit, bits: 15 };
            let by_table = run8(&x, width, &exp.table());
            let wide: Vec<i16> = x.iter().map(|&v| v.into()).collect();
            let mut by_shift = vec![0i16; x.len()];
            let args = ShiftmaxArgs { width, exp: ExponentialRef::Shift(exp) };
            shiftmax(&args, Tensor::I16(&wide), &mut TensorMut::I16(&mut by_shift)).unwrap();
            prop_assert_eq!(&by_table, &by_shift);
            for row in by_table.chunks(width) {
                let sum: i32 = row.iter().map(|&p| i32::from(p)).sum();
                prop_assert!(row.iter().all(|&p| p >= 0) && sum <= 32767);
            }
        }

        /// Against the real softmax, with the fraction bits a converter picks.
        #[test]
        fn close_to_the_real_softmax(x in prop::collection::vec(-60i8..60, 2..200), unit in 8u32..40) {
            let bits = (1..=15u8).rev().find(|&n| (u64::from(unit) * x.len() as u64) << n <= 1 << 23).unwrap();
            let out = run8(&x, x.len(), &table(unit, bits));
            let real: Vec<f64> = x.iter().map(|&v| (f64::from(v) / f64::from(unit)).exp()).collect();
            let sum: f64 = real.iter().sum();
            for (&p, e) in out.iter().zip(&real) {
                prop_assert!((f64::from(p) / 32768.0 - e / sum).abs() < 0.1 * (e / sum) + 0.004);
            }
        }
    }
}
