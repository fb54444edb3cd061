use proptest::prelude::*;
use quant::Op;
use quant::mem::{Slot, span};
use quant::ops::Attention;

use super::{Generated, size};
use crate::case::{Builder, Case};
use crate::source::Source;

/// Dimensions of an attention.
#[derive(Clone, Copy, Debug)]
pub struct AttentionShape {
    /// Query rows.
    pub queries: u32,
    /// Key and value rows.
    pub keys: u32,
    /// Heads.
    pub heads: u32,
    /// Channels of each head.
    pub head_dim: u32,
    /// Unused elements after each query, key and value row.
    pub gap: u32,
    /// Rows of scores that a kernel may hold.
    pub score_rows: u32,
    /// Whether queries, keys and values are parts of the same rows.
    pub packed: bool,
}

impl AttentionShape {
    /// Elements of a row of all heads.
    pub fn width(self) -> u32 {
        self.heads * self.head_dim
    }

    /// An attention of this shape.
    pub fn op(self, b: &mut Builder, s: &mut Source, out: Slot<i8>) -> Attention {
        let Self { queries, keys, heads, head_dim, gap, score_rows, packed } = self;
        let width = self.width();
        let stride = if packed { 3 * width + gap } else { width + gap };
        let len = |rows| span(rows, stride, width).expect("small");
        let [q, k, v] = if packed {
            let all = b.input(&s.values::<i8>(keys.max(queries) * stride));
            let part = |index, rows| Slot::new(all.offset + index * width, len(rows));
            [part(0, queries), part(1, keys), part(2, keys)]
        } else {
            [queries, keys, keys].map(|rows| b.input(&s.values::<i8>(len(rows))))
        };
        Attention {
            queries,
            keys,
            heads,
            head_dim,
            q,
            q_stride: stride,
            k,
            v,
            kv_stride: stride,
            score: b.channels(s, heads, 1),
            exp: b.blob(&s.exponentials(keys, 16)),
            requant: b.channels(s, heads, 1),
            out,
            scores: b.slot(score_rows * keys),
            probabilities: b.slot(score_rows * keys),
        }
    }
}

/// Few and many keys, one and several heads.
pub fn attention_shape() -> BoxedStrategy<AttentionShape> {
    let rows = prop_oneof![7 => (size(), size()), 1 => (5u32..14, 60u32..140), 1 => (1u32..3, 300u32..700)];
    let heads =
        prop_oneof![4 => (1u32..=4, 1u32..=9), 1 => (1u32..=2, 15u32..=33), 1 => (Just(1), 250u32..260)];
    (rows, heads, 0u32..3, 1u32..=5, any::<bool>())
        .prop_map(|((queries, keys), (heads, head_dim), gap, score_rows, packed)| AttentionShape {
            queries,
            keys,
            heads,
            head_dim,
            gap,
            score_rows,
            packed,
        })
        .boxed()
}

impl Generated for Attention {
    fn cases() -> BoxedStrategy<Case> {
        let make = |(shape, seed): (AttentionShape, u64)| {
            Case::one_op(format!("{shape:?} seed {seed}"), move |b| {
                let out = b.out(shape.queries * shape.width());
                Op::Attention(shape.op(b, &mut Source::new(seed), out))
            })
        };
        (attention_shape(), any::<u64>()).prop_map(make).boxed()
    }
}
