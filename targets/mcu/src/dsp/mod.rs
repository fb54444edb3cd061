//! Dual 16-bit products: Armv7E-M, and Armv8-M with the DSP extension.

mod attention;
mod linear;

#[cfg(all(target_arch = "arm", feature = "dsp", not(feature = "mve")))]
mod asm;
#[cfg(all(target_arch = "arm", feature = "dsp", not(feature = "mve")))]
pub(crate) mod binary;
#[cfg(not(all(target_arch = "arm", feature = "dsp", not(feature = "mve"))))]
mod portable;

#[cfg(all(target_arch = "arm", feature = "dsp", not(feature = "mve")))]
use asm as isa;
#[cfg(not(all(target_arch = "arm", feature = "dsp", not(feature = "mve"))))]
use portable as isa;

use quant::bits::BitPack;
use quant::ops::{AttentionArgs, LayerNormArgs, LinearArgs, LinearOut, RowStatistics};
use quant::pack::{Pack, Packs};
use quant::{Fault, Kernels};

use crate::depthwise::{Blocks, Depthwise, Run, Taps};
use crate::requantize::Scale16;

pub(crate) use isa::{max, sub4};

/// Kernels of dual 16-bit multiply-accumulates, for weights in [`Pack::Panel2x4`].
///
/// Three rows at a time are widened to 16 bits once, in a scratch of 3 KiB on the stack; two
/// channels share each pass over them. A step of the loop takes 20 instructions for 24
/// products.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dsp;

impl Dsp {
    /// What cores with dual 16-bit products read fastest.
    pub const PACKS: Packs = Packs { int8: Pack::Panel2x4, bits: BitPack::Panel16 };
}

impl Kernels for Dsp {
    fn name(&self) -> &'static str {
        "dsp"
    }

    fn preferred_packs(&self) -> Packs {
        Self::PACKS
    }

    fn linear_i8(&mut self, args: &LinearArgs<'_>, x: &[i8], out: LinearOut<'_>) -> Result<(), Fault> {
        match args.weights.pack {
            Pack::Panel2x4 => crate::gemm::gemm::<linear::DualProducts>(args, x, out),
            Pack::RowMajor => crate::plain::linear(args, x, out),
            Pack::Panel16x4 | Pack::Panel2x16 => quant::Reference.linear_i8(args, x, out),
        }
    }

    crate::shared_kernels!();
}

impl Depthwise for Dsp {
    const LANES: usize = 4;
    type Weight = i16;

    /// Even channels before odd ones, as `SXTB16` leaves them.
    #[inline(always)]
    fn lane(lane: usize) -> usize {
        [0, 2, 1, 3][lane % 4]
    }

    #[inline(always)]
    fn results(
        x: &[i8],
        run: &Run<'_>,
        taps: &Taps,
        blocks: &Blocks<i16>,
        out: &mut [i8],
    ) -> Result<(), Fault> {
        isa::depthwise_results(x, run, taps, blocks, out)
    }
}

impl crate::rows::RowOps for Dsp {
    fn attention(args: AttentionArgs<'_>) -> Result<(), Fault> {
        crate::tiles::attention::<attention::Quads>(args)
    }

    fn gelu(x: &mut [i8], exp: &[u32; 256], out: Scale16) {
        isa::gelu(x, exp, out);
    }

    fn normalize_i8(args: &LayerNormArgs<'_>, row: &[i16], statistics: RowStatistics, out: &mut [i8]) {
        isa::normalize_i8(args, row, statistics, out);
    }

    fn normalize_i16(args: &LayerNormArgs<'_>, row: &[i16], statistics: RowStatistics, out: &mut [i16]) {
        isa::normalize_i16(args, row, statistics, out);
    }
}
