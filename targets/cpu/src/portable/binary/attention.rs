//! Binary attention: the distances of up to [`HELD`] keys are kept, those of more are
//! computed twice.

use quant::Fault;
use quant::ops::{BinaryAttentionArgs, BinaryAttentionOut};
use quant::slice::{at, rows, window, window_mut};

/// Keys whose distances are kept.
const HELD: usize = 256;
/// Elements of a word.
const WORD: usize = 32;

#[inline(always)]
pub(crate) fn binary_attention(args: BinaryAttentionArgs<'_>) -> Result<(), Fault> {
    let BinaryAttentionArgs { queries, keys, heads, head_dim, q, q_stride, k, k_stride, v, .. } = args;
    let words = head_dim.div_ceil(WORD);
    let selected = window_mut(args.selected, 0, keys.div_ceil(WORD))?;
    let row = selected.len();
    let mut out = args.out;
    for query in 0..queries {
        for head in 0..heads {
            let q = window(q, query * q_stride + head * words, words)?;
            let head_keys = Keys { k: k.get(head * words..).ok_or(Fault::Bounds)?, stride: k_stride, keys };
            select(q, &head_keys, at(args.distance, head)?, selected)?;
            let count = selected.iter().map(|a| a.count_ones()).sum::<u32>() as i32;
            let values = window(v, head * head_dim * row, head_dim * row)?;
            let sums = rows(values, row).map(|v| {
                let both = selected.iter().zip(v).map(|(a, v)| (a & v).count_ones());
                2 * both.sum::<u32>() as i32 - count
            });
            let head = query * heads + head;
            match &mut out {
                BinaryAttentionOut::Ternary { sign, nonzero } => {
                    let (sign, nonzero) =
                        (window_mut(sign, head * words, words)?, window_mut(nonzero, head * words, words)?);
                    ternary(sums, sign, nonzero);
                }
                BinaryAttentionOut::I16(out) => {
                    let out = window_mut(out, head * head_dim, head_dim)?;
                    out.iter_mut().zip(sums).for_each(|(out, y)| *out = y as i16);
                }
            }
        }
    }
    Ok(())
}

/// The keys of one head.
struct Keys<'a> {
    k: &'a [u32],
    stride: usize,
    keys: usize,
}

impl Keys<'_> {
    /// The bits in which `q` differs from each of the keys from `first` on.
    #[inline(always)]
    fn differ<'a>(&'a self, q: &'a [u32], first: usize) -> impl Iterator<Item = Result<u32, Fault>> + 'a {
        (first..self.keys).map(move |j| {
            let k = window(self.k, j * self.stride, q.len())?;
            Ok(q.iter().zip(k).map(|(q, k)| (q ^ k).count_ones()).sum())
        })
    }
}

/// Sets the bits of the keys whose score is within `distance` of the largest. A score falls
/// by 2 with each bit that differs.
#[inline(always)]
fn select(q: &[u32], keys: &Keys<'_>, distance: u32, selected: &mut [u32]) -> Result<(), Fault> {
    let mut held = [0u32; HELD];
    let mut least = u32::MAX;
    for (j, differ) in keys.differ(q, 0).enumerate() {
        let differ = differ?;
        least = least.min(differ);
        if let Some(place) = held.get_mut(j) {
            *place = differ;
        }
    }
    let limit = least.saturating_add(distance / 2);
    for (place, (chunk, first)) in selected.iter_mut().zip(held.chunks(WORD).zip((0..).step_by(WORD))) {
        let used = chunk.iter().take(keys.keys.saturating_sub(first));
        *place = used.zip(0u32..).fold(0, |bits, (&differ, bit)| bits | u32::from(differ <= limit) << bit);
    }
    for (word, place) in selected.iter_mut().enumerate().skip(HELD / WORD) {
        *place = 0;
        for (differ, bit) in keys.differ(q, word * WORD).take(WORD).zip(0u32..) {
            *place |= u32::from(differ? <= limit) << bit;
        }
    }
    Ok(())
}

/// Signs of the sums of one head, and which are not 0.
#[inline(always)]
fn ternary(mut sums: impl Iterator<Item = i32>, sign: &mut [u32], nonzero: &mut [u32]) {
    for (sign, nonzero) in sign.iter_mut().zip(nonzero) {
        (*sign, *nonzero) = (0, 0);
        // The range first: a zip that ends at its second side has taken one of the first.
        for (bit, y) in (0..WORD as u32).zip(sums.by_ref()) {
            *sign |= u32::from(y > 0) << bit;
            *nonzero |= u32::from(y != 0) << bit;
        }
    }
}
