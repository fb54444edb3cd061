//! Products of activations, a block at a time: widened, multiplied, requantized.

use quant::Fault;
use quant::arith::{Multiplier, saturate_i8, saturate_i16, saturate_i32};
use quant::ops::{MulArgs, Spread, Tensor, TensorMut};

/// Elements of a block.
const BLOCK: usize = 64;

#[inline(always)]
pub(crate) fn mul(
    args: &MulArgs,
    x: Option<Tensor<'_>>,
    y: Tensor<'_>,
    out: &mut TensorMut<'_>,
) -> Result<(), Fault> {
    let rows = out.len().checked_div(args.width).unwrap_or(0);
    // Where every element has a factor of its own, rows do not matter.
    let (rows, width, spread) = match args.spread {
        Spread::Row if args.width > 1 => (rows, args.width, Spread::Row),
        Spread::Channel => (rows, args.width, Spread::Channel),
        Spread::Element | Spread::Row => (rows.min(1), rows * args.width, Spread::Element),
    };
    for row in 0..rows {
        let mut column = 0;
        while column < width {
            let count = BLOCK.min(width - column);
            let start = row * width + column;
            let mut out = out.window(start, count)?;
            let (mut products, mut factors) = ([0; BLOCK], [0; BLOCK]);
            match x {
                Some(x) => widen(x.window(start, count)?, &mut products),
                None => widen(out.held(), &mut products),
            }
            match spread {
                Spread::Element => widen(y.window(start, count)?, &mut factors),
                Spread::Channel => widen(y.window(column, count)?, &mut factors),
                Spread::Row => factors = [y.window(row, 1)?.get(0); BLOCK],
            }
            // Of 16 bits at most: 2³⁰ in magnitude.
            products.iter_mut().zip(&factors).for_each(|(x, y)| *x = x.wrapping_mul(*y));
            store(&products, args.scale, &mut out);
            column += count;
        }
    }
    Ok(())
}

fn widen(from: Tensor<'_>, to: &mut [i32; BLOCK]) {
    match from {
        Tensor::I8(from) => to.iter_mut().zip(from).for_each(|(to, &v)| *to = v.into()),
        Tensor::I16(from) => to.iter_mut().zip(from).for_each(|(to, &v)| *to = v.into()),
        Tensor::I32(from) => to.iter_mut().zip(from).for_each(|(to, &v)| *to = v),
    }
}

fn store(products: &[i32; BLOCK], scale: Multiplier, out: &mut TensorMut<'_>) {
    match out {
        TensorMut::I8(out) => {
            out.iter_mut().zip(products).for_each(|(out, &z)| *out = saturate_i8(scale.apply(z)));
        }
        TensorMut::I16(out) => {
            out.iter_mut().zip(products).for_each(|(out, &z)| *out = saturate_i16(scale.apply(z)));
        }
        TensorMut::I32(out) => {
            out.iter_mut().zip(products).for_each(|(out, &z)| *out = saturate_i32(scale.apply(z)));
        }
    }
}
