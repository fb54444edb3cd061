//! Integer RMSNorm: LayerNorm without a mean.
//!
//! The record, the bounds and the steps are those of [`LayerNorm`], with `mean = 0`:
//! `S = Σx² + eps`, `z = (x · 2^up) · factor`, then γ and β in one requantization. Because
//! `x² ≤ S`, `|x · 2^up|` is not above `isqrt(S · 4^up)`, and `|z| ≤ 2³¹ − 1` as there.
//! `Σx²` of 2¹⁵ int16 values is at most 2⁴⁵.
//!
//! With `γ = 1/√width` it divides each row by its length.

use serde::{Deserialize, Serialize};

use super::layer_norm::{LayerNorm, LayerNormArgs, RowStatistics, factor, normalize};
use super::{Consts, TensorMut};
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Memory, Window};
use crate::operand::Visitor;

/// Divides each row by the root of its mean square, then scales and shifts per channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RmsNorm(
    /// Its rows and parameters; `eps` is in units of `Σx²`.
    pub LayerNorm,
);

impl RmsNorm {
    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        self.0.operands(visitor);
    }

    /// Rows (tokens).
    pub fn rows(&self) -> u32 {
        self.0.rows()
    }

    /// None: not a matrix product.
    pub fn macs(&self) -> u64 {
        0
    }

    /// The bounds of [`LayerNorm`].
    pub fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
        self.0.check(consts)
    }

    /// Runs the rows of `window`.
    pub fn run<K: Kernels>(
        &self,
        kernels: &mut K,
        memory: &mut Memory<'_>,
        window: Window,
    ) -> Result<(), Fault> {
        let args = self.0.load(memory)?;
        let x = window.of(self.0.x, self.0.width, self.0.width)?;
        let (mut out, rest) = self.0.out.window(window, self.0.width, self.0.width)?.split(memory)?;
        kernels.rms_norm(&args, rest.read(x)?, &mut out)
    }
}

/// The statistics of one row of at most 2¹⁵ values about zero: the mean is 0.
#[inline]
pub fn row_energy(row: &[i16], eps: u64) -> RowStatistics {
    let square = |&v: &i16| i64::from(v) * i64::from(v);
    let squares: i64 = row.iter().map(square).sum();
    RowStatistics { mean: 0, factor: factor(squares as u64 + eps) }
}

/// Scalar reference.
pub fn rms_norm(args: &LayerNormArgs<'_>, x: &[i16], out: &mut TensorMut<'_>) -> Result<(), Fault> {
    normalize(args, x, out, row_energy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::{Blob, Slot};
    use crate::ops::testing::{Buffer, run};
    use crate::ops::{Act, Channels};
    use proptest::prelude::*;
    use std::vec::Vec;

    /// The steps of the module's documentation in 128 bits.
    fn exact(row: &[i16], eps: u64, mantissa: &[i32], shift: &[u8], offset: &[i32]) -> Vec<i128> {
        let energy: i128 = row.iter().map(|&v| i128::from(v).pow(2)).sum::<i128>() + i128::from(eps);
        let mut up = 0;
        // At least 20 bits for the root, two at a time.
        while energy > 0 && energy << (2 * up + 2) < 1 << 20 {
            up += 1;
        }
        let root = (1u32..=1 << 25).collect::<Vec<_>>();
        let root = root.partition_point(|&r| i128::from(r).pow(2) <= energy << (2 * up)) as i128;
        let factor = if root == 0 { 0 } else { ((1i128 << 31) - 1) / root };
        let constants = mantissa.iter().zip(shift).zip(offset);
        row.iter()
            .zip(constants)
            .map(|(&v, ((&m, &e), &b))| {
                let z = (i128::from(v) << up) * factor;
                assert!(z.abs() < 1 << 31, "{z}");
                let high = (z * i128::from(m)).div_euclid(1 << 32);
                (high + i128::from(b)).div_euclid(1 << (e - 32))
            })
            .collect()
    }

    fn value() -> impl Strategy<Value = i16> {
        prop_oneof![any::<i16>(), Just(i16::MIN), Just(i16::MAX), -3i16..=3, Just(0)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn equals_exact_arithmetic_in_every_tile(
            (rows, width, tile) in (1u32..4, 1u32..9, 1u32..5),
            values in prop::collection::vec(value(), 24),
            constants in prop::collection::vec((any::<i32>(), 33u8..=62, -1i32 << 30..=1 << 30), 8),
            eps in prop_oneof![Just(0u64), Just(1), 0u64..1 << 20, Just(1 << 48)],
            wide in any::<bool>(),
        ) {
            let (n, count) = (width as usize, (rows * width) as usize);
            let mantissa: Vec<i32> = constants[..n].iter().map(|c| c.0).collect();
            let shift: Vec<u8> = constants[..n].iter().map(|c| c.1).collect();
            let offset: Vec<i32> = constants[..n].iter().map(|c| c.2).collect();
            let (mut arena, mut consts) = (Buffer::new(), Buffer::new());
            let x = arena.slot(&values[..count]);
            let (narrow, full) = (arena.slot(&std::vec![0i8; count]), arena.slot(&std::vec![0i16; count]));
            let op = RmsNorm(LayerNorm {
                rows,
                width,
                eps,
                x,
                scale: Channels { mantissa: consts.blob(&mantissa), shift: consts.blob(&shift) },
                offset: consts.blob(&offset),
                out: if wide { Act::I16(full) } else { Act::I8(narrow) },
            });
            prop_assert_eq!(op.check(&Consts::new(consts.bytes())), Ok(()));
            let made = run(op, &arena, &consts, tile).unwrap();
            let got: Vec<i128> = match wide {
                true => made.get(full).into_iter().map(i128::from).collect(),
                false => made.get(narrow).into_iter().map(i128::from).collect(),
            };
            let [low, high] = if wide { [-32768, 32767] } else { [-128, 127] };
            let want: Vec<i128> = values[..count]
                .chunks(n)
                .flat_map(|row| exact(row, eps, &mantissa, &shift, &offset))
                .map(|v| v.clamp(low, high))
                .collect();
            prop_assert_eq!(got, want);
        }

        #[test]
        fn stays_close_to_real(row in prop::collection::vec(value(), 1..200)) {
            let energy: f64 = row.iter().map(|&v| f64::from(v) * f64::from(v)).sum();
            prop_assume!(energy > 0.0);
            let factor = row_energy(&row, 0).factor;
            for &v in &row {
                let got = f64::from(i32::from(v).checked_mul(factor).unwrap()) / f64::from(i32::MAX);
                let want = f64::from(v) / energy.sqrt();
                // The root keeps ten bits.
                prop_assert!((got - want).abs() <= want.abs() / 900.0 + 1e-9, "{} for {}", got, want);
            }
        }
    }

    #[test]
    fn the_largest_row_fits_and_a_row_of_zeros_is_zero() {
        let row = std::vec![i16::MIN; 1 << 15];
        let statistics = row_energy(&row, 1 << 48);
        assert_eq!(statistics.mean, 0);
        assert!(i32::from(i16::MIN).checked_mul(statistics.factor).is_some());
        // √(2³⁰ · 2¹⁵) = 2²²·⁵.
        assert_eq!(row_energy(&row, 0).factor, i32::MAX / 5_931_641);
        assert_eq!(row_energy(&[0; 7], 0).factor, 0);
    }

    #[test]
    fn the_checker_has_the_bounds_of_layer_norm() {
        let norm = LayerNorm {
            rows: 1,
            width: (1 << 15) + 1,
            eps: 0,
            x: Slot::new(0, 1),
            scale: Channels { mantissa: Blob::new(0, 1), shift: Blob::new(0, 1) },
            offset: Blob::new(0, 1),
            out: Act::I8(Slot::new(0, 1)),
        };
        let check = |norm| RmsNorm(norm).check(&Consts::new(&[]));
        assert_eq!(check(norm), Err(Reject::Dimension));
        assert_eq!(check(LayerNorm { width: 1, eps: (1 << 48) + 1, ..norm }), Err(Reject::Dimension));
        let out = Act::I32(Slot::new(0, 1));
        assert_eq!(check(LayerNorm { width: 1, out, ..norm }), Err(Reject::Type));
    }
}
