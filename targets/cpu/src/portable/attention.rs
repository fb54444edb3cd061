//! Attention over tiles of queries: scores of a whole tile, then probabilities, then P·V.

use quant::Fault;
use quant::arith::saturate_i8;
use quant::ops::AttentionArgs;
use quant::slice::{rows_mut, window, window_mut};

use super::linear::dot;

/// Channels of P·V accumulated together.
const LANES: usize = 32;

/// As many queries at once as the scratch holds.
#[inline(always)]
pub(crate) fn attention(args: AttentionArgs<'_>) -> Result<(), Fault> {
    let AttentionArgs { keys, heads, head_dim, q_stride, kv_stride, q, k, v, score, requant, exp, .. } = args;
    let width = heads * head_dim;
    let tile = args.scores.len().checked_div(keys).unwrap_or(0);
    if tile == 0 {
        return Err(Fault::Bounds);
    }
    let queries = args.out.len().checked_div(width).unwrap_or(0);
    let mut first = 0;
    while first < queries {
        let count = (queries - first).min(tile);
        for head in 0..heads {
            let at = head * head_dim;
            let scores = window_mut(args.scores, 0, count * keys)?;
            let multiplier = score.window(head, 1)?;
            for (j, key) in (0..keys).map(|j| (j, window(k, j * kv_stride + at, head_dim))) {
                let key = key?;
                for i in 0..count {
                    let query = window(q, (first + i) * q_stride + at, head_dim)?;
                    if let Some(place) = scores.get_mut(i * keys + j) {
                        *place = saturate_i8(multiplier.apply(0, dot(query, key)));
                    }
                }
            }
            let requant = requant.window(head, 1)?;
            for (i, scores) in rows_mut(scores, keys).enumerate() {
                let probabilities = window_mut(args.probabilities, 0, keys)?;
                normalise(scores, exp, probabilities);
                let out = window_mut(args.out, (first + i) * width + at, head_dim)?;
                for (block, out) in out.chunks_mut(LANES).enumerate() {
                    let sums = weighted_sum(probabilities, v, at + block * LANES, kv_stride, out.len())?;
                    for (y, &z) in out.iter_mut().zip(&sums) {
                        *y = saturate_i8(requant.apply(0, z));
                    }
                }
            }
        }
        first += count;
    }
    Ok(())
}

/// Shiftmax of one row of int8 scores to 16-bit probabilities.
#[inline(always)]
fn normalise(scores: &[i8], exp: &[u32; 256], probabilities: &mut [i16]) {
    let max = i32::from(scores.iter().copied().max().unwrap_or(0));
    let exp = |score: i8| exp.get((max - i32::from(score)) as usize).copied().unwrap_or(1);
    let sum = scores.iter().fold(0u32, |sum, &score| sum.wrapping_add(exp(score)));
    let factor = (i32::MAX as u32).checked_div(sum).unwrap_or(0);
    for (p, &score) in probabilities.iter_mut().zip(scores) {
        *p = (exp(score).wrapping_mul(factor) >> 16) as i16;
    }
}

/// `Σ_j p[j] · v[j][at..at + len]`.
#[inline(always)]
fn weighted_sum(p: &[i16], v: &[i8], at: usize, stride: usize, len: usize) -> Result<[i32; LANES], Fault> {
    let mut acc = [0i32; LANES];
    for (j, &p) in p.iter().enumerate() {
        let row = window(v, j * stride + at, len)?;
        if let Ok(row) = <&[i8; LANES]>::try_from(row) {
            for (z, &v) in acc.iter_mut().zip(row) {
                *z += i32::from(p) * i32::from(v);
            }
        } else {
            for (z, &v) in acc.iter_mut().zip(row) {
                *z += i32::from(p) * i32::from(v);
            }
        }
    }
    Ok(acc)
}
