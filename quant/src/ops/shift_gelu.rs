//! ShiftGELU: `x · σ(1.702 x)` from shift-exponentials (I-ViT, Alg. 2), int8 in place.
//!
//! Per row: `m = max(max x, 0)`; `e = exp[m − x]`, `e0 = exp[m]`;
//! `F = floor((2³¹ − 1) / (e + e0))`; `σ = (e · F) >> 24` (scale 2⁻⁷, 0..=127); `y = x · σ`
//! (scale `s / 128`); `out = saturate(round(y · mantissa / 2^shift))`. σ is floored once,
//! the result rounded half up once.
//!
//! `exp` holds shift-exp of the 256 distances at scale `1.702 · s`. Bounds:
//! `2 · max e ≤ 2³¹ − 1`, which the checker enforces; then `e · F ≤ 2³¹ − 1` because
//! `e ≤ e + e0`, and `|y| ≤ 128 · 127`.
//!
//! The table decides how good σ is. Its largest entry bounds `F` from below, and σ is low
//! by up to one part in `F`. Its smallest entry bounds the row maximum: where both `e` and
//! `e0` are down there, σ is 1/2 whatever `x`. The paper's 23 fraction bits leave 23 octaves
//! but, at a unit of 32, `F = 7` and σ at most 0.87; a QAT checkpoint was trained around
//! that and keeps it. `max(1, round(2²² · e^(−1.702·s·d)))` has 22 octaves (`m · s` up to 9)
//! and `F ≥ 256`: the better table for everything else.
//!
//! The paper's code takes `m = max x` even where every value of the row is negative;
//! `e0 = e^(−m)` is then an exponential of a positive number, outside what shift-exp can
//! represent, and σ comes out wrong. With 0 in the maximum, σ is the same ratio
//! `e^x / (e^x + 1)` and both exponents stay at or below 0. Rows that hold a value ≥ 0 are
//! unaffected.

use serde::{Deserialize, Serialize};

use super::Consts;
use super::shiftmax::check_table;
use crate::arith::{Multiplier, saturate_i8};
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Blob, Memory, Slot, Window};
use crate::operand::{Tiling, Visitor};
use crate::slice::rows_mut;

/// GELU with the maximum of each row of `width` values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShiftGelu {
    /// Rows (tokens).
    pub rows: u32,
    /// Elements of each row.
    pub width: u32,
    /// Values, `rows × width`, updated.
    pub x: Slot<i8>,
    /// Exponentials of all 256 distances.
    pub exp: Blob<u32>,
    /// Output multiplier: `s / (128 · s_out)`.
    pub out: Multiplier,
}

impl ShiftGelu {
    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        visitor.update(&mut self.x, Tiling::rows(self.width));
        visitor.constant(&mut self.exp);
    }

    /// Rows (tokens).
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// None: not a matrix product.
    pub fn macs(&self) -> u64 {
        0
    }

    /// `2 · max e ≤ 2³¹ − 1`, every exponential at least 1, the shift in range.
    pub fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
        if self.rows == 0 || self.width == 0 {
            return Err(Reject::Dimension);
        }
        if !self.out.is_valid() {
            return Err(Reject::Shift);
        }
        check_table(consts, self.exp, 2).map(|_| ())
    }

    /// Runs the rows of `window`.
    pub fn run<K: Kernels>(
        &self,
        kernels: &mut K,
        memory: &mut Memory<'_>,
        window: Window,
    ) -> Result<(), Fault> {
        let exp = memory.blob(self.exp)?.try_into().map_err(|_| Fault::Bounds)?;
        let args = ShiftGeluArgs { width: self.width as usize, exp, out: self.out };
        let x = window.of(self.x, self.width, self.width)?;
        kernels.shift_gelu(&args, memory.slot(x)?)
    }
}

/// Constants of a [`ShiftGelu`] over rows of `width`.
#[derive(Clone, Copy, Debug)]
pub struct ShiftGeluArgs<'a> {
    /// Elements of each row.
    pub width: usize,
    /// Exponentials of all distances.
    pub exp: &'a [u32; 256],
    /// Output multiplier.
    pub out: Multiplier,
}

impl ShiftGeluArgs<'_> {
    /// The result for `x` in a row whose maximum, or 0, is `max`.
    #[inline(always)]
    pub fn eval(&self, max: i8, x: i8) -> i8 {
        let exp = |distance: u8| self.exp.get(usize::from(distance)).copied().unwrap_or(1);
        let e = exp(max.wrapping_sub(x) as u8);
        let factor = (i32::MAX as u32).checked_div(e.wrapping_add(exp(max as u8))).unwrap_or(0);
        let sigma = e.wrapping_mul(factor) >> 24;
        saturate_i8(self.out.apply(i32::from(x) * sigma as i32))
    }
}

/// Scalar reference.
pub fn shift_gelu(args: &ShiftGeluArgs<'_>, x: &mut [i8]) -> Result<(), Fault> {
    for row in rows_mut(x, args.width) {
        let max = row.iter().fold(0, |max, &v| v.max(max));
        for v in row {
            *v = args.eval(max, *v);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arith::ShiftExp;
    use crate::ops::testing::{Buffer, run};
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    const UNIT: Multiplier = Multiplier { mantissa: 1 << 23, shift: 30 };

    /// The authors' shift-exp in exact arithmetic, for any sign of `x`.
    fn authors_exp(x: i128, unit: i128, n: i128) -> i128 {
        let x0 = -unit;
        let p = (x + x.div_euclid(2) - x.div_euclid(16)).max(n * x0);
        // floor(p / x0) with x0 < 0.
        let q = (-p).div_euclid(unit);
        let r = p - q * x0;
        ((r - 2 * x0) << (n - q)).div_euclid(2).max(0)
    }

    /// The authors' IntGELU before its requantization: x · σ.
    fn authors(row: &[i8], unit: i128, n: i128) -> Vec<i128> {
        let max = i128::from(*row.iter().max().unwrap());
        row.iter()
            .map(|&x| {
                let x = i128::from(x);
                let e = authors_exp(x - max, unit, n);
                let sum = (e + authors_exp(-max, unit, n)).min(i32::MAX.into());
                let factor = i128::from(i32::MAX).div_euclid(sum);
                x * (e * factor).div_euclid(1 << 24)
            })
            .collect()
    }

    /// A unit and as many fraction bits, up to the authors' 23, as keep two terms below 2³¹.
    fn exp(unit: u32) -> ShiftExp {
        let bits = (1..=23u8).rev().find(|&n| 2 * (u64::from(unit) << n) <= i32::MAX as u64).unwrap();
        ShiftExp { unit, bits }
    }

    /// The precise table of the module documentation, `unit` being `1 / (1.702 · s)`.
    fn precise(unit: u32) -> [u32; 256] {
        let entry = |d: usize| ((1 << 22) as f64 * (-(d as f64) / f64::from(unit)).exp()).round().max(1.0);
        std::array::from_fn(|d| entry(d) as u32)
    }

    fn gelu(row: &[i8], exp: &[u32; 256], out: Multiplier) -> Vec<i8> {
        let mut x = row.to_vec();
        shift_gelu(&ShiftGeluArgs { width: row.len(), exp, out }, &mut x).unwrap();
        x
    }

    fn value() -> impl Strategy<Value = i8> {
        prop_oneof![any::<i8>(), Just(i8::MIN), Just(i8::MAX), -2i8..=2]
    }

    proptest! {
        #[test]
        fn equals_the_authors_formula_on_rows_that_reach_zero(
            mut row in prop::collection::vec(value(), 1..40),
            top in 0i8..=127,
            unit in 1u32..300,
            mantissa: i32,
            shift in 1u8..=62,
        ) {
            row.push(top);
            let exp = exp(unit);
            let got = gelu(&row, &exp.table(), Multiplier { mantissa, shift });
            for (got, y) in got.iter().zip(authors(&row, unit.into(), exp.bits.into())) {
                let want = (2 * y * i128::from(mantissa) + (1 << shift)).div_euclid(1 << (shift + 1));
                prop_assert_eq!(i128::from(*got), want.clamp(-128, 127));
            }
        }

        /// On any row, also one of negative values only: σ is floored twice, by less than 2⁻⁷ and 2⁻⁸.
        #[test]
        fn close_to_the_real_function(row in prop::collection::vec(value(), 1..40), unit in 20u32..100) {
            for (&x, got) in row.iter().zip(gelu(&row, &precise(unit), UNIT)) {
                let sigma = 1.0 / (1.0 + (-f64::from(x) / f64::from(unit)).exp());
                let real = f64::from(x) * sigma;
                prop_assert!((f64::from(got) - real).abs() <= 0.012 * f64::from(x).abs() + 0.5, "{x} {got} {real}");
            }
        }

        #[test]
        fn rows_are_independent_of_tiles(x in prop::collection::vec(value(), 24), tile in 1u32..9) {
            let (mut arena, mut consts) = (Buffer::new(), Buffer::new());
            let table = consts.blob(&exp(30).table());
            let op = ShiftGelu { rows: 8, width: 3, x: arena.slot(&x), exp: table, out: UNIT };
            prop_assert_eq!(op.check(&Consts::new(consts.bytes())), Ok(()));
            let want: Vec<i8> = x.chunks(3).flat_map(|row| gelu(row, &exp(30).table(), UNIT)).collect();
            prop_assert_eq!(run(op, &arena, &consts, tile).unwrap().get(op.x), want);
        }
    }

    /// The trap: at scale 1/30, GELU of a row of −6 is −6 · 0.45 ≈ −2.7.
    #[test]
    fn a_row_of_negative_values_only() {
        assert_eq!(gelu(&[-6; 4], &precise(30), UNIT), [-3; 4]);
        let unit = 4;
        let row = [-100i8, -101];
        let wrong = authors(&row, unit, exp(unit as u32).bits.into());
        assert_ne!(wrong, [0, 0], "the authors' formula is wrong here");
        assert_eq!(gelu(&row, &exp(unit as u32).table(), UNIT), [0, 0]);
    }

    #[test]
    fn the_table_decides_the_precision_and_range_of_sigma() {
        // GELU(127) at scale 1/32 is 124.6.
        assert_eq!(gelu(&[127], &exp(32).table(), UNIT), [111]);
        assert_eq!(gelu(&[127], &precise(32), UNIT), [124]);
        // Both exponentials at the smallest entry, 14 octaves down.
        assert_eq!(gelu(&[-128, 127], &ShiftExp { unit: 10, bits: 14 }.table(), UNIT), [-63, 126]);
        assert_eq!(gelu(&[-128, 127], &exp(20).table(), UNIT)[0], 0);
    }

    #[test]
    fn the_checker_refuses_exponentials_that_could_overflow() {
        let check = |first: u32| {
            let mut consts = Buffer::new();
            let exp = consts.blob(&[first; 256]);
            let op = ShiftGelu { rows: 1, width: 1, x: Slot::new(0, 1), exp, out: UNIT };
            op.check(&Consts::new(consts.bytes()))
        };
        assert_eq!(check((1 << 30) - 1), Ok(()));
        assert_eq!(check(1 << 30), Err(Reject::ExpSum));
        assert_eq!(check(0), Err(Reject::ExpSum));
        let exp = vec![(1u32 << 30) - 1; 256];
        let args = ShiftGeluArgs { width: 1, exp: exp.as_slice().try_into().unwrap(), out: UNIT };
        assert_eq!(args.eval(127, -128), -63);
    }
}
