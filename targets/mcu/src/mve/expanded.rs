//! Layers of 1-bit weights as products of integers: weights become bytes, some channels at a time.

use quant::Fault;
use quant::bits::BitWeights;
use quant::ops::{BinaryLinearArgs, BinaryLinearOut, ChannelsRef, LinearOut};
use quant::slice::{window, window_mut};

use super::attention::TERMS;
use super::isa;
use super::linear::{Block, LANES, ROWS, Sums};
use crate::gemm::{CHANNELS, CHUNK, Direct, Panels, Tile, headroom};
use crate::requantize::look_up;

/// Words of weights that are bytes at once, two channels at a time.
const WORDS: usize = 64;
/// Fewest pairs of channels that are bytes at once: with fewer of them tables are faster.
const PAIRS: usize = 16;
/// Most bits that weights are shifted up by.
const MOST_UP: u32 = 6;
/// Inputs of a row come in multiples of this many.
const STEP: usize = 16;

/// The bytes of a word of two channels.
pub(super) type Pair = [isa::Room; 4];

/// Activations that are multiplied with bytes.
pub(super) trait Input: Copy {
    /// Inputs of a vector; channels take turns after as many.
    const LANES: usize;
    /// Bits of their magnitude.
    const BITS: u32;

    /// Makes the inputs a row of the block.
    fn load(block: &mut Block, row: usize, from: &[Self]);
    /// Products of the first `vectors` vectors of all rows.
    fn multiply(block: &Block, vectors: usize, panels: &Panels<'_>, sums: &mut Sums) -> Result<(), Fault>;
}

impl Input for i8 {
    const LANES: usize = LANES;
    const BITS: u32 = 7;

    fn load(block: &mut Block, row: usize, from: &[i8]) {
        isa::load(block, row, from);
    }

    fn multiply(block: &Block, vectors: usize, panels: &Panels<'_>, sums: &mut Sums) -> Result<(), Fault> {
        isa::multiply(block, vectors, panels, true, sums)
    }
}

impl Input for i16 {
    const LANES: usize = TERMS;
    const BITS: u32 = 15;

    fn load(block: &mut Block, row: usize, from: &[i16]) {
        isa::load_wide(block, row, from);
    }

    fn multiply(block: &Block, vectors: usize, panels: &Panels<'_>, sums: &mut Sums) -> Result<(), Fault> {
        isa::multiply_wide(block, vectors, panels, sums)
    }
}

/// Results of 8 and 16 bits of an even number of channels, of short rows that end with a whole
/// vector; `None` for others, and where multipliers or sums need more than 32 bits.
pub(super) fn layer<X: Input>(
    args: &BinaryLinearArgs<'_>,
    x: &[X],
    out: &mut BinaryLinearOut<'_>,
) -> Option<Result<(), Fault>> {
    let BinaryLinearOut::Dense { up: 0, bias, requant, out, n } = out else { return None };
    let k = args.k;
    if k % STEP != 0 || *n % 2 != 0 || args.weights.words > WORDS / PAIRS {
        return None;
    }
    let headroom = headroom(bias, requant.shift, (k as u64) << X::BITS)?;
    // Sums of results of int8 are made higher by their weights.
    let up = if matches!(out, LinearOut::I8 { .. }) { headroom } else { 0 };
    let direct = Direct::new(Some(headroom - up), out).filter(|_| up <= MOST_UP)?;
    Some(channels(args, x, (bias, *requant), (direct, up), out))
}

// On its own, so that its room is not that of other kernels too.
#[inline(never)]
fn channels<X: Input>(
    args: &BinaryLinearArgs<'_>,
    x: &[X],
    (bias, requant): (&[i32], ChannelsRef<'_>),
    (direct, up): (Direct, u32),
    out: &mut LinearOut<'_>,
) -> Result<(), Fault> {
    let BinaryLinearArgs { weights: BitWeights { n, words, .. }, k } = *args;
    let most = WORDS.checked_div(words).unwrap_or(0).min(CHANNELS / 2);
    let mut room: [Pair; WORDS] = [[isa::ROOM; 4]; WORDS];
    let mut memory = Memory { block: [[isa::ROOM; ROWS]; CHUNK / LANES], sums: [[0; CHANNELS]; ROWS], k };
    let mut higher = Higher { bias: [0; CHANNELS], shift: [0; CHANNELS] };
    let mut channel = 0;
    while channel < n {
        let pairs = ((n - channel) / 2).min(most);
        let data = isa::expand((X::LANES < LANES, up), &args.weights, (channel, pairs), &mut room)?;
        let panels = Panels { data, stride: 64 * words, pairs };
        let bias = window(bias, channel, 2 * pairs)?;
        let requant = requant.window(channel, 2 * pairs)?;
        let constants = if up == 0 { (bias, requant) } else { higher.of(bias, &requant, up)? };
        memory.rows(x, &panels, constants, direct, (n, channel), out)?;
        channel += 2 * pairs;
    }
    Ok(())
}

/// Biases and shifts of sums that are some bits higher.
struct Higher {
    bias: [i32; CHANNELS],
    shift: [u8; CHANNELS],
}

impl Higher {
    fn of<'h>(
        &'h mut self,
        bias: &[i32],
        requant: &ChannelsRef<'h>,
        up: u32,
    ) -> Result<(&'h [i32], ChannelsRef<'h>), Fault> {
        self.bias.iter_mut().zip(bias).for_each(|(to, bias)| *to = bias << up);
        self.shift.iter_mut().zip(requant.shift).for_each(|(to, &shift)| *to = shift.wrapping_add(up as u8));
        let shift = window(&self.shift, 0, requant.shift.len())?;
        Ok((window(&self.bias, 0, bias.len())?, ChannelsRef { mantissa: requant.mantissa, shift }))
    }
}

/// What rows are multiplied in, and their inputs.
struct Memory {
    block: Block,
    sums: Sums,
    k: usize,
}

impl Memory {
    /// Results of all rows in the channels of `panels`, from `channel` of `n` on.
    fn rows<X: Input>(
        &mut self,
        x: &[X],
        panels: &Panels<'_>,
        (bias, requant): (&[i32], ChannelsRef<'_>),
        direct: Direct,
        (n, channel): (usize, usize),
        out: &mut LinearOut<'_>,
    ) -> Result<(), Fault> {
        let (k, width) = (self.k, 2 * panels.pairs);
        let rows = x.len().checked_div(k).unwrap_or(0);
        for row in (0..rows).step_by(ROWS) {
            let count = (rows - row).min(ROWS);
            for lane in 0..count {
                X::load(&mut self.block, lane, window(x, (row + lane) * k, k)?);
            }
            X::multiply(&self.block, k / X::LANES, panels, &mut self.sums)?;
            let results = direct.results(out, row * n + channel, (count - 1) * n + width)?;
            isa::finish_rows(&self.sums, bias, Tile { requant, out: results, stride: n, count })?;
            for row in row..row + count {
                if let LinearOut::I8 { out, table: Some(table) } = out {
                    look_up(table, window_mut(out, row * n + channel, width)?);
                }
            }
        }
        Ok(())
    }
}
