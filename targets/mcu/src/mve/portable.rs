//! What the instructions do, in plain Rust.

use core::array;

use quant::Fault;
use quant::bits::BitWeights;
use quant::slice::{chunks, window, window_mut};

use super::attention::TERMS;
use super::expanded::Pair;
use super::linear::{LANES, ROWS, Sums};
use crate::depthwise::{self, Blocks, Run, Taps};
use crate::gemm::{CHANNELS, Panels, Tile};

pub(super) use crate::layer_norm::{about_mean, normalize_i8, normalize_i16};
pub(super) use crate::shift_gelu::row as gelu;
pub(super) use crate::shiftmax::probabilities;

/// Adds the products of all panels with `vectors` vectors of each row; to zero if `fresh`.
#[inline(always)]
pub(super) fn multiply(
    block: &[[Room; ROWS]],
    vectors: usize,
    panels: &Panels<'_>,
    fresh: bool,
    sums: &mut Sums,
) -> Result<(), Fault> {
    run::<LANES>(block, vectors, panels, fresh, sums, |vector| vector.map(i32::from))
}

/// The same of vectors of eight inputs of 16 bits, and weights in groups of eight; to zero.
#[inline(always)]
pub(super) fn multiply_wide(
    block: &[[Room; ROWS]],
    vectors: usize,
    panels: &Panels<'_>,
    sums: &mut Sums,
) -> Result<(), Fault> {
    run::<TERMS>(block, vectors, panels, true, sums, |vector| {
        array::from_fn(|i| i16::from_le_bytes([vector[2 * i] as u8, vector[2 * i + 1] as u8]).into())
    })
}

/// `inputs` are the `N` of a vector.
#[inline(always)]
fn run<const N: usize>(
    block: &[[Room; ROWS]],
    vectors: usize,
    panels: &Panels<'_>,
    fresh: bool,
    sums: &mut Sums,
    inputs: impl Fn(Room) -> [i32; N],
) -> Result<(), Fault> {
    panels.holding(vectors * 2 * N)?;
    for pair in 0..panels.pairs {
        let panel = chunks::<N, _>(window(panels.data, pair * panels.stride, vectors * 2 * N)?).0;
        for (row, sums) in sums.iter_mut().enumerate() {
            let sums = window_mut(sums, 2 * pair, 2)?;
            if fresh {
                sums.fill(0);
            }
            for (channel, z) in sums.iter_mut().enumerate() {
                let w = panel.iter().skip(channel).step_by(2).flatten();
                let x = block.iter().filter_map(|rows| rows.get(row)).flat_map(|&vector| inputs(vector));
                *z += x.zip(w).map(|(a, &b)| a * i32::from(b)).sum::<i32>();
            }
        }
    }
    Ok(())
}

/// Results of depthwise convolution.
#[inline(always)]
pub(super) fn depthwise_results(
    x: &[i8],
    run: &Run<'_>,
    taps: &Taps,
    blocks: &Blocks<i8>,
    out: &mut [i8],
) -> Result<(), Fault> {
    depthwise::results::<super::Mve>(x, run, taps, blocks, out)
}

/// Room for a vector.
pub(super) type Room = [i8; LANES];
pub(super) const ROOM: Room = [0; LANES];

/// Copies the inputs of a row.
#[inline(always)]
pub(super) fn load(block: &mut [[Room; ROWS]], row: usize, from: &[i8]) {
    let places = block.iter_mut().filter_map(|rows| rows.get_mut(row)).flatten();
    for (to, &from) in places.zip(from) {
        *to = from;
    }
}

/// The same of 16 bits each.
#[inline(always)]
pub(super) fn load_wide(block: &mut [[Room; ROWS]], row: usize, from: &[i16]) {
    let places = block.iter_mut().filter_map(|rows| rows.get_mut(row)).flatten();
    for (to, from) in places.zip(from.iter().flat_map(|from| from.to_le_bytes())) {
        *to = from as i8;
    }
}

/// The weights of `pairs` pairs of channels, from `channel` on, as bytes, `up ≤ 6` bits higher:
/// channels of a pair take turns after 16 inputs, or after eight if they are for `wide` ones.
#[inline(always)]
pub(super) fn expand<'r>(
    (wide, up): (bool, u32),
    weights: &BitWeights<'_>,
    (channel, pairs): (usize, usize),
    room: &'r mut [Pair],
) -> Result<&'r [i8], Fault> {
    let group = if wide { TERMS } else { LANES };
    let room = window_mut(room, 0, pairs * weights.words)?.as_flattened_mut().as_flattened_mut();
    for (at, to) in room.iter_mut().enumerate() {
        let (pair, inside) = (at / (64 * weights.words), at % (64 * weights.words));
        let (turn, input) = (inside / group, inside / (2 * group) * group + inside % group);
        let word = weights.get(channel + 2 * pair + turn % 2, input / 32);
        *to = if word >> (input % 32) & 1 == 1 { 1 << up } else { -1 << up };
    }
    Ok(room)
}

/// Makes results of the sums of all rows, with their bias.
#[inline(always)]
pub(super) fn finish_rows(sums: &Sums, bias: &[i32], mut tile: Tile<'_>) -> Result<(), Fault> {
    let mut biased = [0; CHANNELS];
    for (row, sums) in sums.iter().enumerate().take(tile.count) {
        for (to, (&z, &b)) in biased.iter_mut().zip(sums.iter().zip(bias)) {
            *to = z + b;
        }
        tile.finish(row, 0, window(&biased, 0, bias.len())?)?;
    }
    Ok(())
}

/// Packs channels of values in groups of eight.
#[inline(always)]
pub(super) fn pack_values(v: &[i8], stride: usize, keys: usize, to: &mut [i8]) -> Result<(), Fault> {
    crate::tiles::pack_values::<TERMS>(v, stride, keys, to)
}

/// Packs keys in groups of sixteen inputs.
#[inline(always)]
pub(super) fn pack_keys(
    k: &[i8],
    stride: usize,
    len: usize,
    count: usize,
    to: &mut [i8],
) -> Result<(), Fault> {
    crate::tiles::pack_keys::<LANES>(k, stride, len, count, to)
}
