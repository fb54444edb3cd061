//! BinaryAttention: softmax-aware attention over signs, without exponentials or division.
//!
//! ```text
//! s[j] = head_dim − 2·popcount(q ⊕ k[j])                Q·Kᵀ, exact
//! a[j] = 1 if s[j] ≥ max s − distance, else 0
//! y[d] = 2·popcount(a ∧ v[d]) − popcount(a)             Σ a[j]·v[j][d]
//! ```
//!
//! `softmax ≥ max / 4` is `s·scale ≥ max·scale − ln 4` (BiViT, arXiv 2211.07091), so the
//! distance is `⌊ln 4 / scale⌋`; the scale of the attention cancels in the sign of `y`.

use serde::{Deserialize, Serialize};

use super::{Consts, MAX_K};
use crate::bits::{WORD, place};
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Blob, Memory, Slot, Window, span};
use crate::operand::{Role, Tiling, Visitor, VisitorExt};
use crate::slice::{at, rows, window};

/// Most keys: every sum then fits int16.
pub const MAX_BINARY_KEYS: u32 = (1 << 15) - 1;

/// Multi-head attention of `queries` rows of signs over `keys` rows of signs.
///
/// A row of queries or keys is grouped by `head_dim`. Bounds: `head_dim ≤ 2¹⁶`,
/// `keys < 2¹⁵`, so that `|y| ≤ keys` fits int16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinaryAttention {
    /// Query rows; the rows a step may be tiled over.
    pub queries: u32,
    /// Key rows, and elements of each row of values.
    pub keys: u32,
    /// Heads.
    pub heads: u32,
    /// Channels of each head.
    pub head_dim: u32,
    /// Queries, `queries` rows `q_stride` words apart.
    pub q: Slot<u32>,
    /// Words from one query row to the next.
    pub q_stride: u32,
    /// Keys, `keys` rows `k_stride` words apart.
    pub k: Slot<u32>,
    /// Words from one key row to the next.
    pub k_stride: u32,
    /// Values, transposed: `heads · head_dim` bit rows of `keys` elements.
    pub v: Slot<u32>,
    /// For each head the largest distance from the row maximum that is attended to.
    pub distance: Blob<u32>,
    /// Output, `queries × (heads · head_dim)`.
    pub out: BinaryAttentionDestination,
    /// The keys that some queries attend to: a whole number of bit rows of `keys`, at least one.
    pub selected: Slot<u32>,
}

/// Where the sums of a [`BinaryAttention`] go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BinaryAttentionDestination {
    /// Their signs, and which of them are not 0; grouped by `head_dim`.
    Ternary {
        /// Signs, 0 where the sum is 0.
        sign: Slot<u32>,
        /// Which are not 0.
        nonzero: Slot<u32>,
    },
    /// The sums themselves.
    I16(Slot<i16>),
}

impl BinaryAttention {
    const fn width(&self) -> Option<u32> {
        self.heads.checked_mul(self.head_dim)
    }

    /// Words of a row of all heads.
    const fn words(&self) -> Option<u32> {
        self.heads.checked_mul(self.head_dim.div_ceil(WORD))
    }

    /// Reports the operands.
    pub fn operands<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        let (width, words) = (self.width().unwrap_or(u32::MAX), self.words().unwrap_or(u32::MAX));
        visitor.read("q", &mut self.q, Tiling::Rows { stride: self.q_stride, width: words });
        visitor.read("k", &mut self.k, Tiling::Whole);
        visitor.read("v", &mut self.v, Tiling::Whole);
        visitor.constant("distance", &mut self.distance);
        match &mut self.out {
            BinaryAttentionDestination::Ternary { sign, nonzero } => {
                visitor.write("sign", sign, Tiling::rows(words));
                visitor.write("nonzero", nonzero, Tiling::rows(words));
            }
            BinaryAttentionDestination::I16(out) => {
                visitor.typed("out", Role::Write, out, Tiling::rows(width));
            }
        }
        visitor.scratch("selected", &mut self.selected);
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

    /// Dimensions, and the lengths of keys, values and scratch.
    pub fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
        let width = self.width().ok_or(Reject::Dimension)?;
        let words = self.words().ok_or(Reject::Dimension)?;
        if self.queries == 0 || self.keys == 0 || self.keys > MAX_BINARY_KEYS {
            return Err(Reject::Dimension);
        }
        if width == 0 || self.head_dim > MAX_K || self.q_stride < words || self.k_stride < words {
            return Err(Reject::Dimension);
        }
        let row = self.keys.div_ceil(WORD);
        let k = span(self.keys, self.k_stride, words).ok_or(Reject::Dimension)?;
        let v = width.checked_mul(row).ok_or(Reject::Dimension)?;
        if self.k.len != k || self.v.len != v {
            return Err(Reject::SlotLength);
        }
        if self.selected.len == 0 || !self.selected.len.is_multiple_of(row) {
            return Err(Reject::SlotLength);
        }
        consts.get(self.distance, self.heads).map(|_| ())
    }

    /// Runs the queries of `window`.
    pub fn run<K: Kernels>(
        &self,
        kernels: &mut K,
        memory: &mut Memory<'_>,
        window: Window,
    ) -> Result<(), Fault> {
        let width = self.width().ok_or(Fault::Instruction)?;
        let words = self.words().ok_or(Fault::Instruction)?;
        let distance = memory.blob(self.distance)?;
        let q = window.of(self.q, self.q_stride, words)?;
        let (out, selected, rest) = match self.out {
            BinaryAttentionDestination::Ternary { sign, nonzero } => {
                let (sign, nonzero) = (window.of(sign, words, words)?, window.of(nonzero, words, words)?);
                let (sign, nonzero, selected, rest) = memory.split3(sign, nonzero, self.selected)?;
                (BinaryAttentionOut::Ternary { sign, nonzero }, selected, rest)
            }
            BinaryAttentionDestination::I16(out) => {
                let (out, selected, rest) = memory.split2(window.of(out, width, width)?, self.selected)?;
                (BinaryAttentionOut::I16(out), selected, rest)
            }
        };
        kernels.binary_attention(BinaryAttentionArgs {
            queries: window.count as usize,
            keys: self.keys as usize,
            heads: self.heads as usize,
            head_dim: self.head_dim as usize,
            q: rest.read(q)?,
            q_stride: self.q_stride as usize,
            k: rest.read(self.k)?,
            k_stride: self.k_stride as usize,
            v: rest.read(self.v)?,
            distance,
            out,
            selected,
        })
    }
}

/// Slices and dimensions of one step of a [`BinaryAttention`].
#[derive(Debug)]
pub struct BinaryAttentionArgs<'a> {
    /// Query rows.
    pub queries: usize,
    /// Key rows.
    pub keys: usize,
    /// Heads.
    pub heads: usize,
    /// Channels of each head.
    pub head_dim: usize,
    /// Query rows.
    pub q: &'a [u32],
    /// Words from one query row to the next.
    pub q_stride: usize,
    /// Key rows.
    pub k: &'a [u32],
    /// Words from one key row to the next.
    pub k_stride: usize,
    /// Bit rows of `keys` elements, one for each channel.
    pub v: &'a [u32],
    /// Largest distance from the maximum of each head.
    pub distance: &'a [u32],
    /// Output rows.
    pub out: BinaryAttentionOut<'a>,
    /// Scratch: whole bit rows of `keys`.
    pub selected: &'a mut [u32],
}

/// The rows that a [`BinaryAttention`] writes.
#[derive(Debug)]
pub enum BinaryAttentionOut<'a> {
    /// See [`BinaryAttentionDestination::Ternary`].
    Ternary {
        /// Signs.
        sign: &'a mut [u32],
        /// Which are not 0.
        nonzero: &'a mut [u32],
    },
    /// See [`BinaryAttentionDestination::I16`].
    I16(&'a mut [i16]),
}

impl BinaryAttentionOut<'_> {
    /// What a kernel does before it stores.
    pub fn clear(&mut self) {
        match self {
            BinaryAttentionOut::Ternary { sign, nonzero } => {
                sign.fill(0);
                nonzero.fill(0);
            }
            BinaryAttentionOut::I16(_) => {}
        }
    }

    /// Stores the sum `y` of channel `channel` of `query`, where rows have `heads` heads of
    /// `head_dim` channels.
    #[inline(always)]
    pub fn store(
        &mut self,
        (query, channel): (usize, usize),
        (heads, head_dim): (usize, usize),
        y: i32,
    ) -> Result<(), Fault> {
        match self {
            BinaryAttentionOut::Ternary { sign, nonzero } => {
                let (word, bit) = place(channel, head_dim);
                let index = query * heads * head_dim.div_ceil(WORD as usize) + word;
                *sign.get_mut(index).ok_or(Fault::Bounds)? |= u32::from(y > 0) << bit;
                *nonzero.get_mut(index).ok_or(Fault::Bounds)? |= u32::from(y != 0) << bit;
            }
            BinaryAttentionOut::I16(out) => {
                let place = out.get_mut(query * heads * head_dim + channel).ok_or(Fault::Bounds)?;
                *place = y as i16;
            }
        }
        Ok(())
    }
}

/// Scalar reference: one query of one head at a time.
pub fn binary_attention(args: BinaryAttentionArgs<'_>) -> Result<(), Fault> {
    let BinaryAttentionArgs { queries, keys, heads, head_dim, q, q_stride, k, k_stride, v, .. } = args;
    let words = head_dim.div_ceil(WORD as usize);
    let selected = crate::slice::window_mut(args.selected, 0, keys.div_ceil(WORD as usize))?;
    let mut out = args.out;
    out.clear();
    for query in 0..queries {
        for head in 0..heads {
            let q = window(q, query * q_stride + head * words, words)?;
            let distance = at(args.distance, head)?;
            let score = |j: usize| {
                let k = window(k, j * k_stride + head * words, words)?;
                let differ = q.iter().zip(k).map(|(q, k)| (q ^ k).count_ones());
                Ok(head_dim as i32 - 2 * differ.sum::<u32>() as i32)
            };
            let mut max = i32::MIN;
            for j in 0..keys {
                max = max.max(score(j)?);
            }
            selected.fill(0);
            for (j, (word, bit)) in (0..keys).map(|j| (j, place(j, keys))) {
                let attends = max.abs_diff(score(j)?) <= distance;
                *selected.get_mut(word).ok_or(Fault::Bounds)? |= u32::from(attends) << bit;
            }
            let count: u32 = selected.iter().map(|a| a.count_ones()).sum();
            let first = head * head_dim;
            let values = rows(v, selected.len()).skip(first).take(head_dim);
            for (channel, v) in (first..).zip(values) {
                let both: u32 = selected.iter().zip(v).map(|(a, v)| (a & v).count_ones()).sum();
                out.store((query, channel), (heads, head_dim), 2 * both as i32 - count as i32)?;
            }
        }
    }
    Ok(())
}
