//! Signs of integers: 32 comparisons, and one word is written.

use quant::Fault;
use quant::ops::{BitsOut, Planes, Tensor};
use quant::slice::{rows, window};

use super::signs::{Signs, near};

/// A whole tensor of rows of `width`.
pub(crate) fn binarize(width: usize, x: Tensor<'_>, mut out: BitsOut<'_>) -> Result<(), Fault> {
    out.clear();
    match x {
        Tensor::I8(x) => all(width, x, &mut out),
        Tensor::I16(x) => all(width, x, &mut out),
        Tensor::I32(_) => Err(Fault::Instruction),
    }
}

fn all<T: Copy + Into<i32>>(width: usize, x: &[T], out: &mut BitsOut<'_>) -> Result<(), Fault> {
    for (r, row) in rows(x, width).enumerate() {
        for (x, first) in row.chunks(32).zip((0..).step_by(32)) {
            let masks = match &out.planes {
                Planes::Sign { high, .. } => (signs(x, high, first, |x, high| high - 1 - x)?, 0),
                Planes::Ternary { low, high, .. } => {
                    let plus = signs(x, high, first, |x, high| high - 1 - x)?;
                    (plus, signs(x, low, first, |x, low| x - 1 - low)?)
                }
            };
            out.set(r, first, x.len() as u32, masks)?;
        }
    }
    Ok(())
}

/// Bit `i` says whether the difference of `x[i]` and its limit is negative.
#[inline(always)]
fn signs<T: Copy + Into<i32>>(
    x: &[T],
    limits: &[i32],
    first: usize,
    difference: impl Fn(i32, i32) -> i32,
) -> Result<u32, Fault> {
    let mut signs = Signs::default();
    for (&x, &limit) in x.iter().zip(window(limits, first, x.len())?) {
        signs.push(difference(x.into(), near(limit)));
    }
    Ok(signs.mask(x.len()))
}
