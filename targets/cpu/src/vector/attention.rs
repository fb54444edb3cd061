//! Attention: scores of many queries against packed keys, Shiftmax by byte tables, then P·V with the
//! probabilities split in two bytes.
//!
//! The bytes `h` and `l` of a probability `p = 256·h + l` are unsigned activations of the products, so
//! that `Σ p·v = 256·Σ h·v + Σ l·v`, exact modulo 2³², and the sum is below 2²².

use quant::Fault;
use quant::ops::{AttentionArgs, ChannelsRef, LinearOut};
use quant::slice::{window, window_mut};

use super::isa::{Exponentials, GROUP, Isa, LANES, Lookup, Requantize, STAGE, Staged, Weights};
use super::linear::{Panels, products};
use super::source::Dense;
use crate::portable::requantize::Multipliers;

/// Groups of a packed panel: channels of a key, or keys of a value, four each.
const DEPTH: usize = 128;
/// Queries whose P·V is summed in memory while values are packed.
const QUERIES: usize = 96;

/// Largest head that is computed here.
pub(super) const MAX_HEAD_DIM: usize = DEPTH * GROUP;

/// Panels that are packed on the way: keys by channels, or channels by keys.
type Packed<const P: usize> = [[Weights; DEPTH]; P];

/// One head.
struct Head<'a> {
    keys: usize,
    head_dim: usize,
    /// Elements from a query, and from a key or value, to the next.
    q_stride: usize,
    kv_stride: usize,
    /// From the head's first element on.
    q: &'a [i8],
    k: &'a [i8],
    v: &'a [i8],
}

/// Attention of all queries, as many at once as the scratch holds; `head_dim` is at most
/// [`MAX_HEAD_DIM`], and `I` takes unsigned activations.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
pub(super) unsafe fn attention<
    I: Isa + Lookup + Requantize,
    const R: usize,
    const P: usize,
    const C: usize,
>(
    args: AttentionArgs<'_>,
) -> Result<(), Fault> {
    let AttentionArgs { keys, heads, head_dim, q_stride, kv_stride, .. } = args;
    let width = heads * head_dim;
    let queries = args.out.len().checked_div(width).unwrap_or(0);
    let most = args.scores.len().checked_div(keys).filter(|&most| most > 0).ok_or(Fault::Bounds)?;
    let exp = Exponentials::new(args.exp);
    let mut first = 0;
    while first < queries {
        let count = (queries - first).min(most);
        let scores = window_mut(args.scores, 0, count * keys)?;
        let probabilities = window_mut(args.probabilities, 0, count * keys)?;
        for number in 0..heads {
            let at = number * head_dim;
            let head = Head {
                keys,
                head_dim,
                q_stride,
                kv_stride,
                q: args.q.get(first * q_stride + at..).ok_or(Fault::Bounds)?,
                k: args.k.get(at..).ok_or(Fault::Bounds)?,
                v: args.v.get(at..).ok_or(Fault::Bounds)?,
            };
            let multipliers = |channels: &ChannelsRef<'_>| {
                let one = channels.window(number, 1)?;
                Ok(Multipliers::<C>::uniform(one.mantissa[0], one.shift[0]))
            };
            // SAFETY: as the caller vouches.
            unsafe {
                score::<I, R, P, C>(&head, &multipliers(&args.score)?, scores, count)?;
                let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut *probabilities);
                for (scores, bytes) in scores.chunks_exact(keys).zip(bytes.chunks_exact_mut(2 * keys)) {
                    let (high, low) = bytes.split_at_mut(keys);
                    I::shiftmax(&exp, scores, high, low);
                }
                let out = args.out.get_mut(first * width + at..).ok_or(Fault::Bounds)?;
                weigh::<I, R, P, C>(&head, bytes, &multipliers(&args.requant)?, out, (count, width))?;
            }
        }
        first += count;
    }
    Ok(())
}

/// Scores of `count` queries against all keys, requantized.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
unsafe fn score<I: Isa + Requantize, const R: usize, const P: usize, const C: usize>(
    head: &Head<'_>,
    multipliers: &Multipliers<C>,
    scores: &mut [i8],
    count: usize,
) -> Result<(), Fault> {
    let Head { keys, head_dim, q_stride, kv_stride, q, k, .. } = *head;
    let (groups, queries) = (head_dim.div_ceil(GROUP), Dense { x: q, stride: q_stride });
    let mut packed: Packed<P> = [[[0; LANES * GROUP]; DEPTH]; P];
    let mut staged: [Staged; R] = [[[0; GROUP]; STAGE / GROUP]; R];
    let mut first = 0;
    while first < keys {
        let found = (keys - first).min(C);
        for lane in 0..found {
            let key = window(k, (first + lane) * kv_stride, head_dim)?;
            pack_channel(&mut packed[lane / LANES], lane % LANES, key);
        }
        // SAFETY: as the caller vouches.
        unsafe {
            let panels = core::array::from_fn(|p| &packed[p][..groups]);
            let block = Panels::<P>::new::<I>(panels, [[0; LANES]; P]);
            let mut row = 0;
            while row < count {
                let rows = (count - row).min(R);
                let sums = products::<I, R, P, C>(&block, head_dim, &queries, (row, rows), &mut staged)?;
                for (r, sums) in sums.iter().enumerate().take(rows) {
                    let out = window_mut(scores, (row + r) * keys + first, found)?;
                    I::store(&I::requantize(multipliers, sums), &mut LinearOut::I8 { out, table: None });
                }
                row += rows;
            }
        }
        first += found;
    }
    Ok(())
}

/// Writes `values` as channel `lane` of a panel.
#[inline(always)]
fn pack_channel(panel: &mut [Weights; DEPTH], lane: usize, values: &[i8]) {
    let (whole, rest) = quant::slice::chunks::<GROUP, _>(values);
    let mut groups = panel.iter_mut().map(|group| &mut group[GROUP * lane..GROUP * lane + GROUP]);
    for (values, place) in whole.iter().zip(groups.by_ref()) {
        place.copy_from_slice(values);
    }
    if let (false, Some(place)) = (rest.is_empty(), groups.next()) {
        place.fill(0);
        place[..rest.len()].copy_from_slice(rest);
    }
}

/// `out[i][c] = requantize(Σ_j p[i][j] · v[j][c])` of `count` queries, whose rows are `width` apart.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
unsafe fn weigh<I: Isa + Requantize, const R: usize, const P: usize, const C: usize>(
    head: &Head<'_>,
    bytes: &[u8],
    multipliers: &Multipliers<C>,
    out: &mut [i8],
    (count, width): (usize, usize),
) -> Result<(), Fault> {
    let Head { keys, head_dim, .. } = *head;
    let mut packed: Packed<P> = [[[0; LANES * GROUP]; DEPTH]; P];
    let mut staged: [Staged; R] = [[[0; GROUP]; STAGE / GROUP]; R];
    let mut sums = [[0; C]; QUERIES];
    let mut channel = 0;
    while channel < head_dim {
        let found = (head_dim - channel).min(C);
        let mut query = 0;
        while query < count {
            let queries = (count - query).min(QUERIES);
            sums[..queries].fill([0; C]);
            let mut key = 0;
            while key < keys {
                let len = (keys - key).min(DEPTH * GROUP);
                pack_values(head, (key, len), (channel, found), &mut packed)?;
                let panels = core::array::from_fn(|p| &packed[p][..len.div_ceil(GROUP)]);
                // SAFETY: as the caller vouches.
                let panels = unsafe { Panels::<P>::of_unsigned::<I>(panels) };
                let mut row = 0;
                while row < queries {
                    let rows = (queries - row).min(R);
                    for (part, scale) in [(0, 256), (keys, 1)] {
                        for (r, staged) in staged.iter_mut().enumerate().take(rows) {
                            let at = 2 * keys * (query + row + r) + part + key;
                            let from = window(bytes, at, len)?;
                            let staged = &mut staged.as_flattened_mut()[..len];
                            staged.iter_mut().zip(from).for_each(|(to, from)| *to = from ^ I::FLIP ^ 0x80);
                        }
                        // SAFETY: as the caller vouches.
                        unsafe { add::<I, R, P, C>(&mut sums[row..row + rows], &staged, &panels, scale) };
                    }
                    row += rows;
                }
                key += len;
            }
            for (r, sums) in sums.iter().enumerate().take(queries) {
                let out = window_mut(out, (query + r) * width + channel, found)?;
                // SAFETY: as the caller vouches.
                unsafe {
                    I::store(&I::requantize(multipliers, sums), &mut LinearOut::I8 { out, table: None })
                };
            }
            query += queries;
        }
        channel += found;
    }
    Ok(())
}

/// `sums[r] += scale · (x[r] · panels)`.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
unsafe fn add<I: Isa, const R: usize, const P: usize, const C: usize>(
    sums: &mut [[i32; C]],
    x: &[Staged; R],
    panels: &Panels<'_, P>,
    scale: i32,
) {
    // SAFETY: as the caller vouches.
    unsafe {
        let mut products = [core::array::from_fn(|p| I::sums(&panels.start[p])); R];
        I::tile(&mut products, x, panels.panels);
        for (sums, products) in sums.iter_mut().zip(products) {
            for (sums, products) in sums.chunks_exact_mut(LANES).zip(products) {
                for (sum, product) in sums.iter_mut().zip(I::values(products)) {
                    *sum = sum.wrapping_add(product.wrapping_mul(scale));
                }
            }
        }
    }
}

/// Packs channels `channel .. channel + found` of values `key .. key + len`; keys behind the last
/// one are zeros.
#[inline(always)]
fn pack_values<const P: usize>(
    head: &Head<'_>,
    (key, len): (usize, usize),
    (channel, found): (usize, usize),
    packed: &mut Packed<P>,
) -> Result<(), Fault> {
    for group in 0..len.div_ceil(GROUP) {
        for inside in 0..GROUP {
            let number = GROUP * group + inside;
            let value = match number < len {
                true => window(head.v, (key + number) * head.kv_stride + channel, found)?,
                false => &[],
            };
            for (p, panel) in packed.iter_mut().enumerate() {
                let values = value.get(p * LANES..).unwrap_or(&[]);
                let place = &mut panel[group];
                for lane in 0..LANES {
                    place[GROUP * lane + inside] = values.get(lane).copied().unwrap_or(0);
                }
            }
        }
    }
    Ok(())
}
