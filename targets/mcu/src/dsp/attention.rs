//! Scores and P·V by dual 16-bit products.

use quant::Fault;
use quant::arith::Multiplier;
use quant::slice::{chunks, chunks_mut, window};

use super::bytes::widen;
use super::isa;
use crate::attention;
use crate::requantize::requantize_i8;

/// Longest query that is widened at once.
const MAX_HEAD: usize = 128;
/// Channels of P·V that are summed together.
pub(super) const CHANNELS: usize = 8;

/// The query is widened once; a pass of the loop takes two keys, 11 instructions for 8
/// products.
pub(super) fn scores(
    q: &[i8],
    k: &[i8],
    stride: usize,
    scale: Multiplier,
    scores: &mut [i8],
) -> Result<(), Fault> {
    let (quads, tail) = chunks::<4, _>(q);
    if !(tail.is_empty() && (4..=MAX_HEAD).contains(&q.len()) && scores.len() >= 2 && scale.shift >= 33) {
        return attention::scores(q, k, stride, scale, scores);
    }
    let mut wide = [[0; 2]; MAX_HEAD / 4];
    for (wide, &quad) in wide.iter_mut().zip(quads) {
        *wide = widen(quad);
    }
    let wide = window(&wide, 0, quads.len())?;
    let k = window(k, 0, (scores.len() - 1) * stride + q.len())?;
    isa::score_pairs(wide, k, stride, scale, scores);
    // Of an odd number of keys the last two are a pair once more.
    let last = k.len().checked_sub(stride + q.len()).and_then(|at| k.get(at..));
    if let (1, Some(k), Some(pair)) = (scores.len() % 2, last, scores.last_chunk_mut::<2>()) {
        isa::score_pairs(wide, k, stride, scale, pair);
    }
    Ok(())
}

/// Eight channels at once: for each key 15 instructions for 8 products.
pub(super) fn values(
    p: &[i16],
    v: &[i8],
    stride: usize,
    scale: Multiplier,
    out: &mut [i8],
) -> Result<(), Fault> {
    let (blocks, tail) = chunks_mut::<CHANNELS, _>(out);
    if !tail.is_empty() || p.is_empty() || scale.shift < 33 {
        return attention::values(p, v, stride, scale, out);
    }
    for (block, out) in blocks.iter_mut().enumerate() {
        let v = window(v, block * CHANNELS, (p.len() - 1) * stride + CHANNELS)?;
        let sums = isa::weighted(p, v, stride);
        for (y, z) in out.iter_mut().zip(sums) {
            *y = requantize_i8(z, scale.mantissa, scale.shift);
        }
    }
    Ok(())
}
