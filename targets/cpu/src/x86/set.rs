//! The kernel set of what is compiled for an instruction set.

use quant::ops::{self, AttentionArgs, Conv2dArgs, LinearArgs, LinearOut, MatMulArgs, Tensor, TensorMut};
use quant::pack::{Pack, Packs};
use quant::{Fault, Kernels};

use super::compiled::Compiled;
use super::conv2d::Windows;
use super::source::{Bytes, Dense, Words};
use crate::Portable;
use crate::portable::loops;

/// The portable loops, compiled for the instructions of `C` where they are available.
macro_rules! methods {
    ($($name:ident($($arg:ident: $type:ty),*);)*) => {$(
        fn $name(&mut self, $($arg: $type),*) -> Result<(), Fault> {
            if !C::is_available() {
                return Portable.$name($($arg),*);
            }
            // SAFETY: it is available.
            unsafe { C::$name($($arg),*) }
        }
    )*};
}

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

    loops!(methods);
}
