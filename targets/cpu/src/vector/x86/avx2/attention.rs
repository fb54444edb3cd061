//! Attention of words: some queries of a head at a time from their scores to their outputs.
//!
//! A probability is a word as it is, so that its products with values take one pass. As many queries as the
//! caller has room for scores have all their scores before their outputs, so that keys and values, which
//! are widened, take the same place.

use core::arch::x86_64::{
    __m256i, _mm_cvtsi128_si32, _mm_loadl_epi64, _mm_max_epi8, _mm_set1_epi8, _mm_srli_si128, _mm_sub_epi8,
    _mm256_add_epi32, _mm256_castsi256_si128, _mm256_cvtepu8_epi32, _mm256_extracti128_si256,
    _mm256_i32gather_epi32, _mm256_loadu_si256, _mm256_max_epi8, _mm256_mullo_epi32, _mm256_packus_epi32,
    _mm256_permute4x64_epi64, _mm256_set1_epi8, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_srli_epi32,
    _mm256_storeu_si256,
};

use quant::Fault;
use quant::ops::{AttentionArgs, ChannelsRef, LinearOut};
use quant::slice::{window, window_mut};

use super::output::{Int8, Output};
use super::requantize::{CHANNELS, HighHalf, INTS};
use super::tile::{Finish, Tile};
use crate::vector::isa::{LANES, Weights};

/// Most keys, in whole blocks of 32.
const MAX_KEYS: usize = 640;
/// Most channels of a head.
const MAX_HEAD_DIM: usize = 128;
/// Records of 64 bytes that the keys of a head, and the values, may take.
const RECORDS: usize = 1184;
/// Queries that are laid out together: whole tiles.
const QUERIES: usize = 6;

/// Sixteen pairs of words: two channels of sixteen keys, or two keys of sixteen channels.
type Record = [[i16; 2]; LANES];

/// What some queries are made of on the way.
#[repr(C, align(64))]
struct Scratch {
    queries: [[u32; MAX_HEAD_DIM / 2]; QUERIES],
    scores: [i8; MAX_KEYS],
    exponentials: [u32; MAX_KEYS],
    probabilities: [[i16; MAX_KEYS]; QUERIES],
}

/// Keys and channels of a head, and the pairs of both.
#[derive(Clone, Copy)]
struct Shape {
    keys: usize,
    head_dim: usize,
    pairs_of_keys: usize,
    pairs_of_channels: usize,
}

impl Shape {
    /// That of `args`, where this module takes it.
    #[inline(always)]
    fn of(args: &AttentionArgs<'_>) -> Option<Self> {
        let (keys, head_dim) = (args.keys, args.head_dim);
        let is_high = |channels: &ChannelsRef<'_>| channels.shift.iter().all(|&shift| shift >= 33);
        if keys > MAX_KEYS || head_dim > MAX_HEAD_DIM || !is_high(&args.score) || !is_high(&args.requant) {
            return None;
        }
        let (pairs_of_keys, pairs_of_channels) = (keys.div_ceil(2), head_dim.div_ceil(2));
        let of_keys = keys.div_ceil(LANES) * pairs_of_channels;
        let of_values = head_dim.div_ceil(LANES) * pairs_of_keys;
        let fits = of_keys.max(of_values) <= RECORDS;
        fits.then_some(Self { keys, head_dim, pairs_of_keys, pairs_of_channels })
    }
}

/// Attention of all queries, where the head is one of these: says whether it is.
///
/// # Safety
///
/// As [`Tile`] says.
#[inline(always)]
pub(super) unsafe fn attention<T: Tile<R>, const R: usize>(
    args: &mut AttentionArgs<'_>,
) -> Result<bool, Fault> {
    const { assert!(QUERIES.is_multiple_of(R)) };
    let Some(shape) = Shape::of(args) else { return Ok(false) };
    let width = args.heads * args.head_dim;
    let queries = args.out.len().checked_div(width).unwrap_or(0);
    let most = args.scores.len().checked_div(shape.keys).filter(|&most| most > 0).ok_or(Fault::Bounds)?;
    let mut records = [[[0; 2]; LANES]; RECORDS];
    let mut scratch = Scratch {
        queries: [[0; MAX_HEAD_DIM / 2]; QUERIES],
        scores: [0; MAX_KEYS],
        exponentials: [0; MAX_KEYS],
        probabilities: [[0; MAX_KEYS]; QUERIES],
    };
    for first in (0..queries).step_by(most) {
        let count = (queries - first).min(most);
        for number in 0..args.heads {
            let at = number * args.head_dim;
            let (k, v) = (args.k.get(at..).ok_or(Fault::Bounds)?, args.v.get(at..).ok_or(Fault::Bounds)?);
            let q = args.q.get(first * args.q_stride + at..).ok_or(Fault::Bounds)?;
            let out = args.out.get_mut(first * width + at..).ok_or(Fault::Bounds)?;
            let (score, requant) = (args.score.window(number, 1)?, args.requant.window(number, 1)?);
            // SAFETY: as the caller vouches.
            unsafe {
                let by = &[HighHalf::uniform(score.mantissa[0], score.shift[0]); 4];
                pack_keys(&mut records, k, args.kv_stride, shape)?;
                for row in (0..count).step_by(QUERIES) {
                    let rows = (count - row).min(QUERIES);
                    for (r, to) in scratch.queries.iter_mut().enumerate().take(rows) {
                        let q = window(q, (row + r) * args.q_stride, shape.head_dim)?;
                        let words: &mut [i16] = bytemuck::cast_slice_mut(to);
                        words.iter_mut().zip(q).for_each(|(to, &q)| *to = q.into());
                    }
                    let to = window_mut(args.scores, row * shape.keys, rows * shape.keys)?;
                    scores::<T, R>(&scratch.queries, &records, shape, by, to)?;
                }
                let by = &[HighHalf::uniform(requant.mantissa[0], requant.shift[0]); 4];
                pack_values(&mut records, v, args.kv_stride, shape)?;
                for row in (0..count).step_by(QUERIES) {
                    let rows = (count - row).min(QUERIES);
                    let Scratch { scores, exponentials, probabilities, .. } = &mut scratch;
                    for (r, probabilities) in probabilities.iter_mut().enumerate().take(rows) {
                        let found = window(args.scores, (row + r) * shape.keys, shape.keys)?;
                        scores[..shape.keys].copy_from_slice(found);
                        shiftmax(args.exp, shape.keys, scores, exponentials, probabilities);
                    }
                    let out = out.get_mut(row * width..).ok_or(Fault::Bounds)?;
                    weigh::<T, R>(probabilities, &records, shape, rows, by, (out, width))?;
                }
            }
        }
    }
    Ok(true)
}

/// Lays out keys `stride` apart. The keys behind the last one are any.
#[inline(always)]
fn pack_keys(to: &mut [Record; RECORDS], k: &[i8], stride: usize, shape: Shape) -> Result<(), Fault> {
    for key in 0..shape.keys {
        let mut words = [0i16; MAX_HEAD_DIM];
        let channels = window(k, key * stride, shape.head_dim)?;
        words.iter_mut().zip(channels).for_each(|(to, &channel)| *to = channel.into());
        let panel = window_mut(to, key / LANES * shape.pairs_of_channels, shape.pairs_of_channels)?;
        for (record, pair) in panel.iter_mut().zip(words.as_chunks().0) {
            record[key % LANES] = *pair;
        }
    }
    Ok(())
}

/// Lays out values `stride` apart. What is behind the last key is zeros, and channels behind the last one
/// are any.
#[inline(always)]
fn pack_values(to: &mut [Record; RECORDS], v: &[i8], stride: usize, shape: Shape) -> Result<(), Fault> {
    for pair in 0..shape.pairs_of_keys {
        let mut rows = [[0; MAX_HEAD_DIM]; 2];
        for (key, row) in (2 * pair..shape.keys).zip(&mut rows) {
            row[..shape.head_dim].copy_from_slice(window(v, key * stride, shape.head_dim)?);
        }
        let [even, odd] = &rows;
        let panels = even.as_chunks::<LANES>().0.iter().zip(odd.as_chunks::<LANES>().0);
        for (panel, (even, odd)) in panels.enumerate().take(shape.head_dim.div_ceil(LANES)) {
            let record = to.get_mut(panel * shape.pairs_of_keys + pair).ok_or(Fault::Bounds)?;
            for lane in 0..LANES {
                record[lane] = [even[lane].into(), odd[lane].into()];
            }
        }
    }
    Ok(())
}

/// Panels `2 · block` and after of `steps` records each, of `panels`; a panel that there is not is the one
/// before.
#[inline(always)]
fn panels(all: &[Record], block: usize, panels: usize, steps: usize) -> Result<[&[Weights]; 2], Fault> {
    let first = 2 * block;
    let second = (first + 1).min(panels.saturating_sub(1));
    let panel = |number: usize| Ok(bytemuck::cast_slice(window(all, number * steps, steps)?));
    Ok([panel(first)?, panel(second)?])
}

/// Scores of queries for `keys`, requantized `by`, of as many as `to` has rows of scores.
///
/// # Safety
///
/// As [`Tile`] says.
#[inline(always)]
unsafe fn scores<T: Tile<R>, const R: usize>(
    queries: &[[u32; MAX_HEAD_DIM / 2]; QUERIES],
    keys: &[Record; RECORDS],
    shape: Shape,
    by: &[HighHalf; 4],
    to: &mut [i8],
) -> Result<(), Fault> {
    let rows = to.len() / shape.keys;
    let mut to = LinearOut::I8 { out: to, table: None };
    // SAFETY: as the caller vouches.
    let (out, sums) =
        unsafe { (&Int8::new(&mut to).ok_or(Fault::Instruction)?, [[_mm256_setzero_si256(); 4]; R]) };
    for block in 0..shape.keys.div_ceil(CHANNELS) {
        let channels = (shape.keys - block * CHANNELS).min(CHANNELS);
        let keys = panels(keys, block, shape.keys.div_ceil(LANES), shape.pairs_of_channels)?;
        for (number, queries) in queries.chunks_exact(R).take(rows.div_ceil(R)).enumerate() {
            let mut x: [&[u32]; R] = [&[]; R];
            for (x, query) in x.iter_mut().zip(queries) {
                *x = &query[..shape.pairs_of_channels];
            }
            let (at, rows) = (number * R * shape.keys + block * CHANNELS, rows - number * R);
            // SAFETY: `to` has the rows; and as the caller vouches.
            unsafe {
                T::finish(&sums, x, keys, &Finish { by, up: 0, out, at, stride: shape.keys, rows, channels })
            };
        }
    }
    Ok(())
}

/// Shiftmax of the first `keys` of `scores`; the probabilities behind them are 0.
///
/// # Safety
///
/// Where AVX2 is.
#[inline(always)]
unsafe fn shiftmax(
    exp: &[u32; 256],
    keys: usize,
    scores: &mut [i8; MAX_KEYS],
    exponentials: &mut [u32; MAX_KEYS],
    to: &mut [i16; MAX_KEYS],
) {
    let padded = keys.next_multiple_of(CHANNELS).min(MAX_KEYS);
    scores[keys.min(padded)..padded].fill(i8::MIN);
    // SAFETY: whole arrays are read and written; distances are below 256.
    unsafe {
        let max = max(&scores[..padded]);
        let mut sums = _mm256_setzero_si256();
        let of_scores = scores[..padded].as_chunks::<INTS>().0.iter();
        for (scores, to) in of_scores.zip(exponentials.as_chunks_mut::<INTS>().0) {
            let distance = _mm_sub_epi8(_mm_set1_epi8(max), _mm_loadl_epi64(scores.as_ptr().cast()));
            let found = _mm256_i32gather_epi32::<4>(exp.as_ptr().cast(), _mm256_cvtepu8_epi32(distance));
            sums = _mm256_add_epi32(sums, found);
            _mm256_storeu_si256(to.as_mut_ptr().cast(), found);
        }
        // Modulo 2³²: what the scores behind the last one have added is taken back.
        let behind = exp[usize::from(max.wrapping_sub(i8::MIN) as u8)].wrapping_mul((padded - keys) as u32);
        let sum = total(sums).wrapping_sub(behind);
        let factor = (i32::MAX as u32).checked_div(sum).unwrap_or(0);
        let factor = _mm256_set1_epi32(factor as i32);
        let of_exponentials = exponentials[..padded].as_chunks::<LANES>().0.iter();
        for (exponentials, to) in of_exponentials.zip(to.as_chunks_mut::<LANES>().0) {
            let mut products = [factor; 2];
            for (product, part) in products.iter_mut().zip(exponentials.as_chunks::<INTS>().0) {
                let part = _mm256_loadu_si256(part.as_ptr().cast());
                *product = _mm256_srli_epi32::<16>(_mm256_mullo_epi32(part, factor));
            }
            let words = _mm256_permute4x64_epi64::<0xd8>(_mm256_packus_epi32(products[0], products[1]));
            _mm256_storeu_si256(to.as_mut_ptr().cast(), words);
        }
    }
    to[keys.min(padded)..padded].fill(0);
}

/// The largest score of whole blocks of 32.
///
/// # Safety
///
/// Where AVX2 is.
#[inline(always)]
unsafe fn max(scores: &[i8]) -> i8 {
    // SAFETY: 32 bytes are read, of arrays of as many.
    unsafe {
        let mut most = _mm256_set1_epi8(i8::MIN);
        for scores in scores.as_chunks::<CHANNELS>().0 {
            most = _mm256_max_epi8(most, _mm256_loadu_si256(scores.as_ptr().cast()));
        }
        let most = _mm_max_epi8(_mm256_castsi256_si128(most), _mm256_extracti128_si256::<1>(most));
        let most = _mm_max_epi8(most, _mm_srli_si128::<8>(most));
        let most = _mm_max_epi8(most, _mm_srli_si128::<4>(most));
        let most = _mm_max_epi8(most, _mm_srli_si128::<2>(most));
        _mm_cvtsi128_si32(_mm_max_epi8(most, _mm_srli_si128::<1>(most))) as i8
    }
}

/// The sum of all eight, modulo 2³².
///
/// # Safety
///
/// Where AVX2 is.
#[inline(always)]
unsafe fn total(sums: __m256i) -> u32 {
    let mut values = [0u32; INTS];
    // SAFETY: 32 bytes are written, to an array of as many.
    unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), sums) };
    values.iter().fold(0, |sum: u32, &value| sum.wrapping_add(value))
}

/// Outputs of `rows` queries, requantized `by`, to rows of `out` that are `stride` apart.
///
/// # Safety
///
/// As [`Tile`] says.
#[inline(always)]
unsafe fn weigh<T: Tile<R>, const R: usize>(
    probabilities: &[[i16; MAX_KEYS]; QUERIES],
    values: &[Record; RECORDS],
    shape: Shape,
    rows: usize,
    by: &[HighHalf; 4],
    (out, stride): (&mut [i8], usize),
) -> Result<(), Fault> {
    if (rows - 1) * stride + shape.head_dim > out.len() {
        return Err(Fault::Bounds);
    }
    let mut out = LinearOut::I8 { out, table: None };
    // SAFETY: as the caller vouches.
    let (out, sums) =
        unsafe { (&Int8::new(&mut out).ok_or(Fault::Instruction)?, [[_mm256_setzero_si256(); 4]; R]) };
    for block in 0..shape.head_dim.div_ceil(CHANNELS) {
        let channels = (shape.head_dim - block * CHANNELS).min(CHANNELS);
        let values = panels(values, block, shape.head_dim.div_ceil(LANES), shape.pairs_of_keys)?;
        for (number, words) in probabilities.chunks_exact(R).take(rows.div_ceil(R)).enumerate() {
            let mut x: [&[u32]; R] = [&[]; R];
            for (x, words) in x.iter_mut().zip(words) {
                *x = window(bytemuck::cast_slice(words), 0, shape.pairs_of_keys)?;
            }
            let (at, rows) = (number * R * stride + block * CHANNELS, rows - number * R);
            // SAFETY: all rows end within `out`; and as the caller vouches.
            unsafe { T::finish(&sums, x, values, &Finish { by, up: 0, out, at, stride, rows, channels }) };
        }
    }
    Ok(())
}
