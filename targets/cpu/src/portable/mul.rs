//! Products of activations, a block at a time: widened, multiplied, requantized.

use quant::Fault;
use quant::ops::{MulArgs, Tensor, TensorMut};

use super::block::{BLOCK, magnitude};
use super::paired::{Of, paired};
use super::requantize::Multipliers;

#[inline(always)]
pub(crate) fn mul(
    args: &MulArgs,
    x: Option<Tensor<'_>>,
    y: Tensor<'_>,
    out: &mut TensorMut<'_>,
) -> Result<(), Fault> {
    // Of 16 bits at most: 2³⁰ in magnitude.
    let most = magnitude(x.unwrap_or(out.held())).saturating_mul(magnitude(y));
    let mut multipliers = Multipliers::uniform(args.scale.mantissa, args.scale.shift);
    let up = multipliers.lift(most.leading_zeros().saturating_sub(1));
    paired((args.width, args.spread), x, y, out, &Product { up, multipliers })
}

struct Product {
    /// Bits by which the product is shifted left.
    up: u32,
    multipliers: Multipliers<BLOCK>,
}

impl Of for Product {
    #[inline(always)]
    fn of(&self, x: &[i32; BLOCK], y: &[i32; BLOCK]) -> [i32; BLOCK] {
        let mut products = [0; BLOCK];
        for c in 0..BLOCK {
            products[c] = x[c].wrapping_mul(y[c]) << self.up;
        }
        self.multipliers.apply(&products)
    }
}
