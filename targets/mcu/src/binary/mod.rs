//! Ops on bits, for any core: sums looked up, and counted only where that is one instruction.

pub(crate) mod attention;
pub(crate) mod binarize;
pub(crate) mod epilogue;
pub(crate) mod fields;
pub(crate) mod linear;
#[cfg(all(target_arch = "arm", any(feature = "dsp", feature = "mve")))]
pub(crate) mod panels;
pub(crate) mod signs;
pub(crate) mod subsets;
mod transpose;

#[cfg(all(target_arch = "arm", feature = "dsp", not(feature = "mve")))]
use crate::dsp::binary as isa;
#[cfg(all(target_arch = "arm", feature = "mve"))]
use crate::mve::binary as isa;
#[cfg(not(all(target_arch = "arm", any(feature = "dsp", feature = "mve"))))]
use crate::plain::binary as isa;

use quant::Fault;
use quant::ops::{BinaryLinearArgs, BinaryLinearOut};

pub(crate) use attention::attention;
pub(crate) use binarize::binarize;
use linear::{Bytes, Shorts, Signs, layer};
pub(crate) use transpose::transpose;

use crate::rows::RowOps;

/// ±1 activations.
pub(crate) fn sign(args: &BinaryLinearArgs<'_>, x: &[u32], out: BinaryLinearOut<'_>) -> Result<(), Fault> {
    layer(args, &Signs { sign: x, nonzero: None, words: args.weights.words, k: args.k }, out)
}

/// Activations −1, 0 and 1.
pub(crate) fn ternary(
    args: &BinaryLinearArgs<'_>,
    sign: &[u32],
    nonzero: &[u32],
    out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    layer(args, &Signs { sign, nonzero: Some(nonzero), words: args.weights.words, k: args.k }, out)
}

/// int8 activations.
pub(crate) fn linear_i8<C: RowOps>(
    args: &BinaryLinearArgs<'_>,
    x: &[i8],
    mut out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    match C::binary_i8(args, x, &mut out) {
        Some(result) => result,
        None => layer(args, &Bytes { x, k: args.k }, out),
    }
}

/// int16 activations.
pub(crate) fn linear_i16<C: RowOps>(
    args: &BinaryLinearArgs<'_>,
    x: &[i16],
    mut out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    match C::binary_i16(args, x, &mut out) {
        Some(result) => result,
        None => layer(args, &Shorts { x, k: args.k }, out),
    }
}
