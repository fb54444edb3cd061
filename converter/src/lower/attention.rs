//! Attention: one fused instruction, or the three it composes.

use quant::Op;
use quant::mem::Slot;
use quant::ops::{Act, Attention, Exponential, MatMul, Shiftmax};

use super::{Lowering, scales};
use crate::error::ConvertError;
use crate::graph::TensorId;

/// Queries whose scores a kernel may hold at once.
const SCORE_ROWS: u32 = 4;

/// Heads and scales of an attention.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub heads: u32,
    pub product: f64,
    pub score: f64,
}

impl Lowering<'_> {
    pub(super) fn attention(
        &mut self,
        qkv: TensorId,
        out: TensorId,
        head: Head,
        (bits, limit): (u8, u32),
    ) -> Result<(), ConvertError> {
        let name = self.name(out);
        let tokens = self.graph.tensors[qkv].rows;
        let width = self.graph.tensors[out].width;
        let packed = self.i8(qkv)?;
        // Rows of [Q | K | V]: each part starts `width` elements after the one before.
        let part = |index: u32| Slot::<i8>::new(packed.offset + index * width, packed.len - 2 * width);
        let per_head = |ratio: f64| (0..head.heads).map(move |_| ratio);
        let score = scales::channels(&mut self.draft.blobs, &name, per_head(head.product / head.score))?;
        // Probabilities have scale 2⁻¹⁵.
        let weighted = self.scale(qkv) / 32768.0 / self.scale(out);
        let requant = scales::channels(&mut self.draft.blobs, &name, per_head(weighted))?;
        let exp = scales::shift_exp(&name, head.score, bits, tokens, limit)?;
        let exp = self.draft.blobs.push(&exp.table());
        let head_dim = width / head.heads;
        if self.options.fuse {
            let scratch = u64::from(SCORE_ROWS.min(tokens)) * u64::from(tokens);
            // Row by row of `out`, from the queries of the rows that are computed.
            let (queries, skipped) = (self.rows(out), self.needed[out].unwrap_or(0) * 3 * width);
            let q = Slot::<i8>::new(packed.offset + skipped, (queries - 1) * 3 * width + width);
            let op = Attention {
                queries,
                keys: tokens,
                heads: head.heads,
                head_dim,
                q,
                q_stride: 3 * width,
                k: part(1),
                v: part(2),
                kv_stride: 3 * width,
                score,
                exp,
                requant,
                out: self.i8(out)?,
                scores: self.draft.region::<i8>(scratch)?.slot(),
                probabilities: self.draft.region::<i16>(scratch)?.slot(),
            };
            self.draft.push(name, Op::Attention(op));
            return Ok(());
        }
        let all = u64::from(head.heads) * u64::from(tokens) * u64::from(tokens);
        let scores = self.draft.region::<i8>(all)?;
        let probabilities = self.draft.region::<i16>(all)?;
        let stem = name.strip_suffix(".qact2").unwrap_or(&name).to_owned();
        let product = MatMul {
            batch: head.heads,
            m: tokens,
            n: tokens,
            k: head_dim,
            a: Act::I8(part(0)),
            a_batch: head_dim,
            a_row: 3 * width,
            b: part(1),
            b_batch: head_dim,
            b_row: 3 * width,
            transpose_b: true,
            out: Act::I8(scores.slot()),
            out_batch: tokens * tokens,
            out_row: tokens,
            requant: score,
        };
        self.draft.push(format!("{stem}.qact_attn1"), Op::MatMul(product));
        let softmax = Shiftmax {
            rows: head.heads * tokens,
            width: tokens,
            x: Act::I8(scores.slot()),
            exp: Exponential::Table(exp),
            out: Act::I16(probabilities.slot()),
        };
        self.draft.push(format!("{stem}.int_softmax"), Op::Shiftmax(softmax));
        let sum = MatMul {
            batch: head.heads,
            m: tokens,
            n: head_dim,
            k: tokens,
            a: Act::I16(probabilities.slot()),
            a_batch: tokens * tokens,
            a_row: tokens,
            b: part(2),
            b_batch: head_dim,
            b_row: 3 * width,
            transpose_b: false,
            out: Act::I8(self.i8(out)?),
            out_batch: head_dim,
            out_row: width,
            requant,
        };
        self.draft.push(name, Op::MatMul(sum));
        Ok(())
    }
}
