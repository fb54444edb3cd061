//! Attention, one query of one head at a time.

use quant::Fault;
use quant::arith::{Multiplier, saturate_i8};
use quant::ops::{AttentionArgs, ChannelsRef};
use quant::slice::{rows_mut, window};

use crate::rows::RowOps;

/// Scores, probabilities and P·V of the queries in `args`.
pub(crate) fn attention<C: RowOps>(args: AttentionArgs<'_>) -> Result<(), Fault> {
    let AttentionArgs { keys, heads, head_dim, kv_stride, .. } = args;
    let scores = args.scores.get_mut(..keys).ok_or(Fault::Bounds)?;
    let row = args.probabilities.get_mut(..keys).ok_or(Fault::Bounds)?;
    for (i, out) in rows_mut(args.out, heads * head_dim).enumerate() {
        for (head, out) in rows_mut(out, head_dim).enumerate() {
            let at = head * head_dim;
            let q = window(args.q, i * args.q_stride + at, head_dim)?;
            let [k, v] = [args.k, args.v].map(|x| x.get(at..).unwrap_or(&[]));
            scores_of(q, k, kv_stride, multiplier(&args.score, head)?, scores)?;
            C::probabilities(scores, args.exp, row);
            values(row, v, kv_stride, multiplier(&args.requant, head)?, out)?;
        }
    }
    Ok(())
}

pub(crate) fn multiplier(scales: &ChannelsRef<'_>, head: usize) -> Result<Multiplier, Fault> {
    let constants = scales.mantissa.get(head).zip(scales.shift.get(head));
    constants.map(|(&mantissa, &shift)| Multiplier { mantissa, shift }).ok_or(Fault::Bounds)
}

/// `scores[j] = saturate(scale · Σ_i q[i] · k[j · stride + i])`.
fn scores_of(q: &[i8], k: &[i8], stride: usize, scale: Multiplier, scores: &mut [i8]) -> Result<(), Fault> {
    for (j, score) in scores.iter_mut().enumerate() {
        let k = window(k, j * stride, q.len())?;
        let sum = q.iter().zip(k).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
        *score = saturate_i8(scale.apply(sum));
    }
    Ok(())
}

/// Channels of P·V that are summed together: as many as registers hold.
const CHANNELS: usize = 4;

/// `out[c] = saturate(scale · Σ_j p[j] · v[j · stride + c])`.
fn values(p: &[i16], v: &[i8], stride: usize, scale: Multiplier, out: &mut [i8]) -> Result<(), Fault> {
    for (block, out) in out.chunks_mut(CHANNELS).enumerate() {
        let v = v.get(block * CHANNELS..).ok_or(Fault::Bounds)?;
        let sums = weighted(p, v, stride, out.len())?;
        for (y, &z) in out.iter_mut().zip(&sums) {
            *y = saturate_i8(scale.apply(z));
        }
    }
    Ok(())
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
