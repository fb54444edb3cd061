//! The portable kernel set: other tiles and another pack than the reference.

pub(crate) mod attention;
mod binary;
pub(crate) mod layer_norm;
mod linear;
pub(crate) mod mul;
pub(crate) mod rotary;

use quant::bits::BitPack;
use quant::ops::{
    AttentionArgs, BinaryAttentionArgs, BinaryLinearArgs, BinaryLinearOut, BitTransposeArgs, LayerNormArgs,
    LinearArgs, LinearOut, MulArgs, RotaryArgs, Tensor, TensorMut, row_energy, row_statistics,
};
use quant::pack::{Pack, Packs};
use quant::{Fault, Kernels};

/// Kernels in safe, portable Rust: GEMM over panels of 16 output channels and 4 rows,
/// attention over 4 queries at a time, bits counted in 16 channels at a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Portable;

impl Kernels for Portable {
    fn name(&self) -> &'static str {
        "portable"
    }

    fn preferred_packs(&self) -> Packs {
        Packs { int8: Pack::Panel16x4, bits: BitPack::Panel16 }
    }

    fn linear_i8(&mut self, args: &LinearArgs<'_>, x: &[i8], out: LinearOut<'_>) -> Result<(), Fault> {
        match args.weights.pack {
            Pack::Panel16x4 => linear::panels(args, x, out),
            Pack::RowMajor => linear::rows(args, x, out),
            Pack::Panel2x4 | Pack::Panel2x16 => quant::Reference.linear_i8(args, x, out),
        }
    }

    fn attention(&mut self, args: AttentionArgs<'_>) -> Result<(), Fault> {
        attention::attention(args)
    }

    fn layer_norm(
        &mut self,
        args: &LayerNormArgs<'_>,
        x: &[i16],
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        match out {
            TensorMut::I8(out) => layer_norm::normalize_i8(args, x, out, row_statistics),
            TensorMut::I16(_) | TensorMut::I32(_) => quant::Reference.layer_norm(args, x, out),
        }
    }

    fn rms_norm(
        &mut self,
        args: &LayerNormArgs<'_>,
        x: &[i16],
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        match out {
            TensorMut::I8(out) => layer_norm::normalize_i8(args, x, out, row_energy),
            TensorMut::I16(_) | TensorMut::I32(_) => quant::Reference.rms_norm(args, x, out),
        }
    }

    fn mul(
        &mut self,
        args: &MulArgs,
        x: Option<Tensor<'_>>,
        y: Tensor<'_>,
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        mul::mul(args, x, y, out)
    }

    fn rotary(&mut self, args: &RotaryArgs<'_>, x: Tensor<'_>, out: &mut TensorMut<'_>) -> Result<(), Fault> {
        rotary::rotary(args, x, out)
    }

    fn bit_transpose(&mut self, args: &BitTransposeArgs, x: &[u32], out: &mut [u32]) -> Result<(), Fault> {
        binary::transpose(args, x, out)
    }

    fn binary_linear_sign(
        &mut self,
        args: &BinaryLinearArgs<'_>,
        x: &[u32],
        out: BinaryLinearOut<'_>,
    ) -> Result<(), Fault> {
        binary::sign(args, x, out)
    }

    fn binary_linear_ternary(
        &mut self,
        args: &BinaryLinearArgs<'_>,
        sign: &[u32],
        nonzero: &[u32],
        out: BinaryLinearOut<'_>,
    ) -> Result<(), Fault> {
        binary::ternary(args, sign, nonzero, out)
    }

    fn binary_linear_i8(
        &mut self,
        args: &BinaryLinearArgs<'_>,
        x: &[i8],
        out: BinaryLinearOut<'_>,
    ) -> Result<(), Fault> {
        binary::linear_i8(args, x, out)
    }

    fn binary_linear_i16(
        &mut self,
        args: &BinaryLinearArgs<'_>,
        x: &[i16],
        out: BinaryLinearOut<'_>,
    ) -> Result<(), Fault> {
        binary::linear_i16(args, x, out)
    }

    fn binary_attention(&mut self, args: BinaryAttentionArgs<'_>) -> Result<(), Fault> {
        binary::attention(args)
    }
}
