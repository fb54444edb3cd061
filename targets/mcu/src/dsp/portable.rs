//! What the instructions do, in plain Rust.

use core::array;

use quant::Fault;
use quant::slice::{chunks, window, window_mut};

use super::attention::QUAD;
use super::linear::{Pair, Quad, ROWS, start};
use crate::depthwise::{self, Blocks, Run, Taps};
use crate::gemm::{Panels, Tile};
use crate::shiftmax::probabilities;
use crate::tiles::{KEYS, With};

pub(super) use crate::layer_norm::{normalize_i8, normalize_i16};
pub(super) use crate::shift_gelu::row as gelu;

/// Bytes 0 and 2, sign-extended to 16 bits each.
#[inline(always)]
fn sxtb16(word: u32) -> u32 {
    (u32::from(word as u8 as i8 as u16)) | u32::from((word >> 16) as u8 as i8 as u16) << 16
}

/// Bytes 1 and 3 likewise.
#[inline(always)]
fn sxtb16_odd(word: u32) -> u32 {
    sxtb16(word >> 8)
}

/// The largest of `x`; −128 if there are none.
#[inline(always)]
pub(crate) fn max(x: &[i8]) -> i8 {
    let (eights, tail) = chunks::<8, _>(x);
    let largest = eights
        .iter()
        .fold([i8::MIN; 4], |most, &[a, b, c, d, e, f, g, h]| max4(max4(most, [a, b, c, d]), [e, f, g, h]));
    largest.into_iter().chain(tail.iter().copied()).fold(i8::MIN, i8::max)
}

/// The larger of each two.
#[inline(always)]
fn max4(a: [i8; 4], b: [i8; 4]) -> [i8; 4] {
    array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
}

/// `[(x0, x2), (x1, x3)]` in 16-bit halves, low half first.
#[inline(always)]
fn widen(quad: [i8; 4]) -> [u32; 2] {
    let word = u32::from_le_bytes(quad.map(|byte| byte as u8));
    [sxtb16(word), sxtb16_odd(word)]
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

/// Packs keys or channels of values in groups of four.
#[inline(always)]
pub(super) fn pack(
    with: With,
    from: &[i8],
    stride: usize,
    len: usize,
    count: usize,
    to: &mut [i8],
) -> Result<(), Fault> {
    match with {
        With::Keys => crate::tiles::pack_keys::<QUAD>(from, stride, len, count, to),
        With::Values => crate::tiles::pack_values::<QUAD>(from, stride, len, to),
    }
}

/// Makes the probabilities of the first `keys` scores a row of `block`, with zeros up to a whole
/// quad.
#[inline(always)]
pub(super) fn weigh(
    block: &mut [Room],
    row: usize,
    scores: &mut [i8],
    keys: usize,
    exp: &[u32; 256],
) -> Result<(), Fault> {
    let mut p = [0; KEYS];
    probabilities(window(scores, 0, keys)?, exp, window_mut(&mut p, 0, keys)?);
    for (place, &[a, b, c, d]) in block.iter_mut().zip(chunks::<QUAD, _>(&p).0).take(keys.div_ceil(QUAD)) {
        let place = place.get_mut(row).ok_or(Fault::Bounds)?;
        *place = [[a, c], [b, d]].map(|[low, high]| u32::from(low as u16) | u32::from(high as u16) << 16);
    }
    Ok(())
}

/// The sum of the products of both 16-bit halves.
#[inline(always)]
fn dual(a: u32, b: u32) -> i32 {
    let (low, high) = (i32::from(a as i16) * i32::from(b as i16), ((a as i32) >> 16) * ((b as i32) >> 16));
    low + high
}
