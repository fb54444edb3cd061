//! Dot products in little code, for libraries that have to be small: linear layers and convolutions of
//! one group share a loop, most else is portable, and what few models have is the reference's.

use quant::ops::{self, LinearArgs, LinearOut};
use quant::pack::{Pack, Packs};
use quant::{Fault, Kernels};

use super::dotprod::{DotProd, ROWS};
#[cfg(not(target_os = "android"))]
use super::is_detected;
use crate::Portable;
use crate::portable::binary_ops;
use crate::vector::conv2d::Windows;
use crate::vector::isa::{Isa, LANES, Staged};
use crate::vector::linear::{Block, linear, products};
use crate::vector::source::{Dense, Input, Source};

/// NEON, with products of four bytes where the CPU has them, for all that has the most products.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Compact;

/// Rows of `source` by the weights of `args`, as many as `out` takes.
#[target_feature(enable = "neon,dotprod")]
fn layer(args: &LinearArgs<'_>, source: &dyn Source, out: LinearOut<'_>) -> Result<(), Fault> {
    let rows = out.len().checked_div(args.weights.n).unwrap_or(0);
    // SAFETY: this function is compiled for the instructions.
    unsafe { linear::<DotProd<false>, ROWS, 1, LANES>(args, &Tiles(source), rows, out) }
}

/// int8 activations in whole tiles, also where there is one row: a loop for that is code, too.
struct Tiles<'a>(&'a dyn Source);

impl Input for Tiles<'_> {
    #[inline(always)]
    unsafe fn sums<I: Isa, const R: usize, const P: usize, const C: usize>(
        &self,
        block: &Block<'_, P, C>,
        at: (usize, usize),
        staged: &mut [Staged],
    ) -> Result<[[i32; C]; R], Fault> {
        // SAFETY: as the caller vouches.
        let sums = unsafe { tile::<I, P, C>(block, self.0, at, staged)? };
        sums.first_chunk().copied().ok_or(Fault::Bounds)
    }
}

/// The sums of a tile, of which as many rows are used as there are.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(never)]
unsafe fn tile<I: Isa, const P: usize, const C: usize>(
    block: &Block<'_, P, C>,
    source: &dyn Source,
    at: (usize, usize),
    staged: &mut [Staged],
) -> Result<[[i32; C]; ROWS], Fault> {
    // SAFETY: as the caller vouches.
    unsafe { products::<I, ROWS, P, C>(&block.panels, block.k, &source, at, staged) }
}

/// Whether the CPU has dot products.
#[cfg(not(target_os = "android"))]
fn has_dot_products() -> bool {
    is_detected!("dotprod")
}

/// Whether the CPU has dot products. The standard library looks for all instructions, which takes 2 KB.
#[cfg(target_os = "android")]
fn has_dot_products() -> bool {
    use core::ffi::c_ulong;

    unsafe extern "C" {
        safe fn getauxval(kind: c_ulong) -> c_ulong;
    }
    const HWCAP: c_ulong = 16;
    const DOT_PRODUCTS: c_ulong = 1 << 20;
    getauxval(HWCAP) & DOT_PRODUCTS != 0
}

/// Methods as the portable set has them.
macro_rules! portable {
    ($($name:ident($($arg:ident: $type:ty),*);)*) => {$(
        fn $name(&mut self, $($arg: $type),*) -> Result<(), Fault> {
            Portable.$name($($arg),*)
        }
    )*};
}

impl Kernels for Compact {
    fn name(&self) -> &'static str {
        "compact"
    }

    fn preferred_packs(&self) -> Packs {
        Portable.preferred_packs()
    }

    fn linear_i8(&mut self, args: &LinearArgs<'_>, x: &[i8], out: LinearOut<'_>) -> Result<(), Fault> {
        if args.weights.pack != Pack::Panel16x4 || !has_dot_products() {
            return Portable.linear_i8(args, x, out);
        }
        // SAFETY: the instructions are there.
        unsafe { layer(args, &Dense { x, stride: args.weights.k }, out) }
    }

    fn conv2d(&mut self, args: &ops::Conv2dArgs<'_>, x: &[i8], out: LinearOut<'_>) -> Result<(), Fault> {
        let ops::Conv2dArgs { weights, bias, requant, groups, .. } = *args;
        if weights.pack != Pack::Panel16x4 || groups != 1 || !has_dot_products() {
            return Portable.conv2d(args, x, out);
        }
        // SAFETY: the instructions are there.
        unsafe { layer(&LinearArgs { weights, bias, requant }, &Windows::whole(args, x), out) }
    }

    portable! {
        attention(args: ops::AttentionArgs<'_>);
        shiftmax(args: &ops::ShiftmaxArgs<'_>, x: ops::Tensor<'_>, out: &mut ops::TensorMut<'_>);
        shift_gelu(args: &ops::ShiftGeluArgs<'_>, x: &mut [i8]);
        interpolate(table: &[i16; ops::KNOTS], x: &mut [i16]);
        layer_norm(args: &ops::LayerNormArgs<'_>, x: &[i16], out: &mut ops::TensorMut<'_>);
        rms_norm(args: &ops::LayerNormArgs<'_>, x: &[i16], out: &mut ops::TensorMut<'_>);
        rotary(args: &ops::RotaryArgs<'_>, x: ops::Tensor<'_>, out: &mut ops::TensorMut<'_>);
        add(args: &ops::AddArgs, x: &mut [i16], y: &[i16]);
        mul(args: &ops::MulArgs, x: Option<ops::Tensor<'_>>, y: ops::Tensor<'_>, out: &mut ops::TensorMut<'_>);
        requantize(args: &ops::RequantizeArgs<'_>, x: ops::Tensor<'_>, out: &mut ops::TensorMut<'_>);
        permute(args: &ops::PermuteArgs, x: ops::Tensor<'_>, out: &mut ops::TensorMut<'_>);
        bit_transpose(args: &ops::BitTransposeArgs, x: &[u32], out: &mut [u32]);
    }
    binary_ops!(portable);
}
