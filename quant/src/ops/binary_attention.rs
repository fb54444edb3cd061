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
use crate::operand::{Role, Tiling, Visitor};
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
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        let (width, words) = (self.width().unwrap_or(u32::MAX), self.words().unwrap_or(u32::MAX));
        visitor.read(&mut self.q, Tiling::Rows { stride: self.q_stride, width: words });
        visitor.read(&mut self.k, Tiling::All { stride: self.k_stride, width: words });
        visitor.read(&mut self.v, Tiling::Whole);
        visitor.constant(&mut self.distance);
        match &mut self.out {
            BinaryAttentionDestination::Ternary { sign, nonzero } => {
                visitor.write(sign, Tiling::rows(words));
                visitor.write(nonzero, Tiling::rows(words));
            }
            BinaryAttentionDestination::I16(out) => {
                visitor.slot(Role::Write, out, Tiling::rows(width));
            }
        }
        visitor.scratch(&mut self.selected);
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
        if self.selected.len == 0 || self.selected.len.checked_rem(row) != Some(0) {
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
    // One copy for all callers: it is most of the code of each, and called for many channels.
    #[inline(never)]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::BitTranspose;
    use crate::ops::testing::{Buffer, pack_rows, run};
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    fn signs(len: usize) -> impl Strategy<Value = Vec<i64>> {
        prop_oneof![
            4 => prop::collection::vec(prop_oneof![Just(-1i64), Just(1)], len),
            1 => Just(vec![1; len]),
        ]
    }

    #[derive(Clone, Debug)]
    struct Case {
        queries: usize,
        keys: usize,
        heads: usize,
        head_dim: usize,
        q: Vec<i64>,
        k: Vec<i64>,
        v: Vec<i64>,
    }

    fn case() -> impl Strategy<Value = Case> {
        (1usize..5, 1usize..70, 1usize..4, prop_oneof![1usize..20, 30usize..35]).prop_flat_map(
            |(queries, keys, heads, head_dim)| {
                let width = heads * head_dim;
                (signs(queries * width), signs(keys * width), signs(keys * width))
                    .prop_map(move |(q, k, v)| Case { queries, keys, heads, head_dim, q, k, v })
            },
        )
    }

    impl Case {
        fn width(&self) -> usize {
            self.heads * self.head_dim
        }

        /// Over values of ±1, nothing packed.
        fn naive(&self, distance: &[u32]) -> Vec<i64> {
            let width = self.width();
            let mut out = Vec::new();
            for q in self.q.chunks(width) {
                for channel in 0..width {
                    let head = channel / self.head_dim;
                    let part = head * self.head_dim..(head + 1) * self.head_dim;
                    let score = |k: &[i64]| -> i64 {
                        q[part.clone()].iter().zip(&k[part.clone()]).map(|(q, k)| q * k).sum()
                    };
                    let scores: Vec<i64> = self.k.chunks(width).map(score).collect();
                    let max = scores.iter().copied().max().unwrap();
                    let attended = |&(j, _): &(usize, &i64)| scores[j] >= max - i64::from(distance[head]);
                    let all = scores.iter().enumerate().filter(attended);
                    out.push(all.map(|(j, _)| self.v[j * width + channel]).sum());
                }
            }
            out
        }
    }

    proptest! {
        #[test]
        fn equals_attention_over_values(
            case in case(),
            distance in prop::array::uniform3(prop_oneof![0u32..12, Just(u32::MAX)]),
            tile in 1u32..5,
            more in 1usize..3,
        ) {
            let (width, head_dim) = (case.width(), case.head_dim);
            let (mut arena, mut consts) = (Buffer::new(), Buffer::new());
            let packed = |x: &[i64]| pack_rows(x, width, head_dim).0;
            let (q, k, rows) = (arena.slot(&packed(&case.q)), arena.slot(&packed(&case.k)), arena.slot(&packed(&case.v)));
            let words = (case.heads * head_dim.div_ceil(32)) as u32;
            let row = case.keys.div_ceil(32);
            let v = arena.slot(&vec![0u32; width * row]);
            let (queries, keys, heads) = (case.queries as u32, case.keys as u32, case.heads as u32);
            let group = head_dim as u32;
            let transpose = BitTranspose { rows: keys, width: width as u32, group, x: rows, stride: words, out: v };
            let dirty = vec![u32::MAX; case.queries * words as usize];
            let (sign, nonzero) = (arena.slot(&dirty), arena.slot(&dirty));
            let sums = arena.slot(&vec![0x5a5ai16; case.queries * width]);
            let selected = arena.slot(&vec![u32::MAX; row * more]);
            let op = BinaryAttention {
                queries, keys, heads, head_dim: group, q, q_stride: words, k, k_stride: words, v,
                distance: consts.blob(&distance[..case.heads]),
                out: BinaryAttentionDestination::I16(sums),
                selected,
            };
            let signs = BinaryAttention { out: BinaryAttentionDestination::Ternary { sign, nonzero }, ..op };
            let all = Consts::new(consts.bytes());
            prop_assert_eq!([transpose.check(&all), op.check(&all), signs.check(&all)], [Ok(()); 3]);
            let done = run(transpose, &arena, &consts, 1).unwrap();
            let done = run(op, &done, &consts, tile).unwrap();
            let done = run(signs, &done, &consts, tile).unwrap();
            let want = case.naive(&distance);
            let got: Vec<i64> = done.get(sums).into_iter().map(i64::from).collect();
            prop_assert_eq!(&got, &want);
            let signum: Vec<i64> = want.iter().map(|y| y.signum()).collect();
            prop_assert_eq!((done.get(sign), done.get(nonzero)), pack_rows(&signum, width, head_dim));
        }
    }

    #[test]
    fn the_largest_sum_fits() {
        let keys = MAX_BINARY_KEYS as usize;
        let row = keys.div_ceil(32);
        let (k, v) = (vec![1u32; keys], [vec![u32::MAX; row], vec![0; row]].concat());
        let (mut out, mut selected) = ([0i16; 2], vec![0; row]);
        let args = BinaryAttentionArgs {
            queries: 1,
            keys,
            heads: 1,
            head_dim: 2,
            q: &[0b11],
            q_stride: 1,
            k: &k,
            k_stride: 1,
            v: &v,
            distance: &[0],
            out: BinaryAttentionOut::I16(&mut out),
            selected: &mut selected,
        };
        binary_attention(args).unwrap();
        assert_eq!(out, [i16::MAX, -i16::MAX]);
    }

    #[test]
    fn the_checker_refuses_hostile_records() {
        let mut consts = Buffer::new();
        let distance = consts.blob(&[0u32, 1]);
        let slot = |len| Slot::<u32>::new(0, len);
        let op = BinaryAttention {
            queries: 3,
            keys: 33,
            heads: 2,
            head_dim: 5,
            q: slot(6),
            q_stride: 2,
            k: slot(32 * 3 + 2),
            k_stride: 3,
            v: slot(20),
            distance,
            out: BinaryAttentionDestination::I16(Slot::new(0, 30)),
            selected: slot(4),
        };
        let check = |op: BinaryAttention| op.check(&Consts::new(consts.bytes()));
        assert_eq!(check(op), Ok(()));
        for broken in [
            BinaryAttention { queries: 0, ..op },
            BinaryAttention { keys: 0, ..op },
            BinaryAttention { keys: MAX_BINARY_KEYS + 1, ..op },
            BinaryAttention { heads: 0, ..op },
            BinaryAttention { head_dim: 0, ..op },
            BinaryAttention { head_dim: MAX_K + 1, ..op },
            BinaryAttention { heads: u32::MAX, ..op },
            BinaryAttention { q_stride: 1, ..op },
            BinaryAttention { k_stride: 1, ..op },
            BinaryAttention { k_stride: u32::MAX, ..op },
        ] {
            assert_eq!(check(broken), Err(Reject::Dimension), "{broken:?}");
        }
        for broken in [
            BinaryAttention { k: slot(32 * 3 + 3), ..op },
            BinaryAttention { v: slot(10), ..op },
            BinaryAttention { selected: slot(0), ..op },
            BinaryAttention { selected: slot(3), ..op },
        ] {
            assert_eq!(check(broken), Err(Reject::SlotLength), "{broken:?}");
        }
        assert_eq!(check(BinaryAttention { heads: 1, v: slot(10), ..op }), Err(Reject::SlotLength));
        let one = BinaryAttention { heads: 1, head_dim: 10, k: slot(32 * 3 + 1), v: slot(20), ..op };
        assert_eq!(check(one), Err(Reject::BlobLength));
    }
}
