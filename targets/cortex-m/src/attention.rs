//! Attention, one query of one head at a time.

use quant::Fault;
use quant::arith::saturate_i8;
use quant::ops::AttentionArgs;
use quant::slice::{rows_mut, window};

use crate::shiftmax::probabilities;

/// Channels of P·V that are summed together: as many as registers hold.
const CHANNELS: usize = 4;

/// Scores, probabilities and P·V of the queries in `args`.
pub(crate) fn attention(args: AttentionArgs<'_>) -> Result<(), Fault> {
    let AttentionArgs { keys, heads, head_dim, kv_stride, .. } = args;
    let scores = args.scores.get_mut(..keys).ok_or(Fault::Bounds)?;
    let row = args.probabilities.get_mut(..keys).ok_or(Fault::Bounds)?;
    for (i, out) in rows_mut(args.out, heads * head_dim).enumerate() {
        for (head, out) in rows_mut(out, head_dim).enumerate() {
            let at = head * head_dim;
            let q = window(args.q, i * args.q_stride + at, head_dim)?;
            for (j, score) in scores.iter_mut().enumerate() {
                *score = saturate_i8(
                    args.score.apply(head, dot(q, window(args.k, j * kv_stride + at, head_dim)?)),
                );
            }
            probabilities(scores, args.exp, row);
            for (block, out) in out.chunks_mut(CHANNELS).enumerate() {
                let v = args.v.get(at + block * CHANNELS..).ok_or(Fault::Bounds)?;
                let sums = weighted(row, v, kv_stride, out.len())?;
                for (y, &z) in out.iter_mut().zip(&sums) {
                    *y = saturate_i8(args.requant.apply(head, z));
                }
            }
        }
    }
    Ok(())
}

/// `Σ a[i] · b[i]`.
#[inline(always)]
fn dot(a: &[i8], b: &[i8]) -> i32 {
    #[cfg(all(target_arch = "arm", feature = "mve"))]
    return crate::mve::dot(a, b);
    #[cfg(all(target_arch = "arm", feature = "dsp", not(feature = "mve")))]
    return crate::dsp::dot(a, b);
    #[cfg(not(all(target_arch = "arm", any(feature = "dsp", feature = "mve"))))]
    a.iter().zip(b).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum()
}

/// `Σ_j p[j] · v[j · stride + c]` for the first `len` channels.
#[inline(always)]
fn weighted(p: &[i16], v: &[i8], stride: usize, len: usize) -> Result<[i32; CHANNELS], Fault> {
    let mut sums = [0i32; CHANNELS];
    if len == CHANNELS {
        let mut rest = v;
        for &p in p {
            let (head, _) = rest.split_first_chunk::<CHANNELS>().ok_or(Fault::Bounds)?;
            for (z, &v) in sums.iter_mut().zip(head) {
                *z += i32::from(p) * i32::from(v);
            }
            rest = rest.get(stride..).unwrap_or(&[]);
        }
    } else {
        for (j, &p) in p.iter().enumerate() {
            for (z, &v) in sums.iter_mut().zip(window(v, j * stride, len)?) {
                *z += i32::from(p) * i32::from(v);
            }
        }
    }
    Ok(sums)
}
