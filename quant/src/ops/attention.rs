//! Attention: `requantize(Shiftmax(requantize(Q·Kᵀ)) · V)` for every head, as one op.
//!
//! Equal to [`MatMul`](super::MatMul) → [`Shiftmax`](super::Shiftmax) →
//! [`MatMul`](super::MatMul) on every input. Scores are int8, probabilities int16 of
//! scale 2⁻¹⁵, each floored once: row maximum, sum, then P·V. Rescaling on the way
//! (online softmax) would round twice and is ruled out.

use serde::{Deserialize, Serialize};

use super::shiftmax::check_table;
use super::{Channels, ChannelsRef, Consts, ExponentialRef, MAX_K, ShiftmaxArgs, Tensor, TensorMut};
use crate::arith::saturate_i8;
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Blob, Memory, Slot, Window};
use crate::operand::{Tiling, Visitor};
use crate::slice::{rows_mut, window};

/// Multi-head attention of `queries` rows over `keys` rows.
///
/// Head `h` of a row lies at elements `h·head_dim .. (h+1)·head_dim`. Bounds:
/// `head_dim ≤ 2¹⁶` (int8 scores in int32), `keys · max e ≤ 2³¹ − 1` (Shiftmax); P·V then
/// stays below `32767 · 128 < 2²²` whatever the number of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attention {
    /// Query rows; the rows a step may be tiled over.
    pub queries: u32,
    /// Key and value rows.
    pub keys: u32,
    /// Heads.
    pub heads: u32,
    /// Channels of each head.
    pub head_dim: u32,
    /// Queries, `queries` rows `q_stride` apart.
    pub q: Slot<i8>,
    /// Elements from one query row to the next.
    pub q_stride: u32,
    /// Keys, `keys` rows `kv_stride` apart.
    pub k: Slot<i8>,
    /// Values, likewise.
    pub v: Slot<i8>,
    /// Elements from one key or value row to the next.
    pub kv_stride: u32,
    /// Score multiplier of each head: `s_q · s_k / (√head_dim · s_score)`.
    pub score: Channels,
    /// Exponentials of all 256 distances between int8 scores.
    pub exp: Blob<u32>,
    /// Output multiplier of each head: `s_v · 2⁻¹⁵ / s_out`.
    pub requant: Channels,
    /// Output, `queries × (heads · head_dim)`.
    pub out: Slot<i8>,
    /// Scores of some queries: a whole number of rows of `keys`, at least one.
    pub scores: Slot<i8>,
    /// Probabilities of as many queries.
    pub probabilities: Slot<i16>,
}

impl Attention {
    const fn width(&self) -> Option<u32> {
        self.heads.checked_mul(self.head_dim)
    }

    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        let width = self.width().unwrap_or(u32::MAX);
        visitor.read(&mut self.q, Tiling::Rows { stride: self.q_stride, width });
        let every = Tiling::All { stride: self.kv_stride, width };
        visitor.read(&mut self.k, every);
        visitor.read(&mut self.v, every);
        self.score.operands(visitor);
        visitor.constant(&mut self.exp);
        self.requant.operands(visitor);
        visitor.write(&mut self.out, Tiling::rows(width));
        visitor.scratch(&mut self.scores);
        visitor.scratch(&mut self.probabilities);
    }

    /// Query rows.
    pub fn rows(&self) -> u32 {
        self.queries
    }

    /// `2 · heads · queries · keys · head_dim`.
    pub fn macs(&self) -> u64 {
        let width = u64::from(self.heads).saturating_mul(self.head_dim.into());
        width.saturating_mul(self.queries.into()).saturating_mul(self.keys.into()).saturating_mul(2)
    }

    /// Dimensions, scratch sizes, multipliers, and the bounds of Shiftmax.
    pub fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
        let width = self.width().ok_or(Reject::Dimension)?;
        if self.queries == 0 || self.keys == 0 || width == 0 || self.head_dim > MAX_K {
            return Err(Reject::Dimension);
        }
        if self.q_stride < width || self.kv_stride < width {
            return Err(Reject::Dimension);
        }
        let kv = crate::mem::span(self.keys, self.kv_stride, width).ok_or(Reject::Dimension)?;
        if self.k.len != kv || self.v.len != kv {
            return Err(Reject::SlotLength);
        }
        let tile = self.scores.len / self.keys;
        if tile == 0
            || tile.checked_mul(self.keys) != Some(self.scores.len)
            || self.probabilities.len != self.scores.len
        {
            return Err(Reject::SlotLength);
        }
        self.score.check(consts, self.heads)?;
        self.requant.check(consts, self.heads)?;
        check_table(consts, self.exp, self.keys).map(|_| ())
    }

    /// Runs the queries of `window`.
    pub fn run<K: Kernels>(
        &self,
        kernels: &mut K,
        memory: &mut Memory<'_>,
        window: Window,
    ) -> Result<(), Fault> {
        let width = self.width().ok_or(Fault::Instruction)?;
        let exp = memory.blob(self.exp)?.try_into().map_err(|_| Fault::Bounds)?;
        let (score, requant) = (self.score.load(memory)?, self.requant.load(memory)?);
        let q = window.of(self.q, self.q_stride, width)?;
        let out = window.of(self.out, width, width)?;
        let (out, scores, probabilities, rest) = memory.split3(out, self.scores, self.probabilities)?;
        kernels.attention(AttentionArgs {
            keys: self.keys as usize,
            heads: self.heads as usize,
            head_dim: self.head_dim as usize,
            q: rest.read(q)?,
            q_stride: self.q_stride as usize,
            k: rest.read(self.k)?,
            v: rest.read(self.v)?,
            kv_stride: self.kv_stride as usize,
            score,
            exp,
            requant,
            out,
            scores,
            probabilities,
        })
    }
}

/// Slices and dimensions of one step of an [`Attention`].
#[derive(Debug)]
pub struct AttentionArgs<'a> {
    /// Key and value rows.
    pub keys: usize,
    /// Heads.
    pub heads: usize,
    /// Channels of each head.
    pub head_dim: usize,
    /// Query rows.
    pub q: &'a [i8],
    /// Elements from one query row to the next.
    pub q_stride: usize,
    /// Key rows.
    pub k: &'a [i8],
    /// Value rows.
    pub v: &'a [i8],
    /// Elements from one key or value row to the next.
    pub kv_stride: usize,
    /// Score multiplier of each head.
    pub score: ChannelsRef<'a>,
    /// Exponentials of all distances.
    pub exp: &'a [u32; 256],
    /// Output multiplier of each head.
    pub requant: ChannelsRef<'a>,
    /// Output rows of `heads · head_dim`; their number is the number of queries.
    pub out: &'a mut [i8],
    /// Scratch: whole rows of `keys`.
    pub scores: &'a mut [i8],
    /// Scratch: as many rows of `keys`.
    pub probabilities: &'a mut [i16],
}

/// Scalar reference: one query of one head at a time.
pub fn attention(args: AttentionArgs<'_>) -> Result<(), Fault> {
    let AttentionArgs { keys, heads, head_dim, kv_stride, .. } = args;
    let scores = args.scores.get_mut(..keys).ok_or(Fault::Bounds)?;
    let probabilities = args.probabilities.get_mut(..keys).ok_or(Fault::Bounds)?;
    let shiftmax = ShiftmaxArgs { width: keys, exp: ExponentialRef::Table(args.exp) };
    for (i, out) in rows_mut(args.out, heads * head_dim).enumerate() {
        for (head, out) in rows_mut(out, head_dim).enumerate() {
            let at = head * head_dim;
            let q = window(args.q, i * args.q_stride + at, head_dim)?;
            for (j, score) in scores.iter_mut().enumerate() {
                let k = window(args.k, j * kv_stride + at, head_dim)?;
                let dot = q.iter().zip(k).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum();
                *score = saturate_i8(args.score.apply(head, dot));
            }
            super::shiftmax::shiftmax(&shiftmax, Tensor::I8(scores), &mut TensorMut::I16(probabilities))?;
            weighted_sum(probabilities, args.v, at, kv_stride, &args.requant, head, out)?;
        }
    }
    Ok(())
}

/// Channels of P·V accumulated together by the reference.
const BLOCK: usize = 16;

/// `out[d] = requantize(Σ_j p[j] · v[j][at + d])` with the multiplier of `head`.
fn weighted_sum(
    probabilities: &[i16],
    v: &[i8],
    at: usize,
    kv_stride: usize,
    requant: &ChannelsRef<'_>,
    head: usize,
    out: &mut [i8],
) -> Result<(), Fault> {
    for (block, out) in out.chunks_mut(BLOCK).enumerate() {
        let mut acc = [0i32; BLOCK];
        for (j, &p) in probabilities.iter().enumerate() {
            let row = window(v, j * kv_stride + at + block * BLOCK, out.len())?;
            for (z, &v) in acc.iter_mut().zip(row) {
                *z += i32::from(p) * i32::from(v);
            }
        }
        for (y, &z) in out.iter_mut().zip(&acc) {
            *y = saturate_i8(requant.apply(head, z));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arith::ShiftExp;
    use crate::ops::testing::{Buffer, run};
    use crate::ops::{Act, Exponential, MatMul, Shiftmax};
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    fn filled(seed: i32, len: u32, extreme: bool) -> Vec<i8> {
        (0..len).map(|i| if extreme { i8::MIN } else { crate::hash::mix(i, seed) as i8 }).collect()
    }

    proptest! {
        /// The claim of the module documentation, over one packed q/k/v buffer and any tile.
        #[test]
        fn equals_the_three_ops_it_fuses(
            (queries, keys, heads, head_dim) in (1u32..6, 1u32..20, 1u32..4, 1u32..20),
            (seed, extreme, tile, unit) in (any::<i32>(), any::<bool>(), 1u32..7, 1u32..100),
            multipliers in prop::array::uniform3((any::<[i32; 2]>(), prop::array::uniform2(36u8..=44))),
        ) {
            let (mut arena, mut consts) = (Buffer::new(), Buffer::new());
            let width = heads * head_dim;
            let qkv = arena.slot(&filled(seed, keys.max(queries) * 3 * width, extreme));
            let part = |rows: u32, at: u32| qkv.sub(at * width, (rows - 1) * 3 * width + width).unwrap();
            let mut channels = |which: usize| Channels {
                mantissa: consts.blob(&multipliers.map(|(m, _)| m[which])[..heads as usize]),
                shift: consts.blob(&multipliers.map(|(_, e)| e[which])[..heads as usize]),
            };
            let (score, requant) = (channels(0), channels(1));
            let exp = consts.blob(&ShiftExp { unit, bits: 12 }.table());
            let (q, k, v) = (part(queries, 0), part(keys, 1), part(keys, 2));
            let scores = arena.slot(&vec![0i8; (heads * queries * keys) as usize]);
            let probabilities = arena.slot(&vec![0i16; (heads * queries * keys) as usize]);
            let (out, fused) = (arena.slot(&filled(1, queries * width, false)), arena.slot(&filled(2, queries * width, false)));
            let product = |a, b, out| MatMul {
                batch: heads,
                m: queries,
                n: keys,
                k: head_dim,
                a,
                a_batch: head_dim,
                a_row: 3 * width,
                b,
                b_batch: head_dim,
                b_row: 3 * width,
                transpose_b: true,
                out,
                out_batch: queries * keys,
                out_row: keys,
                requant: score,
            };
            let attention = Attention {
                queries, keys, heads, head_dim, q, k, v, score, exp, requant,
                q_stride: 3 * width,
                kv_stride: 3 * width,
                out: fused,
                scores: scores.sub(0, keys).unwrap(),
                probabilities: probabilities.sub(0, keys).unwrap(),
            };
            let first = product(Act::I8(q), k, Act::I8(scores));
            let softmax = Shiftmax {
                rows: heads * queries,
                width: keys,
                x: Act::I8(scores),
                exp: Exponential::Table(exp),
                out: Act::I16(probabilities),
            };
            let second = MatMul {
                n: head_dim,
                k: keys,
                a_batch: queries * keys,
                a_row: keys,
                transpose_b: false,
                out_batch: head_dim,
                out_row: width,
                requant,
                ..product(Act::I16(probabilities), v, Act::I8(out))
            };
            let all = Consts::new(consts.bytes());
            prop_assert_eq!([first.check(&all), softmax.check(&all), second.check(&all), attention.check(&all)], [Ok(()); 4]);
            let done = run(first, &arena, &consts, 1).unwrap();
            let done = run(softmax, &done, &consts, tile).unwrap();
            let done = run(second, &done, &consts, 1).unwrap();
            let done = run(attention, &done, &consts, tile).unwrap();
            prop_assert_eq!(done.get(fused), done.get(out));
        }
    }
}
