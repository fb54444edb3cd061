//! Means over tokens, of a block of channels at a time.

use quant::Fault;
use quant::ops::{MeanTokensArgs, Tensor, TensorMut};
use quant::slice::rows;

use super::block::{BLOCK, blocks, narrow};
use super::requantize::Multipliers;

#[inline(always)]
pub(crate) fn mean_tokens(
    args: &MeanTokensArgs,
    x: Tensor<'_>,
    out: &mut TensorMut<'_>,
) -> Result<(), Fault> {
    let multipliers = Multipliers::<BLOCK>::uniform(args.scale.mantissa, args.scale.shift);
    for (first, count) in blocks(args.width) {
        let sums = match x {
            Tensor::I8(x) => sums(x, args.width, first, count),
            Tensor::I16(x) => sums(x, args.width, first, count),
            Tensor::I32(_) => return Err(Fault::Instruction),
        };
        narrow(&multipliers.apply(&sums), &mut out.window(first, count)?);
    }
    Ok(())
}

/// Sums of the `count` columns from `first` on.
#[inline(always)]
fn sums<T: Copy + Into<i32>>(x: &[T], width: usize, first: usize, count: usize) -> [i32; BLOCK] {
    let mut sums = [0; BLOCK];
    for row in rows(x, width) {
        let values = row.get(first..first + count).unwrap_or_default();
        for (sum, &v) in sums.iter_mut().zip(values) {
            *sum += v.into();
        }
    }
    sums
}
