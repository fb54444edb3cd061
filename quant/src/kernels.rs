//! The seam that targets override.

use crate::error::Fault;
use crate::ops::{
    AddArgs, AttentionArgs, BinaryAttentionArgs, BinaryLinearArgs, BinaryLinearOut, BitTransposeArgs,
    BitsOut, Conv2dArgs, DivArgs, GroupNormArgs, KNOTS, LayerNormArgs, LinearArgs, LinearOut, MatMulArgs,
    MeanTokensArgs, MulArgs, PermuteArgs, RequantizeArgs, ResponseNormArgs, RotaryArgs, ShiftGeluArgs,
    ShiftmaxArgs, Tensor, TensorMut, reference,
};
use crate::pack::Packs;

/// Kernels over slices. Every method's default is the scalar reference; an override
/// must return the same integers on every input that the op's `check` admits.
///
/// Methods return a [`Fault`] only where slices are shorter than the arguments say, or weights
/// lie at no multiple of 4 bytes, as all constants of a container do.
pub trait Kernels {
    /// The name used in reports.
    fn name(&self) -> &'static str;

    /// The weight layouts that this set is fastest on.
    fn preferred_packs(&self) -> Packs {
        Packs::CANONICAL
    }

    /// [`Linear`](crate::ops::Linear) with int8 activations. `x` is rows of `weights.k`.
    fn linear_i8(&mut self, args: &LinearArgs<'_>, x: &[i8], out: LinearOut<'_>) -> Result<(), Fault> {
        reference::linear_i8(args, x, out)
    }

    /// [`Linear`](crate::ops::Linear) with int16 activations.
    fn linear_i16(&mut self, args: &LinearArgs<'_>, x: &[i16], out: LinearOut<'_>) -> Result<(), Fault> {
        reference::linear_i16(args, x, out)
    }

    /// [`Conv2d`](crate::ops::Conv2d): output pixels `args.first ..`, as many as `out` holds.
    fn conv2d(&mut self, args: &Conv2dArgs<'_>, x: &[i8], out: LinearOut<'_>) -> Result<(), Fault> {
        reference::conv2d(args, x, out)
    }

    /// [`MatMul`](crate::ops::MatMul) of one batch element.
    fn matmul(
        &mut self,
        args: &MatMulArgs,
        a: Tensor<'_>,
        b: &[i8],
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        reference::matmul(args, a, b, out)
    }

    /// [`Attention`](crate::ops::Attention) of the queries in `args`.
    fn attention(&mut self, args: AttentionArgs<'_>) -> Result<(), Fault> {
        reference::attention(args)
    }

    /// [`Shiftmax`](crate::ops::Shiftmax) over rows of `args.width`.
    fn shiftmax(
        &mut self,
        args: &ShiftmaxArgs<'_>,
        x: Tensor<'_>,
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        reference::shiftmax(args, x, out)
    }

    /// [`ShiftGelu`](crate::ops::ShiftGelu) over rows of `args.width`, in place.
    fn shift_gelu(&mut self, args: &ShiftGeluArgs<'_>, x: &mut [i8]) -> Result<(), Fault> {
        reference::shift_gelu(args, x)
    }

    /// [`Table`](crate::ops::Table): `x ← table[x + 128]`, in place.
    fn table(&mut self, table: &[i8; 256], x: &mut [i8]) -> Result<(), Fault> {
        reference::table(table, x)
    }

    /// [`Interpolate`](crate::ops::Interpolate): a function by its knots, in place.
    fn interpolate(&mut self, table: &[i16; KNOTS], x: &mut [i16]) -> Result<(), Fault> {
        reference::interpolate(table, x)
    }

    /// [`Relu`](crate::ops::Relu) on int8, in place.
    fn relu_i8(&mut self, x: &mut [i8]) -> Result<(), Fault> {
        reference::relu_i8(x)
    }

    /// [`Relu`](crate::ops::Relu) on int16, in place.
    fn relu_i16(&mut self, x: &mut [i16]) -> Result<(), Fault> {
        reference::relu_i16(x)
    }

    /// [`LayerNorm`](crate::ops::LayerNorm) over rows of `args.width`.
    fn layer_norm(
        &mut self,
        args: &LayerNormArgs<'_>,
        x: &[i16],
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        reference::layer_norm(args, x, out)
    }

    /// [`RmsNorm`](crate::ops::RmsNorm) over rows of `args.width`.
    fn rms_norm(
        &mut self,
        args: &LayerNormArgs<'_>,
        x: &[i16],
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        reference::rms_norm(args, x, out)
    }

    /// [`Rotary`](crate::ops::Rotary) over rows of `args.width`.
    fn rotary(&mut self, args: &RotaryArgs<'_>, x: Tensor<'_>, out: &mut TensorMut<'_>) -> Result<(), Fault> {
        reference::rotary(args, x, out)
    }

    /// [`GroupNorm`](crate::ops::GroupNorm) over all rows of `args.width`.
    fn group_norm(
        &mut self,
        args: &GroupNormArgs<'_>,
        x: &[i16],
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        reference::group_norm(args, x, out)
    }

    /// [`Add`](crate::ops::Add): `x ← x ⊕ y`, in place.
    fn add(&mut self, args: &AddArgs, x: &mut [i16], y: &[i16]) -> Result<(), Fault> {
        reference::add(args, x, y)
    }

    /// [`Mul`](crate::ops::Mul) over rows of `args.width`; without `x`, `out` holds it.
    fn mul(
        &mut self,
        args: &MulArgs,
        x: Option<Tensor<'_>>,
        y: Tensor<'_>,
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        reference::mul(args, x, y, out)
    }

    /// [`Div`](crate::ops::Div) over rows of `args.width`; without `x`, `out` holds it.
    fn div(
        &mut self,
        args: &DivArgs,
        x: Option<Tensor<'_>>,
        y: Tensor<'_>,
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        reference::div(args, x, y, out)
    }

    /// [`ResponseNorm`](crate::ops::ResponseNorm) over all rows of `args.width`; `lengths` is
    /// scratch.
    fn response_norm(
        &mut self,
        args: &ResponseNormArgs,
        x: Tensor<'_>,
        lengths: &mut [u32],
        out: &mut [i16],
    ) -> Result<(), Fault> {
        reference::response_norm(args, x, lengths, out)
    }

    /// [`Requantize`](crate::ops::Requantize) over rows of `args.width`.
    fn requantize(
        &mut self,
        args: &RequantizeArgs<'_>,
        x: Tensor<'_>,
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        reference::requantize(args, x, out)
    }

    /// [`MeanTokens`](crate::ops::MeanTokens).
    fn mean_tokens(
        &mut self,
        args: &MeanTokensArgs,
        x: Tensor<'_>,
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        reference::mean_tokens(args, x, out)
    }

    /// [`QuantizeImage`](crate::ops::QuantizeImage): pixels of `channels` values,
    /// each replaced in place by the byte of `tables[channel][pixel]`.
    fn quantize_image(&mut self, tables: &[i8], channels: usize, x: &mut [u8]) -> Result<(), Fault> {
        reference::quantize_image(tables, channels, x)
    }

    /// [`Permute`](crate::ops::Permute).
    fn permute(&mut self, args: &PermuteArgs, x: Tensor<'_>, out: &mut TensorMut<'_>) -> Result<(), Fault> {
        reference::permute(args, x, out)
    }

    /// [`Gather`](crate::ops::Gather): row `i` of `out` is row `index[i]` of `x`, rows of `width`.
    fn gather(
        &mut self,
        index: &[u32],
        width: usize,
        x: Tensor<'_>,
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        reference::gather(index, width, x, out)
    }

    /// [`Load`](crate::ops::Load): copies a constant into a slot.
    fn load(&mut self, x: Tensor<'_>, out: &mut TensorMut<'_>) -> Result<(), Fault> {
        reference::load(x, out)
    }

    /// [`Binarize`](crate::ops::Binarize) over rows of `width`.
    fn binarize(&mut self, width: usize, x: Tensor<'_>, out: BitsOut<'_>) -> Result<(), Fault> {
        reference::binarize(width, x, out)
    }

    /// [`BitTranspose`](crate::ops::BitTranspose).
    fn bit_transpose(&mut self, args: &BitTransposeArgs, x: &[u32], out: &mut [u32]) -> Result<(), Fault> {
        reference::bit_transpose(args, x, out)
    }

    /// [`BinaryLinear`](crate::ops::BinaryLinear) with ±1 activations.
    fn binary_linear_sign(
        &mut self,
        args: &BinaryLinearArgs<'_>,
        x: &[u32],
        out: BinaryLinearOut<'_>,
    ) -> Result<(), Fault> {
        reference::binary_linear_sign(args, x, out)
    }

    /// [`BinaryLinear`](crate::ops::BinaryLinear) with ternary activations.
    fn binary_linear_ternary(
        &mut self,
        args: &BinaryLinearArgs<'_>,
        sign: &[u32],
        nonzero: &[u32],
        out: BinaryLinearOut<'_>,
    ) -> Result<(), Fault> {
        reference::binary_linear_ternary(args, sign, nonzero, out)
    }

    /// [`BinaryLinear`](crate::ops::BinaryLinear) with int8 activations.
    fn binary_linear_i8(
        &mut self,
        args: &BinaryLinearArgs<'_>,
        x: &[i8],
        out: BinaryLinearOut<'_>,
    ) -> Result<(), Fault> {
        reference::binary_linear_i8(args, x, out)
    }

    /// [`BinaryLinear`](crate::ops::BinaryLinear) with int16 activations.
    fn binary_linear_i16(
        &mut self,
        args: &BinaryLinearArgs<'_>,
        x: &[i16],
        out: BinaryLinearOut<'_>,
    ) -> Result<(), Fault> {
        reference::binary_linear_i16(args, x, out)
    }

    /// [`BinaryAttention`](crate::ops::BinaryAttention) of the queries in `args`.
    fn binary_attention(&mut self, args: BinaryAttentionArgs<'_>) -> Result<(), Fault> {
        reference::binary_attention(args)
    }
}

/// The scalar reference: every default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reference;

impl Kernels for Reference {
    fn name(&self) -> &'static str {
        "reference"
    }
}
