//! Attention over signs: four queries at a time, in the bytes of a word.

use quant::Fault;
use quant::bits::WORD;
use quant::ops::{BinaryAttentionArgs, BinaryAttentionOut};
use quant::slice::{at, chunks, rows, window, window_mut};

use super::signs::Negatives;
use super::subsets::{Inputs, LOW, Tables};
use crate::zbb::{COUNTED, Rows};

/// Most keys whose distances are held.
const HELD: usize = 640;
/// Queries at a time.
const LANES: usize = 4;
/// Most words of a head: distances then stay below 2⁷.
const WORDS: usize = 3;
/// The highest bit of each byte.
const HIGH: u32 = 0x8080_8080;

/// The keys that each of four queries attends to.
type Selected = [[u32; HELD / WORD as usize]; LANES];

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
    let low = !COUNTED && head_dim <= LOW && args.k.iter().all(|k| k >> LOW == 0);
    for query in (0..queries).step_by(LANES) {
        for head in 0..heads {
            let distances = window_mut(&mut distances, 0, keys)?;
            differ(args, low, (query, head, words), &mut tables, distances)?;
            select(distances, at(args.distance, head)?, &mut selected)?;
            let values = window(v, head * head_dim * row, head_dim * row)?;
            for (lane, selected) in selected.iter().enumerate().take(queries - query) {
                let selected = window(selected, 0, row)?;
                store(&mut args.out, (query + lane) * heads + head, (head_dim, words), selected, values)?;
            }
        }
    }
    Ok(())
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
        let k = |j: usize| at(args.k, j * args.k_stride + word);
        if COUNTED {
            let rows = Rows { signs, nonzero: None };
            for (j, distance) in distances.iter_mut().enumerate() {
                let before = if first { 0 } else { *distance };
                *distance = before.wrapping_add(rows.differ(k(j)?));
            }
            continue;
        }
        inputs.count(signs, [u32::MAX; LANES]);
        if low {
            tables.fill_low(&inputs);
            for (j, distance) in distances.iter_mut().enumerate() {
                *distance = tables.get_low(k(j)?);
            }
        } else {
            tables.fill(&inputs);
            for (j, distance) in distances.iter_mut().enumerate() {
                let before = if first { 0 } else { *distance };
                *distance = before.wrapping_add(tables.get(k(j)?));
            }
        }
    }
    Ok(())
}

/// Sets the bits of the keys whose score is within `distance` of the largest. A score falls by 2
/// with each bit that differs.
#[inline(never)]
fn select(distances: &[u32], distance: u32, selected: &mut Selected) -> Result<(), Fault> {
    let least = distances.iter().fold(!HIGH, |least, &d| smaller(least, d));
    let within = (distance / 2).min(127);
    let limits = least.to_le_bytes().map(|least| (u32::from(least) + within).min(127) as u8);
    let limits = u32::from_le_bytes(limits) | HIGH;
    for (index, eight) in distances.chunks(8).enumerate() {
        // The bit of the first key is shifted down to the lowest of its byte.
        let bits = eight.iter().fold(0, |bits, &d| ((bits >> 1) & !HIGH) | ((limits - d) & HIGH));
        let bits = bits >> (8 - eight.len());
        for (selected, bits) in selected.iter_mut().zip(bits.to_le_bytes()) {
            let place = selected.get_mut(index / 4).ok_or(Fault::Bounds)?;
            let shift = 8 * (index as u32 % 4);
            *place = (*place & !(u32::MAX << shift)) | (u32::from(bits) << shift);
        }
    }
    Ok(())
}

/// The smaller of each pair of bytes below 2⁷.
#[inline(always)]
fn smaller(a: u32, b: u32) -> u32 {
    let not_less = (((a | HIGH) - b) & HIGH) >> 7;
    a ^ ((a ^ b) & (not_less * 255))
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
        sum(selected, window(values, channel * selected.len(), count * selected.len())?, sums);
        match out {
            BinaryAttentionOut::Ternary { sign, nonzero } => {
                let (mut minus, mut plus) = (Negatives::default(), Negatives::default());
                for &y in &*sums {
                    minus.push(y);
                    plus.push(-y);
                }
                let (minus, plus) = (minus.mask(count), plus.mask(count));
                *sign.get_mut(head * words + word).ok_or(Fault::Bounds)? = plus;
                *nonzero.get_mut(head * words + word).ok_or(Fault::Bounds)? = plus | minus;
            }
            BinaryAttentionOut::I16(out) => {
                let out = window_mut(out, head * head_dim + channel, count)?;
                out.iter_mut().zip(sums).for_each(|(out, y)| *out = *y as i16);
            }
        }
    }
    Ok(())
}

/// The sums of the values of channels.
// On its own, so that its constants stay in registers.
#[inline(never)]
fn sum(selected: &[u32], values: &[u32], sums: &mut [i32]) {
    let count = selected.iter().map(|a| a.count_ones()).sum::<u32>() as i32;
    if let &[a, b] = selected {
        for (sum, &[v, w]) in sums.iter_mut().zip(chunks::<2, _>(values).0) {
            *sum = 2 * ones(a & v, b & w) as i32 - count;
        }
        return;
    }
    for (sum, v) in sums.iter_mut().zip(rows(values, selected.len())) {
        let ((pairs_a, last_a), (pairs_v, last_v)) = (chunks::<2, _>(selected), chunks::<2, _>(v));
        let pairs = pairs_a.iter().zip(pairs_v).map(|(a, v)| ones(a[0] & v[0], a[1] & v[1]));
        let last = last_a.iter().zip(last_v).map(|(a, v)| (a & v).count_ones());
        *sum = 2 * (pairs.sum::<u32>() + last.sum::<u32>()) as i32 - count;
    }
}

/// The ones of two words, counted together from their sums of four bits on.
#[inline(always)]
fn ones(a: u32, b: u32) -> u32 {
    if COUNTED {
        return a.count_ones() + b.count_ones();
    }
    let sums = fours(a) + fours(b);
    ((sums & 0x0f0f_0f0f) + (sums >> 4 & 0x0f0f_0f0f)).wrapping_mul(0x0101_0101) >> 24
}

/// The number of ones in each four bits.
#[inline(always)]
fn fours(x: u32) -> u32 {
    let twos = x - (x >> 1 & 0x5555_5555);
    (twos & 0x3333_3333) + (twos >> 2 & 0x3333_3333)
}
