//! Binary attention: the keys of a head are laid out in panels, and so are the channels of its values,
//! for all queries.

use quant::Fault;
use quant::ops::{BinaryAttentionArgs, BinaryAttentionOut};
use quant::slice::{at, window, window_mut};

use super::{Count, Panel, WORD, counted};
use crate::portable;
use crate::vector::isa::LANES;

/// Panels of keys, and of values, for which there is room.
const PANELS: usize = 256;

/// Attention of all queries. Where the keys or the values of a head are more than [`PANELS`], the
/// portable loop.
///
/// # Safety
///
/// As [`Count`] says.
#[inline(always)]
pub(in crate::vector) unsafe fn attention<I: Count>(args: BinaryAttentionArgs<'_>) -> Result<(), Fault> {
    let BinaryAttentionArgs { queries, keys, heads, head_dim, q, q_stride, .. } = args;
    let (words, row) = (head_dim.div_ceil(WORD), keys.div_ceil(WORD));
    if keys.div_ceil(LANES) * words > PANELS || head_dim.div_ceil(LANES) * row > PANELS {
        return portable::binary_attention(args);
    }
    let mut laid_out = [[[0; LANES]; PANELS]; 2];
    let mut differ = [[0; LANES]; PANELS];
    let selected = window_mut(args.selected, 0, row)?;
    let mut out = args.out;
    for head in 0..heads {
        let distance = at(args.distance, head)?;
        let [k, v] = &mut laid_out;
        // Lanes behind the last key hold it, too, so that none is nearer.
        for lane in 0..keys.next_multiple_of(LANES) {
            let key = lane.min(keys - 1);
            lay_out(window(args.k, key * args.k_stride + head * words, words)?, lane, k);
        }
        for channel in 0..head_dim {
            lay_out(window(args.v, (head * head_dim + channel) * row, row)?, channel, v);
        }
        for query in 0..queries {
            let q = window(q, query * q_stride + head * words, words)?;
            let place = query * heads + head;
            // SAFETY: as the caller vouches.
            unsafe {
                let count = select::<I>(q, k, keys, distance, &mut differ, selected);
                sums::<I>((selected, count), v, head_dim, place, &mut out)?;
            }
        }
    }
    Ok(())
}

/// Words of a key or of a channel in its lane.
#[inline(always)]
fn lay_out(words: &[u32], row: usize, panels: &mut [Panel; PANELS]) {
    let (first, lane) = (row / LANES * words.len(), row % LANES);
    for (&word, panel) in words.iter().zip(&mut panels[first..]) {
        panel[lane] = word;
    }
}

/// Sets the bits of the keys within `distance` of the nearest one of `q`, and counts them. A score falls
/// by 2 with each bit that differs.
///
/// # Safety
///
/// As [`Count`] says.
#[inline(always)]
unsafe fn select<I: Count>(
    q: &[u32],
    k: &[Panel; PANELS],
    keys: usize,
    distance: u32,
    differ: &mut [[u32; LANES]; PANELS],
    selected: &mut [u32],
) -> u32 {
    let panels = keys.div_ceil(LANES);
    // SAFETY: as the caller vouches.
    unsafe {
        for (p, differ) in differ.iter_mut().enumerate().take(panels) {
            let panel = &k[p * q.len()..][..q.len()];
            [*differ] = counted::<I, 1>(q.iter().map(|&q| (q, u32::MAX)), &[panel]);
        }
        let limit = I::least(&differ[..panels]).saturating_add(distance / 2).min(i32::MAX as u32);
        let mut count = 0;
        for (word, place) in selected.iter_mut().enumerate() {
            let [low, high] = &differ.as_chunks::<2>().0[word];
            let there = u32::MAX >> (WORD - (keys - word * WORD).min(WORD));
            *place = (I::at_most(low, limit) | I::at_most(high, limit) << LANES) & there;
            count += place.count_ones();
        }
        count
    }
}

/// The sums of one head of one query, which is head number `place` of the result.
///
/// # Safety
///
/// As [`Count`] says.
#[inline(always)]
unsafe fn sums<I: Count>(
    (selected, count): (&[u32], u32),
    v: &[Panel; PANELS],
    head_dim: usize,
    place: usize,
    out: &mut BinaryAttentionOut<'_>,
) -> Result<(), Fault> {
    let words = head_dim.div_ceil(WORD);
    for first in (0..head_dim).step_by(LANES) {
        let panel = &v[first / LANES * selected.len()..][..selected.len()];
        let used = (head_dim - first).min(LANES);
        // SAFETY: as the caller vouches.
        let [both] = unsafe { counted::<I, 1>(selected.iter().map(|&a| (0, a)), &[panel]) };
        match out {
            BinaryAttentionOut::Ternary { sign, nonzero } => {
                let there = (1 << used) - 1;
                // `2 · both` against a count that is not 0, for the nearest key is selected.
                // SAFETY: as the caller vouches.
                let (not_plus, minus) =
                    unsafe { (I::at_most(&both, count / 2), I::at_most(&both, count.saturating_sub(1) / 2)) };
                let at = place * words + first / WORD;
                set(sign, at, first % WORD, !not_plus & there)?;
                set(nonzero, at, first % WORD, (!not_plus | minus) & there)?;
            }
            BinaryAttentionOut::I16(out) => {
                let out = window_mut(out, place * head_dim + first, used)?;
                let y = both.map(|both| (2 * both as i32 - count as i32) as i16);
                match out.first_chunk_mut::<LANES>() {
                    Some(out) => *out = y,
                    None => out.copy_from_slice(&y[..used]),
                }
            }
        }
    }
    Ok(())
}

/// Sets a half of a word; the lower one clears the other.
#[inline(always)]
fn set(words: &mut [u32], at: usize, shift: usize, bits: u32) -> Result<(), Fault> {
    let word = words.get_mut(at).ok_or(Fault::Bounds)?;
    *word = if shift == 0 { bits } else { *word | bits << shift };
    Ok(())
}
