//! Attention over signs: distances looked up, keys selected, and values counted.

use quant::Fault;
use quant::slice::{at, chunks, rows, window};

use crate::binary::attention::{HELD, Selected, limits};
use crate::binary::signs::Negatives;
use crate::binary::subsets::Tables;
use crate::zbb::COUNTED;

/// The highest bit of each byte.
const HIGH: u32 = 0x8080_8080;

/// Adds to the distance of each key what `tables` say of its word, the first of `keys` and every
/// `stride`-th behind it; to 0 if `fresh`. `low`: the tables are those of the first inputs alone.
#[inline(always)]
pub(crate) fn distances(
    tables: &Tables,
    (keys, stride): (&[u32], usize),
    (low, fresh): (bool, bool),
    distances: &mut [u32],
) -> Result<(), Fault> {
    if low {
        for (j, distance) in distances.iter_mut().enumerate() {
            *distance = tables.get_low(at(keys, j * stride)?);
        }
    } else {
        for (j, distance) in distances.iter_mut().enumerate() {
            let before = if fresh { 0 } else { *distance };
            *distance = before.wrapping_add(tables.get(at(keys, j * stride)?));
        }
    }
    Ok(())
}

/// Sets the bits of those of the first `keys` keys whose score is within `distance` of the largest.
#[inline(never)]
pub(crate) fn select(
    distances: &[u32; HELD],
    keys: usize,
    distance: u32,
    selected: &mut Selected,
) -> Result<(), Fault> {
    let distances = window(distances, 0, keys)?;
    let least = distances.iter().fold(!HIGH, |least, &d| smaller(least, d));
    let limits = limits(least, distance) | HIGH;
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

/// The sums of the values of channels.
// On its own, so that its constants stay in registers.
#[inline(never)]
pub(crate) fn sum(selected: &[u32], values: &[u32], sums: &mut [i32]) {
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

/// Sums of 16 bits.
#[inline(always)]
pub(crate) fn shorten(sums: &[i32], out: &mut [i16]) {
    out.iter_mut().zip(sums).for_each(|(out, &y)| *out = y as i16);
}

/// Which of the sums are positive, and which are not 0.
#[inline(always)]
pub(crate) fn signs(sums: &[i32]) -> (u32, u32) {
    let (mut minus, mut plus) = (Negatives::default(), Negatives::default());
    for &y in sums {
        minus.push(y);
        plus.push(-y);
    }
    let (minus, plus) = (minus.mask(sums.len()), plus.mask(sums.len()));
    (plus, plus | minus)
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
