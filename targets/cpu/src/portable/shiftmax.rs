//! Shiftmax: the maximum of a row, the sum of its exponentials, then the probabilities.

use quant::arith::ShiftExp;
use quant::ops::{ExponentialRef, ShiftmaxArgs, Tensor, TensorMut};
use quant::slice::{rows, rows_mut};
use quant::{Fault, Kernels};

#[inline(always)]
pub(crate) fn shiftmax(args: &ShiftmaxArgs<'_>, x: Tensor<'_>, out: &mut TensorMut<'_>) -> Result<(), Fault> {
    match (args.exp, x, out) {
        (ExponentialRef::Table(exp), Tensor::I8(x), TensorMut::I8(out)) => {
            typed(args.width, x, out, |distance| exp[usize::from(distance as u8)], to_i8);
        }
        (ExponentialRef::Table(exp), Tensor::I8(x), TensorMut::I16(out)) => {
            typed(args.width, x, out, |distance| exp[usize::from(distance as u8)], to_i16);
        }
        (ExponentialRef::Shift(exp), Tensor::I16(x), TensorMut::I8(out)) => {
            let octaves = Octaves::new(exp);
            typed(args.width, x, out, |distance| octaves.eval(distance), to_i8);
        }
        (ExponentialRef::Shift(exp), Tensor::I16(x), TensorMut::I16(out)) => {
            let octaves = Octaves::new(exp);
            typed(args.width, x, out, |distance| octaves.eval(distance), to_i16);
        }
        (_, x, out) => return quant::Reference.shiftmax(args, x, out),
    }
    Ok(())
}

/// A probability of 8 bits of the product of an exponential and the factor of its row.
#[inline(always)]
pub(crate) fn to_i8(product: u32) -> i8 {
    ((product + (1 << 23)) >> 24).min(i8::MAX as u32) as i8
}

/// The same of 16 bits.
#[inline(always)]
pub(crate) fn to_i16(product: u32) -> i16 {
    (product >> 16) as i16
}

#[inline(always)]
fn typed<X: Copy + Ord + Into<i32>, Y>(
    width: usize,
    x: &[X],
    out: &mut [Y],
    exp: impl Fn(u32) -> u32,
    probability: impl Fn(u32) -> Y,
) {
    for (x, out) in rows(x, width).zip(rows_mut(out, width)) {
        let max = x.iter().fold(i32::MIN, |max, &score| max.max(score.into()));
        let exp = |score: X| exp((max - score.into()) as u32);
        let sum = x.iter().fold(0u32, |sum, &score| sum.wrapping_add(exp(score)));
        let factor = (i32::MAX as u32).checked_div(sum).unwrap_or(0);
        for (p, &score) in out.iter_mut().zip(x) {
            *p = probability(exp(score).wrapping_mul(factor));
        }
    }
}

/// [`ShiftExp`] with the division by its unit as a product.
struct Octaves {
    unit: u32,
    bits: u32,
    /// `floor((2³² − 1) / unit)`.
    reciprocal: u32,
}

impl Octaves {
    #[inline(always)]
    fn new(exp: ShiftExp) -> Self {
        let reciprocal = u32::MAX.checked_div(exp.unit).unwrap_or(0);
        Self { unit: exp.unit, bits: exp.bits.into(), reciprocal }
    }

    /// As [`ShiftExp::eval`].
    #[inline(always)]
    fn eval(&self, distance: u32) -> u32 {
        let x = -(distance as i32);
        let p = (x + (x >> 1) - (x >> 4)).unsigned_abs();
        // Below 2¹⁸, so that the quotient is at most 1 too low.
        let low = ((u64::from(p) * u64::from(self.reciprocal)) >> 32) as u32;
        let rest = p - low * self.unit;
        let (octave, rest) = if rest >= self.unit { (low + 1, rest - self.unit) } else { (low, rest) };
        let (octave, rest) = if octave >= self.bits { (self.bits, 0) } else { (octave, rest) };
        // At most 2 · unit · 2^bits, which is below 2³².
        ((2 * self.unit - rest) << (self.bits - octave)) >> 1
    }
}
