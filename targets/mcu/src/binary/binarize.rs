//! Signs of integers: 32 comparisons, and one word is written.

use quant::Fault;
use quant::ops::{BitsOut, Planes, Tensor};
use quant::slice::{rows, window};

use super::isa::at_least;

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
                Planes::Sign { high, .. } => (at_least(x, window(high, first, x.len())?, 0), 0),
                Planes::Ternary { low, high, .. } => {
                    let (low, high) = (window(low, first, x.len())?, window(high, first, x.len())?);
                    (at_least(x, high, 0), !at_least(x, low, 1))
                }
            };
            out.set(r, first, x.len() as u32, masks)?;
        }
    }
    Ok(())
}
