//! Integer LayerNorm (I-ViT, eq. 17–19), in 64 bits where it needs them.
//!
//! Per row of int16 `x[0..C]`:
//!
//! 1. `mean = floor(Σx / C + 1/2)`; `y = x − mean`, 17 bits.
//! 2. `S = Σy² + eps` in 64 bits (one outlier of 16 bits is already 2³⁰: the sum of
//!    the reference's 32-bit form overflows at two of them).
//! 3. `up = max(0, (leading_zeros₆₄(S) − 44) / 2)`, so that `std = isqrt(S · 4^up)` keeps
//!    at least 10 bits however small the variance; 0 for `S ≥ 2²⁰`, as in the paper.
//!    `isqrt` is exact; the paper's ten Newton steps from 2¹⁶ are wrong below and above.
//! 4. `factor = floor((2³¹ − 1) / max(std, 1))`, `z = (y · 2^up) · factor`. Because
//!    `|y · 2^up|` is an integer not above the square root of `S · 4^up`, it is not above
//!    `std`: `|z| ≤ 2³¹ − 1`.
//! 5. `out = saturate((floor(z · mantissa[c] / 2³²) + offset[c]) >> (shift[c] − 32))`.
//!
//! `z` has scale `√C / 2³¹` before γ. Step 5 is one requantization rounded half up: the
//! offset holds β *after* requantization, `β / s_out · 2^(shift−32)`, plus the rounding
//! term `2^(shift−33)`. (The paper adds `β/γ` before it, which explodes where γ ≈ 0; a
//! negative γ is a negative mantissa.)

use serde::{Deserialize, Serialize};

use super::{Act, Channels, ChannelsRef, Consts, TensorMut};
use crate::arith::{MAX_SHIFT, isqrt};
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Blob, Memory, Slot, Window};
use crate::operand::{Role, Tiling, Visitor};
use crate::slice::rows;

/// Largest row: `Σx` of 2¹⁵ int16 values fits int32, `Σy²` stays below 2⁴⁸.
const MAX_WIDTH: u32 = 1 << 15;
/// Largest `eps`, so that `S < 2⁴⁹` and its square root fits.
const MAX_EPS: u64 = 1 << 48;

/// Normalises each row of `width` values, then scales and shifts per channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerNorm {
    /// Rows (tokens).
    pub rows: u32,
    /// Channels, `1..=2¹⁵`.
    pub width: u32,
    /// `width · eps / s_x²` rounded, at most 2⁴⁸.
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

impl LayerNorm {
    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        visitor.read(&mut self.x, Tiling::rows(self.width));
        self.scale.operands(visitor);
        visitor.constant(&mut self.offset);
        self.out.visit(visitor, Role::Write, Tiling::rows(self.width));
    }

    /// Rows (tokens).
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// None: not a matrix product.
    pub fn macs(&self) -> u64 {
        0
    }

    /// Width and eps within their bounds, shifts in `33..=62`, |offset| ≤ 2³⁰
    /// (`|z·mantissa| / 2³² ≤ 2³⁰`, so their sum fits int32).
    pub fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
        if self.rows == 0 || self.width == 0 || self.width > MAX_WIDTH || self.eps > MAX_EPS {
            return Err(Reject::Dimension);
        }
        if matches!(self.out, Act::I32(_)) {
            return Err(Reject::Type);
        }
        self.scale.check(consts, self.width)?;
        let shifts = consts.get(self.scale.shift, self.width)?;
        if shifts.iter().any(|s| !(33..=MAX_SHIFT).contains(s)) {
            return Err(Reject::Shift);
        }
        if consts.get(self.offset, self.width)?.iter().any(|b| b.unsigned_abs() > super::MAX_BIAS) {
            return Err(Reject::Bias);
        }
        Ok(())
    }

    /// Runs the rows of `window`.
    pub fn run<K: Kernels>(
        &self,
        kernels: &mut K,
        memory: &mut Memory<'_>,
        window: Window,
    ) -> Result<(), Fault> {
        let args = self.load(memory)?;
        let x = window.of(self.x, self.width, self.width)?;
        let (mut out, rest) = self.out.window(window, self.width, self.width)?.split(memory)?;
        kernels.layer_norm(&args, rest.read(x)?, &mut out)
    }

    pub(super) fn load<'m>(&self, memory: &Memory<'m>) -> Result<LayerNormArgs<'m>, Fault> {
        Ok(LayerNormArgs {
            width: self.width as usize,
            eps: self.eps,
            scale: self.scale.load(memory)?,
            offset: memory.blob(self.offset)?,
        })
    }
}

/// Constants of a LayerNorm over rows of `width`.
#[derive(Clone, Copy, Debug)]
pub struct LayerNormArgs<'a> {
    /// Channels.
    pub width: usize,
    /// Added to the sum of squares.
    pub eps: u64,
    /// γ.
    pub scale: ChannelsRef<'a>,
    /// β and rounding.
    pub offset: &'a [i32],
}

/// What step 1–4 make of a row: `z = (x − mean) · up · factor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowStatistics {
    /// Rounded mean.
    pub mean: i32,
    /// `2^up · factor`, at most `2³¹ − 1` when `S ≥ 1`.
    pub factor: i32,
}

/// Steps 1 to 4 for one non-empty row of at most 2¹⁵ values.
#[inline]
pub fn row_statistics(row: &[i16], eps: u64) -> RowStatistics {
    let count = row.len() as i32;
    let (mut sum, mut squares) = (0i32, 0i64);
    for &v in row {
        let v = i32::from(v);
        sum += v;
        squares += i64::from(v) * i64::from(v);
    }
    // floor(sum/count + 1/2) = floor((2·sum + count) / (2·count)); −2³¹ ≤ 2·sum + count < 2³¹.
    let mean = (2 * sum + count).checked_div_euclid(2 * count).unwrap_or(0);
    // Σ(x − mean)², each term below 2⁴⁷.
    let shift = i64::from(mean) * (i64::from(count) * i64::from(mean) - 2 * i64::from(sum));
    RowStatistics { mean, factor: factor((squares + shift) as u64 + eps) }
}

/// Steps 3 and 4 for `S`, which is below 2⁴⁹.
#[inline]
pub(super) fn factor(energy: u64) -> i32 {
    if energy == 0 {
        return 0;
    }
    let up = energy.leading_zeros().saturating_sub(44) / 2;
    let std = isqrt(energy << (2 * up));
    let factor = (i32::MAX as u32).checked_div(std).unwrap_or(0);
    (factor << up) as i32
}

/// Scalar reference.
pub fn layer_norm(args: &LayerNormArgs<'_>, x: &[i16], out: &mut TensorMut<'_>) -> Result<(), Fault> {
    normalize(args, x, out, row_statistics)
}

/// Step 5 behind the `statistics` of a row and `eps`.
pub(super) fn normalize(
    args: &LayerNormArgs<'_>,
    x: &[i16],
    out: &mut TensorMut<'_>,
    statistics: impl Fn(&[i16], u64) -> RowStatistics,
) -> Result<(), Fault> {
    let constants = || args.scale.mantissa.iter().zip(args.scale.shift).zip(args.offset);
    for (r, row) in rows(x, args.width).enumerate() {
        let RowStatistics { mean, factor } = statistics(row, args.eps);
        for (c, (&v, ((&mantissa, &shift), &offset))) in row.iter().zip(constants()).enumerate() {
            let z = (i32::from(v) - mean) * factor;
            let high = ((i64::from(z) * i64::from(mantissa)) >> 32) as i32;
            let scaled = (high + offset) >> (shift.wrapping_sub(32) & 31);
            out.set(r * args.width + c, scaled.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;

    /// The real-valued normalisation that `z / 2³¹ · √C` approximates.
    fn normalised(row: &[i16]) -> vec::Vec<f64> {
        let n = row.len() as f64;
        let mean = row.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let variance = row.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
        row.iter().map(|&v| (f64::from(v) - mean) / variance.sqrt()).collect()
    }

    fn z(row: &[i16], eps: u64) -> vec::Vec<i32> {
        let s = row_statistics(row, eps);
        row.iter().map(|&v| (i32::from(v) - s.mean).checked_mul(s.factor).unwrap()).collect()
    }

    #[test]
    fn small_variance_where_ten_newton_steps_fail() {
        // Σy² = 100: the authors' iteration gives std 64 instead of 10.
        let row = [5i16, -5, 5, -5];
        assert_eq!(row.iter().map(|&v| i32::from(v).pow(2)).sum::<i32>(), 100);
        for (z, want) in z(&row, 0).iter().zip([1.0, -1.0, 1.0, -1.0]) {
            assert!((f64::from(*z) * 2.0 / 2f64.powi(31) - want).abs() < 0.002);
        }
    }

    #[test]
    fn outliers_whose_squares_overflow_32_bits() {
        let mut row = [0i16; 64];
        row[0] = i16::MAX;
        row[1] = i16::MIN;
        row[2] = i16::MAX;
        for (z, want) in z(&row, 0).iter().zip(normalised(&row)) {
            assert!((f64::from(*z) * 8.0 / 2f64.powi(31) - want).abs() < 0.01);
        }
    }

    #[test]
    fn a_constant_row_is_zero_and_nothing_divides_by_it() {
        for v in [i16::MIN, 0, i16::MAX] {
            assert_eq!(z(&[v; 50], 0), vec![0; 50]);
            assert_eq!(z(&[v; 1], 0), vec![0]);
        }
    }

    #[test]
    fn beta_survives_a_zero_gamma_and_gamma_may_be_negative() {
        // shift 40: offsets in 1/256 of an output step; rounding term 128.
        let args = LayerNormArgs {
            width: 2,
            eps: 0,
            scale: ChannelsRef { mantissa: &[0, -(1 << 20)], shift: &[40, 40] },
            offset: &[17 * 256 + 128, 128],
        };
        let mut out = [0i8; 2];
        layer_norm(&args, &[1000, 3000], &mut TensorMut::I8(&mut out)).unwrap();
        assert_eq!(out[0], 17);
        assert!(out[1] < 0);
    }

    proptest! {
        #[test]
        fn never_overflows_and_stays_close_to_real(
            row in prop::collection::vec(prop_oneof![any::<i16>(), Just(i16::MIN), Just(i16::MAX), -3i16..3], 2..200),
        ) {
            let spread = row.iter().max().unwrap().abs_diff(*row.iter().min().unwrap());
            prop_assume!(spread > 400);
            let root = (row.len() as f64).sqrt();
            for (z, want) in z(&row, 0).iter().zip(normalised(&row)) {
                let got = f64::from(*z) * root / 2f64.powi(31);
                // The mean is rounded (half a step of the row's spread), std keeps 10 bits.
                prop_assert!((got - want).abs() <= 0.006 * root.max(want.abs()), "{got} {want}");
            }
        }

        #[test]
        fn equals_the_paper_from_2_to_the_20_on(row in prop::collection::vec(any::<i16>(), 64)) {
            let s = row_statistics(&row, 0);
            let energy: u64 = row.iter().map(|&v| (i64::from(v) - i64::from(s.mean)).pow(2) as u64).sum();
            prop_assume!(energy >= 1 << 20);
            prop_assert_eq!(s.factor as u64, ((1u64 << 31) - 1) / energy.isqrt());
        }
    }
}
