//! Attention, without the scores in memory.

mod cooperative;

use quant::ops::{Attention, Channels};

pub(in crate::ops) use self::cooperative::{FORMS, Form};
use super::Reason;
use super::element::{element, slot};
use crate::plan::{Dispatch, Larger, Planner, WORKGROUP_BYTES, grid};
use crate::source::Source;

/// Where an attention's rows lie, in bytes, and what a head takes of one.
#[derive(Clone, Copy)]
struct Rows {
    q: u32,
    k: u32,
    v: u32,
    out: u32,
    q_stride: u32,
    kv_stride: u32,
    out_stride: u32,
    head_dim: u32,
}

impl Rows {
    /// Those that the record says.
    fn of(op: &Attention) -> Self {
        Self {
            q: op.q.offset,
            k: op.k.offset,
            v: op.v.offset,
            out: op.out.offset,
            q_stride: op.q_stride,
            kv_stride: op.kv_stride,
            out_stride: op.heads * op.head_dim,
            head_dim: op.head_dim,
        }
    }

    /// Whether every head of every row begins at a multiple of `unit` bytes.
    fn begin_at(self, unit: u32) -> bool {
        let Self { q, k, v, out, q_stride, kv_stride, out_stride, head_dim } = self;
        [q, k, v, out, q_stride, kv_stride, out_stride, head_dim]
            .iter()
            .all(|bytes| bytes.is_multiple_of(unit))
    }
}

/// Where an attention has heads that begin within a word, it runs on copies of its operands, in
/// which they do not.
pub(super) fn attention(op: &Attention, planner: &mut Planner<'_>) -> Result<(), Reason> {
    let rows = Rows::of(op);
    if rows.begin_at(4) {
        planner.push(exact(op, planner, rows));
        return Ok(());
    }
    let head_dim = rows.head_dim.next_multiple_of(4);
    let stride = u64::from(op.heads) * u64::from(head_dim);
    let mut place = |rows: u64| planner.scratch(stride.saturating_mul(rows)).ok_or(TOO_LARGE);
    let q = place(u64::from(op.queries) + 2 * u64::from(op.keys))?;
    let out = place(op.queries.into())?;
    // Less than what was placed.
    let stride = stride as u32;
    let k = q + op.queries * stride;
    let v = k + op.keys * stride;
    let spread = Rows { q, k, v, out, q_stride: stride, kv_stride: stride, out_stride: stride, head_dim };
    planner.push(gather(op, spread));
    planner.push(exact(op, planner, spread));
    planner.push(scatter(op, spread));
    Ok(())
}

const TOO_LARGE: Reason = "copies of its operands exceed what can be addressed";

/// Copies queries, keys and values to `to`, with zeros between heads.
fn gather(op: &Attention, to: Rows) -> Dispatch {
    let rows = op.queries + 2 * op.keys;
    let copy = slot!(quant::mem::Slot::<i8>::new(to.q, rows * to.q_stride), I8);
    let mut dispatch = element("attention_gather", GATHER, copy);
    for (name, value) in [
        ("q", op.q.offset),
        ("k", op.k.offset),
        ("v", op.v.offset),
        ("q_stride", op.q_stride),
        ("kv_stride", op.kv_stride),
        ("head_dim", op.head_dim),
        ("padded", to.head_dim),
        ("stride", to.q_stride),
        ("queries", op.queries),
        ("keys", op.keys),
    ] {
        dispatch.params.set(name, value);
    }
    dispatch
}

const GATHER: &str = "
fn element(index: u32) -> i32 {
    let row = index / P.stride;
    let head = index % P.stride / P.padded;
    let channel = index % P.padded;
    if (channel >= P.head_dim) {
        return 0;
    }
    let at = head * P.head_dim + channel;
    if (row < P.queries) {
        return load_i8(P.q + row * P.q_stride + at);
    }
    let key = row - P.queries;
    if (key < P.keys) {
        return load_i8(P.k + key * P.kv_stride + at);
    }
    return load_i8(P.v + (key - P.keys) * P.kv_stride + at);
}
";

/// Copies the results from `from` to where they belong.
fn scatter(op: &Attention, from: Rows) -> Dispatch {
    let mut dispatch = element("attention_scatter", SCATTER, slot!(op.out, I8));
    dispatch.params.set("spread", from.out);
    dispatch.params.set("head_dim", op.head_dim);
    dispatch.params.set("padded", from.head_dim);
    dispatch
}

const SCATTER: &str = "
fn element(index: u32) -> i32 {
    return load_i8(P.spread + index / P.head_dim * P.padded + index % P.head_dim);
}
";

const PARTS: &[&str] =
    &[include_str!("../../../shaders/gemm.wgsl"), include_str!("../../../shaders/attention.wgsl")];

/// Workgroups from which on each of them had better be small: about two for each processor of a
/// large GPU.
const MANY: u32 = 256;

/// The attention itself over aligned rows.
fn exact(op: &Attention, planner: &Planner<'_>, rows: Rows) -> Dispatch {
    cooperative::attention(op, planner, rows).unwrap_or_else(|| by_words(op, planner, rows))
}

/// The same with packed dot products.
fn by_words(op: &Attention, planner: &Planner<'_>, rows: Rows) -> Dispatch {
    let words = rows.head_dim / 4;
    let tiles = |many| Tiles::of(words, (op.queries, op.keys), many, planner.workgroup_bytes());
    // At most a byte of the arena each.
    let workgroups = |tiles: Tiles| op.heads * op.queries.div_ceil(tiles.queries);
    let (few, many) = (tiles(false), tiles(true));
    let enough = MANY.div_ceil(workgroups(many));
    let first = if enough > 1 { few } else { many };
    let mut dispatch = operands(op, planner, rows, source(words, first));
    dispatch.workgroups(workgroups(first));
    if first != many {
        let source = variant(op, planner, source(words, many));
        dispatch.larger.push(Larger { frames: enough, source, grid: grid(workgroups(many)) });
    }
    dispatch
}

/// A dispatch of the kernel `source` with parameters and constants, which lacks its workgroups.
fn operands(op: &Attention, planner: &Planner<'_>, rows: Rows, source: Source) -> Dispatch {
    let mut dispatch = Dispatch::new("attention", variant(op, planner, source));
    for (name, value) in [
        ("q", rows.q / 4),
        ("k", rows.k / 4),
        ("v", rows.v / 4),
        ("result", rows.out / 4),
        ("q_stride", rows.q_stride / 4),
        ("kv_stride", rows.kv_stride / 4),
        ("out_stride", rows.out_stride / 4),
        ("queries", op.queries),
        ("keys", op.keys),
        ("heads", op.heads),
    ] {
        dispatch.params.set(name, value);
    }
    dispatch.constants("exp", planner.blob(op.exp).iter().copied());
    let channels = |of: Channels| planner.blob(of.mantissa).iter().zip(planner.blob(of.shift));
    let heads = channels(op.score).zip(channels(op.requant));
    let words = heads.flat_map(|((&score, &score_shift), (&out, &out_shift))| {
        [score.cast_unsigned(), score_shift.into(), out.cast_unsigned(), out_shift.into()]
    });
    dispatch.constants("requant", words);
    dispatch
}

/// `source` for the shifts of `op`.
fn variant(op: &Attention, planner: &Planner<'_>, source: Source) -> Source {
    let high =
        [op.score, op.requant].iter().all(|of| planner.blob(of.shift).iter().all(|&shift| shift >= 33));
    source.with("HIGH_SHIFTS", high.into())
}

/// The kernel of `tiles` for heads of `words` words.
fn source(words: u32, tiles: Tiles) -> Source {
    Source::of(PARTS)
        .with("QUERIES", tiles.queries)
        .with("WORDS", words)
        .with("COLUMNS", words.div_ceil(4))
        .with("CHUNK", tiles.chunk)
        .with("Q_COLUMNS", tiles.q_columns)
        .with("STORED", tiles.stored.into())
        .with("SCORE_STRIDE", tiles.score_stride)
        .with("VALUES", tiles.values)
        .with("SPLIT", tiles.split)
        .with("THREADS", tiles.threads())
        .with("REGION", tiles.region())
}

/// How one workgroup goes about its queries; see the shader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tiles {
    queries: u32,
    chunk: u32,
    q_columns: u32,
    stored: bool,
    score_stride: u32,
    values: u32,
    split: u32,
}

/// Keys of a tile of scores, and of a tile of probabilities, of each part of a workgroup.
const KEYS: u32 = 64;
const PART: u32 = 32;

/// Most invocations that WebGPU guarantees a workgroup.
const MOST: u32 = 256;

/// Words of a row of kept scores; few of them, so that few kernels differ by them alone. Rows that
/// follow each other begin 4, 12, 20 or 28 banks apart, so that no two of 8 share a bank.
const STRIDES: [u32; 6] = [20, 52, 68, 100, 148, 260];

impl Tiles {
    /// For `queries` queries and `keys` keys of heads of `words` words, what finds room in `room`
    /// bytes of shared memory. Two parts to a workgroup where there are few workgroups, so that each
    /// is done sooner; where there are `many`, one part in little memory, so that a processor takes
    /// several at once. Queries for which there is more room share what is loaded of keys.
    fn of(words: u32, (queries, keys): (u32, u32), many: bool, room: u32) -> Self {
        let ways: &[(u32, u32, u32)] = match (many, queries <= 16) {
            (false, false) => &[(32, 2, room), (16, 2, room), (32, 1, room), (16, 1, room)],
            (true, false) => &[(32, 1, WORKGROUP_BYTES), (32, 2, room), (16, 1, room)],
            (false, true) => &[(16, 2, room), (16, 1, room)],
            (true, true) => &[(16, 1, room)],
        };
        let kept = ways.iter().flat_map(|&(queries, split, room)| {
            let fits = move |tiles: &Self| tiles.bytes() <= room && tiles.threads() <= MOST;
            Self::candidates((queries, split), words, Some(keys)).filter(fits)
        });
        let anew = Self::candidates((if queries <= 16 { 16 } else { 32 }, 1), words, None);
        let fits = |tiles: &Self| tiles.bytes() <= WORKGROUP_BYTES;
        kept.chain(anew.filter(fits)).next().expect("one column of a tile finds room")
    }

    /// From the most columns in shared memory at once to the fewest; `keys` where all scores are
    /// kept.
    fn candidates((queries, split): (u32, u32), words: u32, keys: Option<u32>) -> impl Iterator<Item = Self> {
        let columns = words.div_ceil(4);
        // Queries of wide heads come and go with their keys.
        let whole = columns <= 8;
        let fewest = if keys.is_some() { columns.min(2) } else { 1 };
        let row = keys.unwrap_or(KEYS * split).div_ceil(4);
        let score_stride = STRIDES.into_iter().find(|&words| words >= row).unwrap_or(u32::MAX);
        (fewest..=columns.min(4)).rev().map(move |chunk| Self {
            queries,
            chunk,
            q_columns: if whole { columns } else { chunk },
            stored: keys.is_some(),
            score_stride,
            values: words.min(32),
            split,
        })
    }

    /// Invocations of a part: 4 queries and 4 keys each, and 4 queries and a word of channels each.
    fn base(self) -> u32 {
        self.queries / 4 * self.values.max(KEYS / 4)
    }

    /// Invocations.
    fn threads(self) -> u32 {
        self.base() * self.split
    }

    /// Words of four words for queries and keys, and for probabilities and values.
    fn region(self) -> u32 {
        let scores = self.q_columns * (self.queries + 1) + self.chunk * (KEYS * self.split + 1);
        let results = self.split * (2 * (PART / 16) * self.queries + PART / 4 * self.values);
        let joined = if self.split > 1 { 4 * self.base() } else { 0 };
        let results = results.max(joined);
        if self.stored { scores.max(results) } else { scores + results }
    }

    fn bytes(self) -> u32 {
        let scores = self.queries.saturating_mul(self.score_stride);
        let words = scores.saturating_add(256 + 2 * self.queries + 4 * self.region());
        words.saturating_mul(4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn common_shapes_keep_their_scores() {
        let kept = |head_dim: u32, keys, many, room| {
            let tiles = Tiles::of(head_dim / 4, (keys, keys), many, room);
            (tiles.stored, tiles.queries, tiles.split)
        };
        let few = |head_dim, keys| kept(head_dim, keys, false, WORKGROUP_BYTES);
        assert_eq!(few(64, 197), (true, 32, 2));
        assert_eq!(few(64, 257), (true, 16, 2));
        assert_eq!(few(80, 257), (true, 16, 2));
        assert_eq!(few(32, 49), (true, 32, 2));
        assert_eq!(few(64, 577), (true, 16, 1));
        assert_eq!(few(64, 1025), (false, 32, 1));
        assert_eq!(kept(64, 197, true, WORKGROUP_BYTES), (true, 32, 1));
        assert_eq!(kept(64, 577, true, 2 * WORKGROUP_BYTES), (true, 32, 2));
        assert_eq!(kept(64, 1025, false, 2 * WORKGROUP_BYTES), (true, 16, 2));
    }

    proptest! {
        /// What the shader takes for granted, of any shape that the checker admits.
        #[test]
        fn every_shape_finds_room(
            words in prop_oneof![1u32..40, 1u32..=1 << 14],
            queries in prop_oneof![1u32..40, 1u32..=1 << 31],
            keys in prop_oneof![1u32..1200, 1u32..=1 << 31],
            many: bool,
            larger: bool,
        ) {
            let room = if larger { 2 * WORKGROUP_BYTES } else { WORKGROUP_BYTES };
            let tiles = Tiles::of(words, (queries, keys), many, room);
            prop_assert!(tiles.bytes() <= room, "{tiles:?}");
            let makers = tiles.split * PART / 16 * (tiles.queries + tiles.values);
            prop_assert!((makers.max(64)..=MOST).contains(&tiles.threads()), "{tiles:?}");
            prop_assert!(tiles.chunk >= 1 && tiles.q_columns >= tiles.chunk);
            prop_assert!(!tiles.stored || tiles.score_stride >= keys.div_ceil(4));
        }
    }
}
