//! Scores and P·V by vectors.

use quant::Fault;
use quant::arith::Multiplier;
use quant::slice::{chunks_mut, window, window_mut};

use super::isa;
use crate::attention;

/// Inputs of a vector of a score.
pub(super) const LANES: usize = 16;
/// Keys whose sums are held at once.
const KEYS: usize = 64;
/// Channels of P·V that are summed together.
pub(super) const CHANNELS: usize = 16;

/// Heads of whole vectors: two keys a pass, 16 products for each multiplication.
pub(super) fn scores(
    q: &[i8],
    k: &[i8],
    stride: usize,
    scale: Multiplier,
    scores: &mut [i8],
) -> Result<(), Fault> {
    if q.is_empty() || q.len() % LANES != 0 || scores.len() < 2 || scale.shift < 33 {
        return attention::scores(q, k, stride, scale, scores);
    }
    let mut sums = [0; KEYS];
    let mut first = 0;
    while first < scores.len() {
        // A single key at the end has the one before it for company.
        let start = first.min(scores.len() - 2);
        let count = (scores.len() - start).min(KEYS) & !1;
        let k = window(k, start * stride, (count - 1) * stride + q.len())?;
        let sums = window_mut(&mut sums, 0, count)?;
        isa::key_products(q, k, stride, sums);
        isa::requantize(sums, scale, window_mut(scores, start, count)?);
        first = start + count;
    }
    Ok(())
}

/// Heads of whole blocks of channels: a key takes 11 instructions for 16 products.
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
        isa::requantize(&sums, scale, out);
    }
    Ok(())
}
