//! Dot products in little code, for libraries that have to be small: linear layers and convolutions of
//! one group share a loop, and all else is portable.

use quant::ops::{self, LinearArgs, LinearOut};
use quant::pack::Pack;
use quant::{Fault, Kernels};

use super::dotprod::DotProd;
use super::is_detected;
use crate::Portable;
use crate::portable::loops;
use crate::vector::compiled::Compiled;
use crate::vector::conv2d::Windows;
use crate::vector::isa::LANES;
use crate::vector::linear::linear;
use crate::vector::source::{Bytes, Source};

/// Methods as the portable set has them.
macro_rules! by_portable {
    ($($name:ident($($arg:ident: $type:ty),*);)*) => {$(
        unsafe fn $name($($arg: $type),*) -> Result<(), Fault> {
            Portable.$name($($arg),*)
        }
    )*};
}

/// NEON with products of four bytes, for all that has the most products.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Compact;

/// Rows of `source` by the weights of `args`, as many as `out` takes.
#[target_feature(enable = "neon,dotprod")]
fn layer(args: &LinearArgs<'_>, source: &dyn Source, out: LinearOut<'_>) -> Result<(), Fault> {
    let rows = out.len().checked_div(args.weights.n).unwrap_or(0);
    // SAFETY: this function is compiled for the instructions.
    unsafe { linear::<DotProd<false>, 6, 1, LANES>(args, &Bytes(source), rows, out) }
}

// SAFETY: the dot products, without which no function uses them, are looked for.
unsafe impl Compiled for Compact {
    const NAME: &'static str = "compact";

    fn is_available() -> bool {
        is_detected!("dotprod")
    }

    unsafe fn linear(args: &LinearArgs<'_>, source: &impl Source, out: LinearOut<'_>) -> Result<(), Fault> {
        // SAFETY: as the caller vouches.
        unsafe { layer(args, source, out) }
    }

    unsafe fn conv2d(args: &ops::Conv2dArgs<'_>, x: &[i8], out: LinearOut<'_>) -> Result<(), Fault> {
        let ops::Conv2dArgs { weights, bias, requant, groups, .. } = *args;
        if weights.pack != Pack::Panel16x4 || groups != 1 {
            return Portable.conv2d(args, x, out);
        }
        // SAFETY: as the caller vouches.
        unsafe { layer(&LinearArgs { weights, bias, requant }, &Windows { args, x, group: 0 }, out) }
    }

    by_portable! {
        linear_i16(args: &LinearArgs<'_>, x: &[i16], out: LinearOut<'_>);
        matmul(args: &ops::MatMulArgs, a: ops::Tensor<'_>, b: &[i8], out: &mut ops::TensorMut<'_>);
        attention(args: ops::AttentionArgs<'_>);
        shiftmax(args: &ops::ShiftmaxArgs<'_>, x: ops::Tensor<'_>, out: &mut ops::TensorMut<'_>);
        shift_gelu(args: &ops::ShiftGeluArgs<'_>, x: &mut [i8]);
        table(table: &[i8; 256], x: &mut [i8]);
    }
    loops!(by_portable);
}
