//! Attention over signs: four queries at a time, in the bytes of a word.

use quant::Fault;
use quant::bits::WORD;
use quant::ops::{BinaryAttentionArgs, BinaryAttentionOut};
use quant::slice::{at, window, window_mut};

use super::isa;
use super::subsets::{Inputs, LOW, Tables};
use crate::zbb::{COUNTED, Rows};

/// Most keys whose distances are held.
pub(crate) const HELD: usize = 640;
/// Queries at a time.
const LANES: usize = 4;
/// Most words of a head: distances then stay below 2⁷.
const WORDS: usize = 3;

/// The keys that each of four queries attends to.
pub(crate) type Selected = [[u32; HELD / WORD as usize]; LANES];

/// `None` for heads and numbers of keys that are too large for it.
pub(crate) fn attention(args: &mut BinaryAttentionArgs<'_>) -> Option<Result<(), Fault>> {
    let words = args.head_dim.div_ceil(WORD as usize);
    (words <= WORDS && args.keys <= HELD).then(|| blocks(args, words))
}

// On its own, so that its room is not that of other kernels too.
#[inline(never)]
fn blocks(args: &mut BinaryAttentionArgs<'_>, words: usize) -> Result<(), Fault> {
    let BinaryAttentionArgs { queries, keys, heads, head_dim, v, .. } = *args;
    let mut tables = Tables::new();
    let mut distances = [0; HELD];
    let mut selected: Selected = [[0; HELD / WORD as usize]; LANES];
    let row = keys.div_ceil(WORD as usize);
    let low = !COUNTED && head_dim <= LOW && args.k.iter().fold(0, |all, k| all | k) >> LOW == 0;
    for query in (0..queries).step_by(LANES) {
        for head in 0..heads {
            differ(args, low, (query, head, words), &mut tables, window_mut(&mut distances, 0, keys)?)?;
            isa::select(&distances, keys, at(args.distance, head)?, &mut selected)?;
            let values = window(v, head * head_dim * row, head_dim * row)?;
            for (lane, selected) in selected.iter().enumerate().take(queries - query) {
                let selected = window(selected, 0, row)?;
                store(&mut args.out, (query + lane) * heads + head, (head_dim, words), selected, values)?;
            }
        }
    }
    Ok(())
}

/// The largest distances that are attended to, from the least of each query on; below 2⁷. A score
/// falls by 2 with each bit that differs.
#[inline(always)]
pub(crate) fn limits(least: u32, distance: u32) -> u32 {
    let within = (distance / 2).min(127);
    u32::from_le_bytes(least.to_le_bytes().map(|least| (u32::from(least) + within).min(127) as u8))
}

/// In how many bits each key differs from each of the four queries from `query` on. `low`: no
/// bit of the keys lies behind the first [`LOW`].
#[inline(never)]
fn differ(
    args: &BinaryAttentionArgs<'_>,
    low: bool,
    (query, head, words): (usize, usize, usize),
    tables: &mut Tables,
    distances: &mut [u32],
) -> Result<(), Fault> {
    let mut inputs = Inputs::new();
    for word in head * words..(head + 1) * words {
        let first = word == head * words;
        let q = |lane: usize| match query + lane < args.queries {
            true => at(args.q, (query + lane) * args.q_stride + word),
            false => Ok(0),
        };
        let signs = [q(0)?, q(1)?, q(2)?, q(3)?];
        if COUNTED {
            let rows = Rows { signs, nonzero: None };
            for (j, distance) in distances.iter_mut().enumerate() {
                let before = if first { 0 } else { *distance };
                *distance = before.wrapping_add(rows.differ(at(args.k, j * args.k_stride + word)?));
            }
            continue;
        }
        inputs.count(signs, [u32::MAX; LANES]);
        if low {
            tables.fill_low(&inputs);
        } else {
            tables.fill(&inputs);
        }
        let keys = (args.k.get(word..).ok_or(Fault::Bounds)?, args.k_stride);
        isa::distances(tables, keys, (low, first), distances)?;
    }
    Ok(())
}

/// Stores the sums of the values of one head, for head number `head` of all rows.
fn store(
    out: &mut BinaryAttentionOut<'_>,
    head: usize,
    (head_dim, words): (usize, usize),
    selected: &[u32],
    values: &[u32],
) -> Result<(), Fault> {
    let mut room = [0; WORD as usize];
    for word in 0..words {
        let channel = word * WORD as usize;
        let count = (head_dim - channel).min(WORD as usize);
        let sums = window_mut(&mut room, 0, count)?;
        isa::sum(selected, window(values, channel * selected.len(), count * selected.len())?, sums);
        match out {
            BinaryAttentionOut::Ternary { sign, nonzero } => {
                let (plus, any) = isa::signs(sums);
                *sign.get_mut(head * words + word).ok_or(Fault::Bounds)? = plus;
                *nonzero.get_mut(head * words + word).ok_or(Fault::Bounds)? = any;
            }
            BinaryAttentionOut::I16(out) => {
                let out = window_mut(out, head * head_dim + channel, count)?;
                isa::shorten(sums, out);
            }
        }
    }
    Ok(())
}
