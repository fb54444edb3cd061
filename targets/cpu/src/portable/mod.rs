//! The portable kernel set: other tiles and another pack than the reference.

mod add;
pub(crate) mod attention;
mod binary;
mod block;
pub(crate) mod depthwise;
mod div;
pub(crate) mod epilogue;
mod group_norm;
mod interpolate;
mod layer_norm;
mod linear;
mod mean_tokens;
mod mul;
mod of_int16;
mod paired;
mod permute;
mod quantize_image;
pub(crate) mod requantize;
mod rotary;
pub(crate) mod shift_gelu;
pub(crate) mod shiftmax;

use quant::bits::BitPack;
use quant::ops;
use quant::pack::{Pack, Packs};
use quant::{Fault, Kernels};

pub(crate) use add::add;
pub(crate) use binary::{
    binary_attention, binary_linear_i8, binary_linear_i16, binary_linear_sign, binary_linear_ternary,
    bit_transpose,
};
pub(crate) use div::div;
pub(crate) use group_norm::group_norm;
pub(crate) use interpolate::interpolate;
pub(crate) use layer_norm::{layer_norm, rms_norm};
pub(crate) use mean_tokens::mean_tokens;
pub(crate) use mul::mul;
pub(crate) use permute::permute;
pub(crate) use quantize_image::quantize_image;
pub(crate) use requantize::requantize;
pub(crate) use rotary::rotary;

/// Calls a macro with the methods of [`Kernels`] that are loops of safe code: each is the function of
/// its name in this module, and every instruction set compiles it again for its own instructions.
macro_rules! loops {
    ($callback:ident $($context:literal)?) => {
        $callback! {
            $($context)?
            interpolate(table: &[i16; ops::KNOTS], x: &mut [i16]);
            group_norm(args: &ops::GroupNormArgs<'_>, x: &[i16], out: &mut ops::TensorMut<'_>);
            rotary(args: &ops::RotaryArgs<'_>, x: ops::Tensor<'_>, out: &mut ops::TensorMut<'_>);
            mul(args: &ops::MulArgs, x: Option<ops::Tensor<'_>>, y: ops::Tensor<'_>, out: &mut ops::TensorMut<'_>);
            div(args: &ops::DivArgs, x: Option<ops::Tensor<'_>>, y: ops::Tensor<'_>, out: &mut ops::TensorMut<'_>);
            requantize(args: &ops::RequantizeArgs<'_>, x: ops::Tensor<'_>, out: &mut ops::TensorMut<'_>);
            mean_tokens(args: &ops::MeanTokensArgs, x: ops::Tensor<'_>, out: &mut ops::TensorMut<'_>);
            permute(args: &ops::PermuteArgs, x: ops::Tensor<'_>, out: &mut ops::TensorMut<'_>);
            bit_transpose(args: &ops::BitTransposeArgs, x: &[u32], out: &mut [u32]);
        }
    };
}

/// The same for norms of rows, the residual addition and pixels, for which instruction sets may have more than these
/// loops.
macro_rules! row_norms {
    ($callback:ident $($context:literal)?) => {
        $callback! {
            $($context)?
            layer_norm(args: &ops::LayerNormArgs<'_>, x: &[i16], out: &mut ops::TensorMut<'_>);
            rms_norm(args: &ops::LayerNormArgs<'_>, x: &[i16], out: &mut ops::TensorMut<'_>);
            add(args: &ops::AddArgs, x: &mut [i16], y: &[i16]);
            quantize_image(tables: &[i8], channels: usize, x: &mut [u8]);
        }
    };
}

/// The same for binary layers and attention, for which instruction sets may have more, too.
macro_rules! binary_ops {
    ($callback:ident $($context:literal)?) => {
        $callback! {
            $($context)?
            binary_linear_sign(args: &ops::BinaryLinearArgs<'_>, x: &[u32], out: ops::BinaryLinearOut<'_>);
            binary_linear_ternary(
                args: &ops::BinaryLinearArgs<'_>,
                sign: &[u32],
                nonzero: &[u32],
                out: ops::BinaryLinearOut<'_>
            );
            binary_linear_i8(args: &ops::BinaryLinearArgs<'_>, x: &[i8], out: ops::BinaryLinearOut<'_>);
            binary_linear_i16(args: &ops::BinaryLinearArgs<'_>, x: &[i16], out: ops::BinaryLinearOut<'_>);
            binary_attention(args: ops::BinaryAttentionArgs<'_>);
        }
    };
}
#[cfg(any(
    target_arch = "aarch64",
    target_arch = "x86_64",
    all(target_arch = "wasm32", target_feature = "simd128")
))]
pub(crate) use {binary_ops, loops, row_norms};

/// The methods of [`loops`], [`row_norms`] and [`binary_ops`] as functions of this module.
macro_rules! methods {
    ($($name:ident($($arg:ident: $type:ty),*);)*) => {$(
        fn $name(&mut self, $($arg: $type),*) -> Result<(), Fault> {
            $name($($arg),*)
        }
    )*};
}

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

    fn linear_i8(
        &mut self,
        args: &ops::LinearArgs<'_>,
        x: &[i8],
        out: ops::LinearOut<'_>,
    ) -> Result<(), Fault> {
        match args.weights.pack {
            Pack::Panel16x4 => linear::panels(args, x, out),
            Pack::RowMajor => linear::rows(args, x, out),
            Pack::Panel2x4 | Pack::Panel2x16 => quant::Reference.linear_i8(args, x, out),
        }
    }

    fn conv2d(
        &mut self,
        args: &ops::Conv2dArgs<'_>,
        x: &[i8],
        mut out: ops::LinearOut<'_>,
    ) -> Result<(), Fault> {
        if !depthwise::is_depthwise(args) {
            return quant::Reference.conv2d(args, x, out);
        }
        depthwise::depthwise(args, x, &mut out)?;
        match out {
            ops::LinearOut::I8 { out, table: Some(table) } => self.table(table, out),
            ops::LinearOut::I8 { .. } | ops::LinearOut::I16 { .. } | ops::LinearOut::I32 { .. } => Ok(()),
        }
    }

    fn attention(&mut self, args: ops::AttentionArgs<'_>) -> Result<(), Fault> {
        attention::attention(args)
    }

    fn shiftmax(
        &mut self,
        args: &ops::ShiftmaxArgs<'_>,
        x: ops::Tensor<'_>,
        out: &mut ops::TensorMut<'_>,
    ) -> Result<(), Fault> {
        shiftmax::shiftmax(args, x, out)
    }

    fn shift_gelu(&mut self, args: &ops::ShiftGeluArgs<'_>, x: &mut [i8]) -> Result<(), Fault> {
        let look_up = |table: &[i8; 256], x: &mut [i8]| {
            x.iter_mut().for_each(|v| *v = table[usize::from(*v as u8 ^ 0x80)]);
        };
        shift_gelu::shift_gelu(args, x, look_up)
    }

    loops!(methods);
    row_norms!(methods);
    binary_ops!(methods);
}
