//! Kernels for microcontrollers.
//!
//! Three kernel sets, each with the weight layout it likes:
//!
//! * [`Plain`]: Armv6-M, RV32 and whatever else; safe Rust that keeps sums in registers. On RV32
//!   with Zbb it counts the ones of a word in one instruction.
//! * [`Dsp`]: dual 16-bit products of Armv7E-M and Armv8-M with DSP (Cortex-M4, M7, M33).
//! * [`Mve`]: 128-bit vectors of Armv8.1-M (Cortex-M55, M85).
//!
//! All three exist on every target and give the same integers: where the feature `dsp` or
//! `mve` is off, the innermost functions of [`Dsp`] and [`Mve`] are plain Rust, so that the
//! tiling and the layouts around them are tested on the desk. [`Fastest`] is the set for
//! the core that the features describe.
#![no_std]
#![deny(clippy::float_arithmetic)]

mod add;
mod attention;
mod binary;
mod conv2d;
mod depthwise;
mod dsp;
mod gemm;
mod layer_norm;
mod mve;
mod plain;
mod requantize;
mod rows;
mod shift_gelu;
mod shiftmax;
mod tiles;
mod zbb;

pub use dsp::Dsp;
pub use mve::Mve;
pub use plain::Plain;
use quant::KernelSet;

/// All three, for tests on a host.
pub static KERNEL_SETS: &[KernelSet] =
    &[KernelSet::of::<Plain>(|| true), KernelSet::of::<Dsp>(|| true), KernelSet::of::<Mve>(|| true)];

/// The kernel set for the core that the crate's features describe.
#[cfg(feature = "mve")]
pub type Fastest = Mve;
/// The kernel set for the core that the crate's features describe.
#[cfg(all(feature = "dsp", not(feature = "mve")))]
pub type Fastest = Dsp;
/// The kernel set for the core that the crate's features describe.
#[cfg(not(any(feature = "dsp", feature = "mve")))]
pub type Fastest = Plain;

/// What all three sets do alike, around what each brings of its own.
macro_rules! shared_kernels {
    () => {
        fn conv2d(
            &mut self,
            args: &quant::ops::Conv2dArgs<'_>,
            x: &[i8],
            out: LinearOut<'_>,
        ) -> Result<(), Fault> {
            crate::conv2d::conv2d(self, args, x, out)
        }

        fn attention(&mut self, args: quant::ops::AttentionArgs<'_>) -> Result<(), Fault> {
            <Self as crate::rows::RowOps>::attention(args)
        }

        fn shiftmax(
            &mut self,
            args: &quant::ops::ShiftmaxArgs<'_>,
            x: quant::ops::Tensor<'_>,
            out: &mut quant::ops::TensorMut<'_>,
        ) -> Result<(), Fault> {
            crate::shiftmax::shiftmax::<Self>(args, x, out)
        }

        fn shift_gelu(&mut self, args: &quant::ops::ShiftGeluArgs<'_>, x: &mut [i8]) -> Result<(), Fault> {
            crate::shift_gelu::shift_gelu::<Self>(args, x)
        }

        fn layer_norm(
            &mut self,
            args: &quant::ops::LayerNormArgs<'_>,
            x: &[i16],
            out: &mut quant::ops::TensorMut<'_>,
        ) -> Result<(), Fault> {
            crate::layer_norm::layer_norm::<Self>(args, x, out)
        }

        fn rms_norm(
            &mut self,
            args: &quant::ops::LayerNormArgs<'_>,
            x: &[i16],
            out: &mut quant::ops::TensorMut<'_>,
        ) -> Result<(), Fault> {
            crate::layer_norm::rms_norm::<Self>(args, x, out)
        }

        fn add(&mut self, args: &quant::ops::AddArgs, x: &mut [i16], y: &[i16]) -> Result<(), Fault> {
            crate::add::add(args, x, y)
        }

        fn binarize(
            &mut self,
            width: usize,
            x: quant::ops::Tensor<'_>,
            out: quant::ops::BitsOut<'_>,
        ) -> Result<(), Fault> {
            crate::binary::binarize(width, x, out)
        }

        fn bit_transpose(
            &mut self,
            args: &quant::ops::BitTransposeArgs,
            x: &[u32],
            out: &mut [u32],
        ) -> Result<(), Fault> {
            crate::binary::transpose(args, x, out)
        }

        fn binary_attention(&mut self, mut args: quant::ops::BinaryAttentionArgs<'_>) -> Result<(), Fault> {
            match crate::binary::attention(&mut args) {
                Some(result) => result,
                None => quant::Reference.binary_attention(args),
            }
        }

        fn binary_linear_sign(
            &mut self,
            args: &quant::ops::BinaryLinearArgs<'_>,
            x: &[u32],
            out: quant::ops::BinaryLinearOut<'_>,
        ) -> Result<(), Fault> {
            crate::binary::sign(args, x, out)
        }

        fn binary_linear_ternary(
            &mut self,
            args: &quant::ops::BinaryLinearArgs<'_>,
            sign: &[u32],
            nonzero: &[u32],
            out: quant::ops::BinaryLinearOut<'_>,
        ) -> Result<(), Fault> {
            crate::binary::ternary(args, sign, nonzero, out)
        }

        fn binary_linear_i8(
            &mut self,
            args: &quant::ops::BinaryLinearArgs<'_>,
            x: &[i8],
            out: quant::ops::BinaryLinearOut<'_>,
        ) -> Result<(), Fault> {
            crate::binary::linear_i8::<Self>(args, x, out)
        }

        fn binary_linear_i16(
            &mut self,
            args: &quant::ops::BinaryLinearArgs<'_>,
            x: &[i16],
            out: quant::ops::BinaryLinearOut<'_>,
        ) -> Result<(), Fault> {
            crate::binary::linear_i16::<Self>(args, x, out)
        }
    };
}
use shared_kernels;
