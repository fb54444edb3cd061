//! Attention of three queries at a time: products of rows with pairs of channels, as in Linear.
//!
//! Keys are the channels of the scores, and channels of values those of the results. Both are
//! packed as pairs, once for each head where there is room for all of them, otherwise a part at a
//! time for every three queries.

use quant::arith::Multiplier;
use quant::ops::{AttentionArgs, ChannelsRef};
use quant::slice::{at, chunks, chunks_mut, rows_mut, window, window_mut};
use quant::{Fault, Kernels};

use crate::attention::multiplier;
use crate::gemm::{Panels, Results, Tile};

/// Queries that are computed together.
pub(crate) const ROWS: usize = 3;
/// Most keys.
pub(crate) const KEYS: usize = 288;
/// Keys, or channels of values, that are multiplied in one call.
const AT_ONCE: usize = 64;
/// Bytes of packed keys and values.
const ROOM: usize = 1728;

/// What is multiplied with the rows.
#[derive(Clone, Copy)]
pub(crate) enum With {
    /// Queries, with keys.
    Keys,
    /// Probabilities, with channels of the values.
    Values,
}

/// What a core brings: the widened or copied rows that it multiplies.
pub(crate) trait Tiles {
    /// Consecutive inputs of a key in its pair; heads are multiples of them.
    const INPUTS: usize;
    /// Consecutive keys of a channel of values in its pair.
    const TERMS: usize;
    /// Largest distance between values that can be packed.
    const STRIDE: usize;

    /// Rows of numbers that do not matter.
    fn new() -> Self;
    /// Makes `count` queries of `len` inputs, `stride` apart, the rows.
    fn load(&mut self, q: &[i8], stride: usize, len: usize, count: usize) -> Result<(), Fault>;
    /// Makes probabilities a row: those of as many scores as there is room for in `probabilities`.
    /// Behind these scores are places up to a whole group.
    fn weigh(
        &mut self,
        row: usize,
        scores: &mut [i8],
        exp: &[u32; 256],
        probabilities: &mut [i16],
    ) -> Result<(), Fault>;
    /// Packs `count` keys of `len` inputs, or channels of the values of `len` keys, into pairs; keys
    /// lie `stride` apart. Up to a whole group of keys values are 0.
    fn pack(
        with: With,
        from: &[i8],
        stride: usize,
        len: usize,
        count: usize,
        to: &mut [i8],
    ) -> Result<(), Fault>;
    /// Products of the rows, of `len` elements, with pairs.
    fn multiply(
        &mut self,
        with: With,
        len: usize,
        panels: &Panels<'_>,
        bias: &[i32],
        tile: Tile<'_>,
    ) -> Result<(), Fault>;
}

/// All queries; as the reference where heads or the number of keys do not fit, and for multipliers
/// with shifts below 33.
pub(crate) fn attention<T: Tiles>(args: AttentionArgs<'_>) -> Result<(), Fault> {
    match Packed::of::<T>(&args) {
        Some(packed) => all::<T>(args, &packed),
        None => quant::Reference.attention(args),
    }
}

/// Packed keys, or packed channels of the values.
struct Packed {
    with: With,
    /// How many there are.
    total: usize,
    /// Elements of each, and its bytes once it is packed.
    len: usize,
    unit: usize,
    /// From one to the next before they are packed, and from the first key to the second.
    step: usize,
    stride: usize,
    /// Where they begin.
    at: usize,
    /// Whether all of a head have room; otherwise those that are multiplied at once take turns.
    whole: bool,
}

impl Packed {
    /// Keys and channels.
    fn of<T: Tiles>(args: &AttentionArgs<'_>) -> Option<[Self; 2]> {
        let AttentionArgs { keys, head_dim, kv_stride: stride, .. } = *args;
        let low = args.score.shift.iter().chain(args.requant.shift).any(|&shift| shift < 33);
        if low || head_dim % T::INPUTS != 0 || head_dim.max(keys) > KEYS || stride > T::STRIDE {
            return None;
        }
        let channel = keys.next_multiple_of(T::TERMS);
        let all = keys.next_multiple_of(2) * head_dim;
        let whole = all + head_dim * channel <= ROOM;
        let at = if whole { all } else { 0 };
        Some([
            Self {
                with: With::Keys,
                total: keys,
                len: head_dim,
                unit: head_dim,
                step: stride,
                stride,
                at: 0,
                whole,
            },
            Self {
                with: With::Values,
                total: head_dim,
                len: keys,
                unit: channel,
                step: 1,
                stride,
                at,
                whole,
            },
        ])
    }

    /// How many are multiplied at once.
    fn together(&self) -> usize {
        (ROOM.checked_div(self.unit).unwrap_or(0) & !3).min(AT_ONCE)
    }
}

/// What keys and values are multiplied in.
struct Memory<T> {
    rows: T,
    /// Packed keys and values.
    room: Room,
    bias: [i32; AT_ONCE],
    mantissa: [i32; AT_ONCE],
    shift: [u8; AT_ONCE],
}

/// Words are read.
#[repr(align(4))]
struct Room([i8; ROOM]);

impl<T: Tiles> Memory<T> {
    /// Products of the rows with all of `packed`, of which each is in place already if `begun`;
    /// their `count` rows of results begin in `out`, `width` apart.
    #[inline(never)]
    fn multiply(
        &mut self,
        packed: &Packed,
        from: &[i8],
        begun: bool,
        (scales, head): (&ChannelsRef<'_>, usize),
        (out, width, count): (&mut [i8], usize, usize),
    ) -> Result<(), Fault> {
        let scale = multiplier(scales, head)?;
        let mut first = 0;
        while first < packed.total {
            let out = out.get_mut(first..).ok_or(Fault::Bounds)?;
            first = self.part(packed, first, from, begun, scale, (out, width, count))?;
        }
        Ok(())
    }

    /// Products with those from `first` on that are multiplied at once; the first of the others.
    // One copy, without a loop around it that would be copied too.
    #[inline(never)]
    fn part(
        &mut self,
        packed: &Packed,
        first: usize,
        from: &[i8],
        begun: bool,
        scale: Multiplier,
        (out, width, rows): (&mut [i8], usize, usize),
    ) -> Result<usize, Fault> {
        let Packed { with, stride, unit, len, whole, .. } = *packed;
        let count = (packed.total - first).min(packed.together());
        let pairs = count.div_ceil(2);
        let at = packed.at + if whole { first * unit } else { 0 };
        let room = window_mut(&mut self.room.0, at, 2 * pairs * unit)?;
        if !(begun && whole) {
            let from = from.get(first * packed.step..).ok_or(Fault::Bounds)?;
            T::pack(with, from, stride, len, count, room)?;
        }
        let panels = Panels { data: room, stride: 2 * unit, pairs };
        for (m, e) in self.mantissa.iter_mut().zip(&mut self.shift).take(2 * pairs) {
            (*m, *e) = (scale.mantissa, scale.shift);
        }
        let requant = ChannelsRef {
            mantissa: window(&self.mantissa, 0, 2 * pairs)?,
            shift: window(&self.shift, 0, 2 * pairs)?,
        };
        let bias = window(&self.bias, 0, 2 * pairs)?;
        let tile = Tile { requant, out: Results::I8(out), stride: width, count: rows };
        self.rows.multiply(with, len, &panels, bias, tile)?;
        Ok(first + count)
    }

    /// `count` queries of one head, from `first` on.
    // On its own, as above.
    #[inline(never)]
    fn queries(
        &mut self,
        args: &mut AttentionArgs<'_>,
        [keys, values]: &[Packed; 2],
        (head, first, count): (usize, usize, usize),
        scores: &mut [i8],
    ) -> Result<(), Fault> {
        let AttentionArgs { heads, head_dim, q_stride, .. } = *args;
        let (at, width, row) = (head * head_dim, heads * head_dim, values.unit);
        let q = args.q.get(first * q_stride + at..).ok_or(Fault::Bounds)?;
        let k = args.k.get(at..).ok_or(Fault::Bounds)?;
        let v = args.v.get(at..).ok_or(Fault::Bounds)?;
        let out = args.out.get_mut(first * width + at..).ok_or(Fault::Bounds)?;
        self.rows.load(q, q_stride, head_dim, count)?;
        let begun = first > 0;
        self.multiply(keys, k, begun, (&args.score, head), (&mut *scores, row, count))?;
        let probabilities = window_mut(args.probabilities, 0, args.keys)?;
        for (index, scores) in rows_mut(scores, row).enumerate().take(count) {
            self.rows.weigh(index, scores, args.exp, probabilities)?;
        }
        self.multiply(values, v, begun, (&args.requant, head), (out, width, count))
    }
}

// On its own, so that its room is not that of other kernels too.
#[inline(never)]
fn all<T: Tiles>(mut args: AttentionArgs<'_>, packed: &[Packed; 2]) -> Result<(), Fault> {
    let queries = args.out.len().checked_div(args.heads * args.head_dim).unwrap_or(0);
    let mut memory = Memory {
        rows: T::new(),
        room: Room([0; ROOM]),
        bias: [0; AT_ONCE],
        mantissa: [0; AT_ONCE],
        shift: [0; AT_ONCE],
    };
    let mut scores = [0; ROWS * KEYS];
    for head in 0..args.heads {
        for first in (0..queries).step_by(ROWS) {
            memory.queries(&mut args, packed, (head, first, (queries - first).min(ROWS)), &mut scores)?;
        }
    }
    Ok(())
}

/// Packs `count` keys of `len` inputs, `stride` apart, in pairs of groups of `G` inputs.
#[cfg_attr(target_arch = "arm", allow(dead_code, reason = "instructions do it"))]
#[inline(always)]
pub(crate) fn pack_keys<const G: usize>(
    k: &[i8],
    stride: usize,
    len: usize,
    count: usize,
    to: &mut [i8],
) -> Result<(), Fault> {
    let to = chunks_mut::<G, _>(to).0;
    for key in 0..count {
        let first = key / 2 * 2 * (len / G) + key % 2;
        let places = to.get_mut(first..).into_iter().flatten().step_by(2);
        for (to, from) in places.zip(chunks::<G, _>(window(k, key * stride, len)?).0) {
            *to = *from;
        }
    }
    Ok(())
}

/// Packs pairs of channels of values of `keys` keys, `stride` apart, in groups of `G` keys, with zeros
/// up to a whole group.
#[cfg_attr(target_arch = "arm", allow(dead_code, reason = "instructions do it"))]
#[inline(always)]
pub(crate) fn pack_values<const G: usize>(
    v: &[i8],
    stride: usize,
    keys: usize,
    to: &mut [i8],
) -> Result<(), Fault> {
    for (pair, to) in rows_mut(chunks_mut::<G, _>(to).0, 2 * keys.div_ceil(G)).enumerate() {
        for (group, [a, b]) in chunks_mut::<2, _>(to).0.iter_mut().enumerate() {
            [*a, *b] = [[0; G]; 2];
            for (key, (a, b)) in (group * G..keys).zip(a.iter_mut().zip(b)) {
                (*a, *b) = (at(v, key * stride + 2 * pair)?, at(v, key * stride + 2 * pair + 1)?);
            }
        }
    }
    Ok(())
}
