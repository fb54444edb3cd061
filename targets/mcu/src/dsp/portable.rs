//! What the instructions do, in plain Rust.

use core::array;

use quant::Fault;
use quant::arith::Multiplier;
use quant::slice::{chunks, chunks_mut, window};

use super::attention::CHANNELS;
use super::bytes::widen;
use super::linear::{Pair, Quad, ROWS, start};
use crate::depthwise::{self, Blocks, Run, Taps};
use crate::gemm::{Panels, Tile};
use crate::requantize::requantize_i8;

/// Bytes 0 and 2, sign-extended to 16 bits each.
#[inline(always)]
pub(super) fn sxtb16(word: u32) -> u32 {
    (u32::from(word as u8 as i8 as u16)) | u32::from((word >> 16) as u8 as i8 as u16) << 16
}

/// Bytes 1 and 3 likewise.
#[inline(always)]
pub(super) fn sxtb16_odd(word: u32) -> u32 {
    sxtb16(word >> 8)
}

/// The larger of each two.
#[inline(always)]
pub(super) fn max4(a: [i8; 4], b: [i8; 4]) -> [i8; 4] {
    array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
}

/// The differences of each two, modulo 256.
#[inline(always)]
pub(crate) fn sub4(a: [u8; 4], b: [u8; 4]) -> [u8; 4] {
    array::from_fn(|i| a[i].wrapping_sub(b[i]))
}

/// Results of depthwise convolution.
#[inline(always)]
pub(super) fn depthwise_results(
    x: &[i8],
    run: &Run<'_>,
    taps: &Taps,
    blocks: &Blocks<i16>,
    out: &mut [i8],
) -> Result<(), Fault> {
    depthwise::results::<super::Dsp>(x, run, taps, blocks, out)
}

/// Room for a quad.
pub(super) type Room = Quad;
pub(super) const ROOM: Room = [[0; 2]; ROWS];

/// Widens as many quads as the shortest row has.
#[inline(always)]
pub(super) fn widen_rows(block: &mut [Quad], rows: [&[[i8; 4]]; ROWS]) {
    for (r, row) in rows.into_iter().enumerate() {
        for (place, &quad) in block.iter_mut().zip(row) {
            place[r] = widen(quad);
        }
    }
}

/// Adds the products of all panels to `sums`, which begin with the bias if there is one.
#[inline(always)]
pub(super) fn multiply(
    quads: &[Quad],
    panels: &Panels<'_>,
    bias: Option<&[i32]>,
    sums: &mut [Pair],
) -> Result<(), Fault> {
    if let Some(bias) = bias {
        start(sums, bias);
    }
    panels.holding(8 * quads.len())?;
    for (pair, z) in sums.iter_mut().enumerate().take(panels.pairs) {
        let panel = window(panels.data, pair * panels.stride, 8 * quads.len())?;
        products(quads, chunks::<8, _>(panel).0, z);
    }
    Ok(())
}

/// The same; the sums become results.
#[inline(always)]
pub(super) fn multiply_into(
    quads: &[Quad],
    panels: &Panels<'_>,
    bias: Option<&[i32]>,
    sums: &mut [Pair],
    mut tile: Tile<'_>,
) -> Result<(), Fault> {
    for pair in 0..panels.pairs {
        let mut z = sums.get(pair).copied().unwrap_or_default();
        if let Some(bias) = bias {
            start(array::from_mut(&mut z), window(bias, 2 * pair, 2)?);
        }
        let panel = window(panels.data, pair * panels.stride, 8 * quads.len())?;
        products(quads, chunks::<8, _>(panel).0, &mut z);
        for (row, z) in z.iter().enumerate().take(tile.count) {
            tile.finish(row, 2 * pair, z)?;
        }
    }
    Ok(())
}

/// Adds the products of three rows with two channels.
fn products(quads: &[Quad], panel: &[[i8; 8]], z: &mut Pair) {
    for (quad, &[a, b, c, d, e, f, g, h]) in quads.iter().zip(panel) {
        let weights = [widen([a, b, c, d]), widen([e, f, g, h])];
        for (z, x) in z.iter_mut().zip(quad) {
            for (z, w) in z.iter_mut().zip(weights) {
                *z += dual(x[0], w[0]) + dual(x[1], w[1]);
            }
        }
    }
}

/// The scores of all whole pairs of keys with the widened query; shifts of at least 33, and `k`
/// holds as many keys as there are scores.
#[inline(always)]
pub(super) fn score_pairs(q: &[[u32; 2]], k: &[i8], stride: usize, scale: Multiplier, scores: &mut [i8]) {
    for (j, score) in chunks_mut::<2, _>(scores).0.as_flattened_mut().iter_mut().enumerate() {
        let k = chunks::<4, _>(k.get(j * stride..).unwrap_or(&[])).0;
        let sum = q.iter().zip(k).fold(0, |sum, (q, &k)| {
            let k = widen(k);
            sum + dual(q[0], k[0]) + dual(q[1], k[1])
        });
        *score = requantize_i8(sum, scale.mantissa, scale.shift);
    }
}

/// `Σ_j p[j] · v[j · stride + c]`; `v` holds as many rows as there are probabilities.
#[inline(always)]
pub(super) fn weighted(p: &[i16], v: &[i8], stride: usize) -> [i32; CHANNELS] {
    let mut sums = [0; CHANNELS];
    for (j, &p) in p.iter().enumerate() {
        for (z, &v) in sums.iter_mut().zip(v.get(j * stride..).unwrap_or(&[])) {
            *z += i32::from(p) * i32::from(v);
        }
    }
    sums
}

/// The sum of the products of both 16-bit halves.
#[inline(always)]
fn dual(a: u32, b: u32) -> i32 {
    let (low, high) = (i32::from(a as i16) * i32::from(b as i16), ((a as i32) >> 16) * ((b as i32) >> 16));
    low + high
}
