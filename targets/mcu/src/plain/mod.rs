//! Cores without wide multiplies: Armv6-M, RV32.

#[cfg_attr(
    all(target_arch = "arm", feature = "mve"),
    allow(dead_code, unused_imports, reason = "vectors take its place, but for weights in rows")
)]
pub(crate) mod binary;

use quant::bits::BitPack;
use quant::ops::{LinearArgs, LinearOut};
use quant::pack::{Pack, Packs};
use quant::slice::{rows, window};
use quant::{Fault, Kernels};

/// Kernels in safe Rust: four sums in registers, exponentials looked up once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl Plain {
    /// What cores without wide multiplies read fastest.
    pub const PACKS: Packs = Packs { int8: Pack::RowMajor, bits: BitPack::Panel16 };
}

impl Kernels for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn preferred_packs(&self) -> Packs {
        Self::PACKS
    }

    fn linear_i8(&mut self, args: &LinearArgs<'_>, x: &[i8], out: LinearOut<'_>) -> Result<(), Fault> {
        match args.weights.pack {
            Pack::RowMajor => linear(args, x, out),
            Pack::Panel16x4 | Pack::Panel2x4 | Pack::Panel2x16 => quant::Reference.linear_i8(args, x, out),
        }
    }

    crate::shared_kernels!();
}

impl crate::rows::RowOps for Plain {}

impl crate::depthwise::Depthwise for Plain {
    const LANES: usize = 4;
    type Weight = i8;
}

/// Row-major weights: three channels share a pass over a row.
pub(crate) fn linear(args: &LinearArgs<'_>, x: &[i8], mut out: LinearOut<'_>) -> Result<(), Fault> {
    let (n, k) = (args.weights.n, args.weights.k);
    for (r, row) in rows(x, k).enumerate() {
        let mut channel = 0;
        while channel < n {
            let count = (n - channel).min(3);
            // A missing channel repeats the last one; its sum is not used.
            let weights = |lane: usize| args.weights.row((channel + lane).min(n - 1)).ok_or(Fault::Bounds);
            let mut sums = dot3(row, weights(0)?, weights(1)?, weights(2)?);
            for (z, &b) in sums.iter_mut().zip(window(args.bias, channel, count)?) {
                *z += b;
            }
            let requant = args.requant.window(channel, count)?;
            out.store(r * n + channel, window(&sums, 0, count)?, &requant)?;
            channel += count;
        }
    }
    Ok(())
}

/// Three dot products with one row.
#[inline(always)]
fn dot3(x: &[i8], a: &[i8], b: &[i8], c: &[i8]) -> [i32; 3] {
    let mut sums = [0; 3];
    for (((&x, &a), &b), &c) in x.iter().zip(a).zip(b).zip(c) {
        let x = i32::from(x);
        sums[0] += x * i32::from(a);
        sums[1] += x * i32::from(b);
        sums[2] += x * i32::from(c);
    }
    sums
}
