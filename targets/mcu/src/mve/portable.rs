//! What the instructions do, in plain Rust.

use quant::Fault;
use quant::arith::Multiplier;
use quant::slice::{chunks, window, window_mut};

use super::attention;
use super::linear::{Block, LANES, Sums};
use crate::depthwise::{self, Blocks, Run, Taps};
use crate::gemm::{CHANNELS, Panels, Tile};
use crate::requantize::requantize_i8;

pub(super) use crate::layer_norm::{normalize_i8, normalize_i16};
pub(super) use crate::shift_gelu::row as gelu;
pub(super) use crate::shiftmax::probabilities;

/// Adds the products of all panels with `vectors` vectors of each row; to zero if `fresh`.
#[inline(always)]
pub(super) fn multiply(
    block: &Block,
    vectors: usize,
    panels: &Panels<'_>,
    fresh: bool,
    sums: &mut Sums,
) -> Result<(), Fault> {
    panels.holding(vectors * 2 * LANES)?;
    for pair in 0..panels.pairs {
        let panel = chunks::<LANES, _>(window(panels.data, pair * panels.stride, vectors * 2 * LANES)?).0;
        for (row, sums) in sums.iter_mut().enumerate() {
            let sums = window_mut(sums, 2 * pair, 2)?;
            if fresh {
                sums.fill(0);
            }
            for (channel, z) in sums.iter_mut().enumerate() {
                let w = panel.iter().skip(channel).step_by(2).flatten();
                let x = block.iter().filter_map(|rows| rows.get(row)).flatten();
                *z += x.zip(w).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum::<i32>();
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
pub(super) fn load(block: &mut Block, row: usize, from: &[i8]) {
    let places = block.iter_mut().filter_map(|rows| rows.get_mut(row)).flatten();
    for (to, &from) in places.zip(from) {
        *to = from;
    }
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

/// `sums[j] = Σ_i q[i] · k[j · stride + i]` for whole pairs of keys, which `k` holds.
#[inline(always)]
pub(super) fn key_products(q: &[i8], k: &[i8], stride: usize, sums: &mut [i32]) {
    for (j, z) in sums.iter_mut().enumerate() {
        let k = k.get(j * stride..).unwrap_or(&[]);
        *z = q.iter().zip(k).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
    }
}

/// `Σ_j p[j] · v[j · stride + c]`; `v` holds a row for each probability.
#[inline(always)]
pub(super) fn weighted(p: &[i16], v: &[i8], stride: usize) -> [i32; attention::CHANNELS] {
    let mut sums = [0; attention::CHANNELS];
    for (j, &p) in p.iter().enumerate() {
        for (z, &v) in sums.iter_mut().zip(v.get(j * stride..).unwrap_or(&[])) {
            *z += i32::from(p) * i32::from(v);
        }
    }
    sums
}

/// All sums with one multiplier, whose shift is at least 33.
#[inline(always)]
pub(super) fn requantize(sums: &[i32], scale: Multiplier, out: &mut [i8]) {
    for (y, &z) in out.iter_mut().zip(sums) {
        *y = requantize_i8(z, scale.mantissa, scale.shift);
    }
}
