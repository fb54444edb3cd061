//! 128-bit vectors: Armv8.1-M with MVE.

mod attention;
mod expanded;
mod linear;

#[cfg(all(target_arch = "arm", feature = "mve"))]
mod asm;
#[cfg(all(target_arch = "arm", feature = "mve"))]
pub(crate) mod binary;
#[cfg(all(target_arch = "arm", feature = "mve"))]
mod binary_attention;
#[cfg(not(all(target_arch = "arm", feature = "mve")))]
mod portable;

#[cfg(all(target_arch = "arm", feature = "mve"))]
use asm as isa;
#[cfg(not(all(target_arch = "arm", feature = "mve")))]
use portable as isa;

use quant::bits::BitPack;
use quant::ops::{
    AttentionArgs, BinaryLinearArgs, BinaryLinearOut, LayerNormArgs, LinearArgs, LinearOut, RowStatistics,
};
use quant::pack::{Pack, Packs};
use quant::{Fault, Kernels};

use crate::depthwise::{Blocks, Depthwise, Run, Taps};
use crate::requantize::Scale16;
use crate::rows::RowOps;

/// Kernels of 16-way int8 multiply-accumulates, for weights in [`Pack::Panel2x16`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Mve;

impl Mve {
    /// What cores with 128-bit vectors read fastest.
    pub const PACKS: Packs = Packs { int8: Pack::Panel2x16, bits: BitPack::Panel16 };
}

impl Kernels for Mve {
    fn name(&self) -> &'static str {
        "mve"
    }

    fn preferred_packs(&self) -> Packs {
        Self::PACKS
    }

    fn linear_i8(&mut self, args: &LinearArgs<'_>, x: &[i8], out: LinearOut<'_>) -> Result<(), Fault> {
        match args.weights.pack {
            Pack::Panel2x16 => crate::gemm::gemm::<linear::Vectors>(args, x, out),
            Pack::RowMajor => crate::plain::linear(args, x, out),
            Pack::Panel16x4 | Pack::Panel2x4 => quant::Reference.linear_i8(args, x, out),
        }
    }

    crate::shared_kernels!();
}

impl Depthwise for Mve {
    const LANES: usize = linear::LANES;
    type Weight = i8;

    /// Even channels before odd ones, of each the even ones before the odd ones.
    #[inline(always)]
    fn place(lane: usize) -> usize {
        [0, 2, 1, 3][lane % 4] * 4 + lane / 4
    }

    /// Bits to the left behind the upper half of a product.
    #[inline(always)]
    fn shift(shift: u8) -> i32 {
        32 - i32::from(shift)
    }

    #[inline(always)]
    fn results(
        x: &[i8],
        run: &Run<'_>,
        taps: &Taps,
        blocks: &Blocks<i8>,
        out: &mut [i8],
    ) -> Result<(), Fault> {
        isa::depthwise_results(x, run, taps, blocks, out)
    }
}

impl RowOps for Mve {
    fn attention(args: AttentionArgs<'_>) -> Result<(), Fault> {
        crate::tiles::attention::<attention::Rows>(args)
    }

    fn probabilities(scores: &[i8], exp: &[u32; 256], out: &mut [i16]) {
        isa::probabilities(scores, exp, out);
    }

    fn gelu(x: &mut [i8], exp: &[u32; 256], out: Scale16) {
        isa::gelu(x, exp, out);
    }

    fn about_mean(row: &[i16], eps: u64) -> RowStatistics {
        isa::about_mean(row, eps)
    }

    fn normalize_i8(args: &LayerNormArgs<'_>, row: &[i16], statistics: RowStatistics, out: &mut [i8]) {
        isa::normalize_i8(args, row, statistics, out);
    }

    fn normalize_i16(args: &LayerNormArgs<'_>, row: &[i16], statistics: RowStatistics, out: &mut [i16]) {
        isa::normalize_i16(args, row, statistics, out);
    }

    fn binary_i8(
        args: &BinaryLinearArgs<'_>,
        x: &[i8],
        out: &mut BinaryLinearOut<'_>,
    ) -> Option<Result<(), Fault>> {
        expanded::layer(args, x, out)
    }

    fn binary_i16(
        args: &BinaryLinearArgs<'_>,
        x: &[i16],
        out: &mut BinaryLinearOut<'_>,
    ) -> Option<Result<(), Fault>> {
        expanded::layer(args, x, out)
    }
}
