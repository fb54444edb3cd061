//! Binary layers over activations of one or two bits.

use core::iter::repeat;

use quant::Fault;
use quant::bits::BitPack;
use quant::ops::{BinaryLinearArgs, BinaryLinearOut};
use quant::slice::{chunks, rows, window};

use super::LANES;

/// ±1 activations.
#[inline(always)]
pub(crate) fn binary_linear_sign(
    args: &BinaryLinearArgs<'_>,
    x: &[u32],
    out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    let words = args.weights.words;
    let row = |row: usize| {
        Ok((window(x, row * words, words)?.iter().copied().zip(repeat(u32::MAX)), args.k as i32))
    };
    layer(args, rows(x, words).count(), row, out)
}

/// Ternary activations.
#[inline(always)]
pub(crate) fn binary_linear_ternary(
    args: &BinaryLinearArgs<'_>,
    sign: &[u32],
    nonzero: &[u32],
    out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    let words = args.weights.words;
    let row = |row: usize| {
        let (sign, nonzero) = (window(sign, row * words, words)?, window(nonzero, row * words, words)?);
        let count = nonzero.iter().map(|m| m.count_ones()).sum::<u32>();
        Ok((sign.iter().copied().zip(nonzero.iter().copied()), count as i32))
    };
    layer(args, rows(sign, words).count(), row, out)
}

/// `z = base − 2·popcount((x ⊕ w) ∧ m)`, where `row` gives the pairs `(x, m)` of a row and
/// its base.
#[inline(always)]
fn layer<I: Iterator<Item = (u32, u32)> + Clone>(
    args: &BinaryLinearArgs<'_>,
    count: usize,
    row: impl Fn(usize) -> Result<(I, i32), Fault>,
    mut out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    let weights = &args.weights;
    out.clear();
    match weights.pack {
        BitPack::Panel16 => {
            for (panel, words) in rows(weights.data, LANES * weights.words).enumerate() {
                let channel = panel * LANES;
                let used = weights.n.saturating_sub(channel).min(LANES);
                for r in 0..count {
                    let (pairs, base) = row(r)?;
                    let z = against_panel(pairs, words).map(|differ| base - 2 * differ as i32);
                    out.store(r, channel, window(&z, 0, used)?)?;
                }
            }
        }
        BitPack::Rows => {
            for r in 0..count {
                let (pairs, base) = row(r)?;
                let mut channel = 0;
                while channel < weights.n {
                    let used = (weights.n - channel).min(LANES);
                    let mut z = [0; LANES];
                    for (z, row) in z.iter_mut().take(used).zip(channel..) {
                        let w = weights.row(row).ok_or(Fault::Bounds)?;
                        *z = base - 2 * against_row(pairs.clone(), w) as i32;
                    }
                    out.store(r, channel, window(&z, 0, used)?)?;
                    channel += used;
                }
            }
        }
    }
    Ok(())
}

/// Bits that differ in each channel of a panel.
#[inline(always)]
fn against_panel(pairs: impl Iterator<Item = (u32, u32)>, panel: &[u32]) -> [u32; LANES] {
    let (words, _) = chunks::<LANES, _>(panel);
    let mut differ = [0; LANES];
    for (w, (x, m)) in words.iter().zip(pairs) {
        for (count, w) in differ.iter_mut().zip(w) {
            *count += ((x ^ w) & m).count_ones();
        }
    }
    differ
}

/// Bits that differ in one channel, two words at a time.
#[inline(always)]
fn against_row(mut pairs: impl Iterator<Item = (u32, u32)>, row: &[u32]) -> u32 {
    let (doubles, rest) = chunks::<2, _>(row);
    let mut count = 0;
    for &[low, high] in doubles {
        let (Some((x0, m0)), Some((x1, m1))) = (pairs.next(), pairs.next()) else { break };
        count += ((wide(x0, x1) ^ wide(low, high)) & wide(m0, m1)).count_ones();
    }
    for (w, (x, m)) in rest.iter().zip(pairs) {
        count += ((x ^ w) & m).count_ones();
    }
    count
}

#[inline(always)]
fn wide(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}
