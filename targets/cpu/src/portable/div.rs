//! Quotients of activations: a division is a product with the reciprocal of the divisor.

use quant::Fault;
use quant::arith::{Multiplier, saturate_i32};
use quant::ops::{DivArgs, Spread, Tensor, TensorMut};

use super::block::BLOCK;
use super::paired::{Of, paired};

#[inline(always)]
pub(crate) fn div(
    args: &DivArgs,
    x: Option<Tensor<'_>>,
    y: Tensor<'_>,
    out: &mut TensorMut<'_>,
) -> Result<(), Fault> {
    let quotient = Quotient { ratio: args.ratio, one_divisor: args.spread == Spread::Row && args.width > 1 };
    paired((args.width, args.spread), x, y, out, &quotient)
}

struct Quotient {
    ratio: Multiplier,
    /// Whether all elements of a block have the same divisor.
    one_divisor: bool,
}

impl Of for Quotient {
    #[inline(always)]
    fn of(&self, x: &[i32; BLOCK], y: &[i32; BLOCK]) -> [i32; BLOCK] {
        let mut reciprocals = [reciprocal(y[0]); BLOCK];
        if !self.one_divisor {
            for (to, &y) in reciprocals.iter_mut().zip(y) {
                *to = reciprocal(y);
            }
        }
        let mut quotients = [0; BLOCK];
        for c in 0..BLOCK {
            quotients[c] = quotient(x[c], y[c], reciprocals[c], self.ratio);
        }
        quotients
    }
}

/// `floor((2³² − 1) / |y|)`, 0 of 0.
#[inline(always)]
fn reciprocal(y: i32) -> u32 {
    u32::MAX.checked_div(y.unsigned_abs()).unwrap_or(0)
}

/// As [`quant::ops::quotient`].
#[inline(always)]
fn quotient(x: i32, y: i32, reciprocal: u32, ratio: Multiplier) -> i32 {
    let (x, y) = if y < 0 { (-x, -y) } else { (x, y) };
    let shift = ratio.shift & 63;
    let product = i64::from(x) * i64::from(ratio.mantissa);
    let half = (i64::from(y) << shift) >> 1;
    let dividend = saturate_i32((product + half) >> shift);
    // Off by at most 1: the reciprocal is less than 1 below the exact one, and a dividend is below 2³¹.
    let near = ((i64::from(dividend) * i64::from(reciprocal)) >> 32) as i32;
    let rest = dividend.wrapping_sub(near.wrapping_mul(y));
    let rounded = near.wrapping_add(i32::from(rest >= y)).wrapping_sub(i32::from(rest < 0));
    let positive = if product > 0 { i32::MAX } else { 0 };
    let by_zero = if product < 0 { i32::MIN } else { positive };
    if y == 0 { by_zero } else { rounded }
}
