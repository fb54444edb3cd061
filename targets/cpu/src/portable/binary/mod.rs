//! Binary ops: 16 output channels at a time, whatever the layout of their weights.

mod attention;
mod bits;
mod integers;
mod transpose;

use quant::Fault;
use quant::bits::{BitPack, BitWeights};
use quant::slice::window;

pub(crate) use attention::binary_attention;
pub(crate) use bits::{binary_linear_sign, binary_linear_ternary};
pub(crate) use integers::{binary_linear_i8, binary_linear_i16};
pub(crate) use transpose::bit_transpose;

/// Output channels computed together.
const LANES: usize = 16;

/// Word `word` of the 16 channels from `channel` on, a multiple of 16; 0 past the last one.
#[inline(always)]
fn lanes(weights: &BitWeights<'_>, channel: usize, word: usize) -> Result<[u32; LANES], Fault> {
    match weights.pack {
        BitPack::Panel16 => {
            let start = weights.pack.index(weights.words, channel, word);
            window(weights.data, start, LANES)?.try_into().map_err(|_| Fault::Bounds)
        }
        BitPack::Rows => {
            let mut lanes = [0; LANES];
            for (lane, row) in lanes.iter_mut().zip(channel..weights.n) {
                *lane = weights.get(row, word);
            }
            Ok(lanes)
        }
    }
}
