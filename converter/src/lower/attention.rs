//! Attention: one fused instruction, or the three it composes.

use quant::Op;
use quant::mem::Slot;
use quant::ops::{Act, Attention, Exponential, MatMul, Permute, Shiftmax};

use super::lowering::Lowering;
use super::scales;
use crate::error::ConvertError;
use crate::graph::{ExpBits, Strided, TensorId};

/// Queries whose scores a kernel may hold at once.
const SCORE_ROWS: u32 = 4;

/// An attention of the graph.
#[derive(Clone, Copy)]
pub(super) struct Heads<'g> {
    pub q: Strided,
    pub k: Strided,
    pub v: Strided,
    pub keys: u32,
    pub out: TensorId,
    pub heads: u32,
    pub head_dim: u32,
    pub products: &'g [f64],
    pub score: f64,
    pub exponential: ExpBits,
}

impl Lowering<'_> {
    pub(super) fn attention(&mut self, node: Heads<'_>) -> Result<(), ConvertError> {
        let Heads { out, heads, head_dim, keys, .. } = node;
        let name = self.name(out);
        let (queries, width) = (self.graph.tensors[out].rows, heads * head_dim);
        // From the first element of a row to the last of its heads.
        let span = |part: Strided| (heads - 1) * part.batch as u32 + head_dim;
        let score =
            scales::channels(&mut self.draft.blobs, &name, node.products.iter().map(|p| p / node.score))?;
        // Probabilities have scale 2⁻¹⁵.
        let weighted = self.scale(node.v.tensor) / 32768.0 / self.scale(out);
        let requant = scales::channels(&mut self.draft.blobs, &name, (0..heads).map(|_| weighted))?;
        let exp = scales::exp_table(&name, node.score, node.exponential, keys)?;
        let exp = self.draft.blobs.push(&exp);
        if self.options.fuse && fusable([&node.q, &node.k, &node.v], head_dim) {
            let scratch = u64::from(SCORE_ROWS.min(queries)) * u64::from(keys);
            // Row by row of `out`, from the queries of the rows that are computed.
            let skipped = self.needed[out].unwrap_or(0) as usize * node.q.row;
            let q = Strided { offset: node.q.offset + skipped, ..node.q };
            let ([k, v], kv_stride) = self.keys_and_values(&node)?;
            let op = Attention {
                queries: self.rows(out),
                keys,
                heads,
                head_dim,
                q: self.strided(q, self.rows(out), span(q))?,
                q_stride: node.q.row as u32,
                k,
                v,
                kv_stride,
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
        let all = u64::from(heads) * u64::from(queries) * u64::from(keys);
        let scores = self.draft.region::<i8>(all)?;
        let probabilities = self.draft.region::<i16>(all)?;
        let stem = name.strip_suffix(".qact2").unwrap_or(&name).to_owned();
        let product = MatMul {
            batch: heads,
            m: queries,
            n: keys,
            k: head_dim,
            a: Act::I8(self.strided(node.q, queries, span(node.q))?),
            a_batch: node.q.batch as u32,
            a_row: node.q.row as u32,
            b: self.strided(node.k, keys, span(node.k))?,
            b_batch: node.k.batch as u32,
            b_row: node.k.row as u32,
            transpose_b: true,
            out: Act::I8(scores.slot()),
            out_batch: queries * keys,
            out_row: keys,
            requant: score,
        };
        self.draft.push(format!("{stem}.qact_attn1"), Op::MatMul(product));
        let softmax = Shiftmax {
            rows: heads * queries,
            width: keys,
            x: Act::I8(scores.slot()),
            exp: Exponential::Table(exp),
            out: Act::I16(probabilities.slot()),
        };
        self.draft.push(format!("{stem}.int_softmax"), Op::Shiftmax(softmax));
        let sum = MatMul {
            batch: heads,
            m: queries,
            n: head_dim,
            k: keys,
            a: Act::I16(probabilities.slot()),
            a_batch: queries * keys,
            a_row: keys,
            b: self.strided(node.v, keys, span(node.v))?,
            b_batch: node.v.batch as u32,
            b_row: node.v.row as u32,
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

impl Lowering<'_> {
    /// Keys and values, and the one distance of their rows: those between other columns are copied
    /// where the distances differ.
    fn keys_and_values(&mut self, node: &Heads<'_>) -> Result<([Slot<i8>; 2], u32), ConvertError> {
        let (rows, width) = (node.keys, node.heads * node.head_dim);
        let [k, v] = [self.strided(node.k, rows, width)?, self.strided(node.v, rows, width)?];
        if node.k.row == node.v.row {
            return Ok(([k, v], node.k.row as u32));
        }
        let mut apart = |part: Strided, x: Slot<i8>| -> Result<Slot<i8>, ConvertError> {
            if part.row == width as usize {
                return Ok(x);
            }
            let out = self.draft.region::<i8>(u64::from(rows) * u64::from(width))?.slot();
            let (shape, strides) = ([rows, 1, 1, width], [part.row as u32, 0, 0, 1]);
            let copy = Permute { shape, strides, x: Act::I8(x), out: Act::I8(out) };
            self.draft.push(format!("{}.heads", self.graph.tensors[part.tensor].name), Op::Permute(copy));
            Ok(out)
        };
        let (k, v) = (apart(node.k, k)?, apart(node.v, v)?);
        Ok(([k, v], width))
    }
}

/// Whether the fused instruction can read queries, keys and values: heads side by side in
/// every row.
pub(super) fn fusable(parts: [&Strided; 3], head_dim: u32) -> bool {
    parts.into_iter().all(|part| part.batch == head_dim as usize)
}
