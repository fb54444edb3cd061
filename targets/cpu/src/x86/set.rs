//! The kernel set of what is compiled for an instruction set.

use quant::ops::{
    AttentionArgs, BinaryAttentionArgs, BinaryLinearArgs, BinaryLinearOut, BitTransposeArgs, Conv2dArgs,
    LayerNormArgs, LinearArgs, LinearOut, MatMulArgs, MulArgs, RotaryArgs, Tensor, TensorMut, row_energy,
    row_statistics,
};
use quant::pack::{Pack, Packs};
use quant::{Fault, Kernels};

use super::compiled::Compiled;
use super::conv2d::Windows;
use super::source::{Bytes, Dense, Words};
use crate::Portable;

/// The kernels of `C` where the CPU and the system offer its instructions, and the portable ones
/// for all else.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Set<C>(C);

impl<C: Compiled> Kernels for Set<C> {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn preferred_packs(&self) -> Packs {
        Portable.preferred_packs()
    }

    fn linear_i8(&mut self, args: &LinearArgs<'_>, x: &[i8], out: LinearOut<'_>) -> Result<(), Fault> {
        if args.weights.pack != Pack::Panel16x4 || !C::is_available() {
            return Portable.linear_i8(args, x, out);
        }
        // SAFETY: it is available.
        unsafe { C::linear(args, &Bytes(Dense { x, stride: args.weights.k }), out) }
    }

    fn linear_i16(&mut self, args: &LinearArgs<'_>, x: &[i16], out: LinearOut<'_>) -> Result<(), Fault> {
        if args.weights.pack != Pack::Panel16x4 || !C::is_available() {
            return Portable.linear_i16(args, x, out);
        }
        // SAFETY: it is available.
        unsafe { C::linear_unsigned(args, &Words { x, stride: args.weights.k }, out) }
    }

    fn conv2d(&mut self, args: &Conv2dArgs<'_>, x: &[i8], out: LinearOut<'_>) -> Result<(), Fault> {
        let Conv2dArgs { weights, bias, requant, groups, .. } = *args;
        if weights.pack != Pack::Panel16x4 || groups != 1 || !C::is_available() {
            return Portable.conv2d(args, x, out);
        }
        // SAFETY: it is available.
        unsafe { C::linear(&LinearArgs { weights, bias, requant }, &Bytes(Windows { args, x }), out) }
    }

    fn matmul(
        &mut self,
        args: &MatMulArgs,
        a: Tensor<'_>,
        b: &[i8],
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        if !C::is_available() {
            return Portable.matmul(args, a, b, out);
        }
        // SAFETY: it is available.
        unsafe { C::matmul(args, a, b, out) }
    }

    fn attention(&mut self, args: AttentionArgs<'_>) -> Result<(), Fault> {
        if !C::is_available() {
            return Portable.attention(args);
        }
        // SAFETY: it is available.
        unsafe { C::attention(args) }
    }

    fn table(&mut self, table: &[i8; 256], x: &mut [i8]) -> Result<(), Fault> {
        if !C::is_available() {
            return Portable.table(table, x);
        }
        // SAFETY: it is available.
        unsafe { C::table(table, x) };
        Ok(())
    }

    fn layer_norm(
        &mut self,
        args: &LayerNormArgs<'_>,
        x: &[i16],
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        match out {
            // SAFETY: it is available.
            TensorMut::I8(out) if C::is_available() => unsafe { C::normalize(args, x, out, row_statistics) },
            out => Portable.layer_norm(args, x, out),
        }
    }

    fn rms_norm(
        &mut self,
        args: &LayerNormArgs<'_>,
        x: &[i16],
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        match out {
            // SAFETY: it is available.
            TensorMut::I8(out) if C::is_available() => unsafe { C::normalize(args, x, out, row_energy) },
            out => Portable.rms_norm(args, x, out),
        }
    }

    fn mul(
        &mut self,
        args: &MulArgs,
        x: Option<Tensor<'_>>,
        y: Tensor<'_>,
        out: &mut TensorMut<'_>,
    ) -> Result<(), Fault> {
        if !C::is_available() {
            return Portable.mul(args, x, y, out);
        }
        // SAFETY: it is available.
        unsafe { C::mul(args, x, y, out) }
    }

    fn rotary(&mut self, args: &RotaryArgs<'_>, x: Tensor<'_>, out: &mut TensorMut<'_>) -> Result<(), Fault> {
        if !C::is_available() {
            return Portable.rotary(args, x, out);
        }
        // SAFETY: it is available.
        unsafe { C::rotary(args, x, out) }
    }

    fn bit_transpose(&mut self, args: &BitTransposeArgs, x: &[u32], out: &mut [u32]) -> Result<(), Fault> {
        Portable.bit_transpose(args, x, out)
    }

    fn binary_linear_sign(
        &mut self,
        args: &BinaryLinearArgs<'_>,
        x: &[u32],
        out: BinaryLinearOut<'_>,
    ) -> Result<(), Fault> {
        Portable.binary_linear_sign(args, x, out)
    }

    fn binary_linear_ternary(
        &mut self,
        args: &BinaryLinearArgs<'_>,
        sign: &[u32],
        nonzero: &[u32],
        out: BinaryLinearOut<'_>,
    ) -> Result<(), Fault> {
        Portable.binary_linear_ternary(args, sign, nonzero, out)
    }

    fn binary_linear_i8(
        &mut self,
        args: &BinaryLinearArgs<'_>,
        x: &[i8],
        out: BinaryLinearOut<'_>,
    ) -> Result<(), Fault> {
        Portable.binary_linear_i8(args, x, out)
    }

    fn binary_linear_i16(
        &mut self,
        args: &BinaryLinearArgs<'_>,
        x: &[i16],
        out: BinaryLinearOut<'_>,
    ) -> Result<(), Fault> {
        Portable.binary_linear_i16(args, x, out)
    }

    fn binary_attention(&mut self, args: BinaryAttentionArgs<'_>) -> Result<(), Fault> {
        Portable.binary_attention(args)
    }
}
