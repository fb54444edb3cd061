//! Attention of heads of one register, six queries at a time. As many queries as the caller has room for
//! scores have all their scores before their outputs, so that keys and values take the same place.
//!
//! Keys and values are laid out as AMX has them, so that sums narrow to bytes in order. Between the
//! products by the high bytes of probabilities and those by the low ones the sums are shifted left.

use core::arch::x86_64::{
    __m512i, _mm512_mask_storeu_epi8, _mm512_maskz_loadu_epi8, _mm512_set1_epi8, _mm512_setzero_si512,
    _mm512_slli_epi32, _mm512_storeu_si512, _mm512_xor_si512,
};
use core::mem::MaybeUninit;

use quant::Fault;
use quant::ops::{AttentionArgs, ChannelsRef};
use quant::slice::{window, window_mut};

use super::pack::{GROUPS, Tile, pack_keys, pack_values};
use super::products::{excess, products};
use super::{Avx512, HighHalf, WIDTH, first, narrow};
use crate::vector::isa::{Exponentials, GROUP, Isa, LANES, Lookup};

/// Queries of a tile.
const ROWS: usize = 6;
/// Most keys: those whose panels and values stay near.
const MAX_KEYS: usize = 640;
const BLOCKS: usize = MAX_KEYS / WIDTH;

/// Keys or values, 64 to each, laid out as far as there are some.
type Packed = [MaybeUninit<[Tile; 4]>; BLOCKS];
/// A row of bytes for each query of a tile.
type Bytes = [[u8; MAX_KEYS]; ROWS];

/// Whether attention of these dimensions and multipliers is done here.
#[inline(always)]
fn takes(args: &AttentionArgs<'_>) -> bool {
    let is_high = |channels: &ChannelsRef<'_>| channels.shift.iter().all(|&shift| shift >= 33);
    let fits = args.keys <= MAX_KEYS && args.head_dim <= WIDTH;
    fits && is_high(&args.score) && is_high(&args.requant)
}

/// What six queries are made of on the way.
#[repr(C, align(64))]
struct Scratch {
    queries: [[u8; WIDTH]; ROWS],
    /// The high bytes of all probabilities of a query, and the low ones.
    probabilities: [Bytes; 2],
}

/// Some queries of one head.
struct Head<'a> {
    keys: usize,
    head_dim: usize,
    /// Elements from a key or value to the next.
    kv_stride: usize,
    /// From the head's first element of the first query on, and elements to the next query.
    q: (&'a [i8], usize),
    count: usize,
}

/// Attention of all queries: says whether it is done.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
pub(super) unsafe fn attention(args: &mut AttentionArgs<'_>) -> Result<bool, Fault> {
    if !takes(args) {
        return Ok(false);
    }
    let AttentionArgs { keys, heads, head_dim, q_stride, kv_stride, .. } = *args;
    let width = heads * head_dim;
    let queries = args.out.len().checked_div(width).unwrap_or(0);
    let most = args.scores.len().checked_div(keys).filter(|&most| most > 0).ok_or(Fault::Bounds)?;
    let exp = Exponentials::new(args.exp);
    let mut packed: Packed = [const { MaybeUninit::uninit() }; BLOCKS];
    let packed = zeroed(&mut packed, keys.div_ceil(WIDTH));
    let mut scratch = Scratch { queries: [[0; WIDTH]; ROWS], probabilities: [[[0; MAX_KEYS]; ROWS]; 2] };
    for first in (0..queries).step_by(most) {
        for number in 0..heads {
            let at = number * head_dim;
            let q = args.q.get(first * q_stride + at..).ok_or(Fault::Bounds)?;
            let (k, v) = (args.k.get(at..).ok_or(Fault::Bounds)?, args.v.get(at..).ok_or(Fault::Bounds)?);
            let out = args.out.get_mut(first * width + at..).ok_or(Fault::Bounds)?;
            let count = (queries - first).min(most);
            let head = Head { keys, head_dim, kv_stride, q: (q, q_stride), count };
            let (score, requant) = (args.score.window(number, 1)?, args.requant.window(number, 1)?);
            // SAFETY: as the caller vouches.
            unsafe {
                let by = HighHalf::uniform(score.mantissa[0], score.shift[0]);
                scores(&head, k, packed, &mut scratch.queries, by, args.scores)?;
                let by = HighHalf::uniform(requant.mantissa[0], requant.shift[0]);
                weigh(&head, (v, args.scores, &exp), packed, &mut scratch.probabilities, by, (out, width))?;
            }
        }
    }
    Ok(true)
}

/// The first `count` of `packed`, as zeros.
#[inline(always)]
fn zeroed(packed: &mut Packed, count: usize) -> &mut [[Tile; 4]] {
    let count = count.min(BLOCKS);
    for block in &mut packed[..count] {
        block.write([[[0; LANES * GROUP]; GROUPS]; 4]);
    }
    // SAFETY: all of them are written.
    unsafe { &mut *(&raw mut packed[..count] as *mut [[Tile; 4]]) }
}

/// Copies queries, their sign turned.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
pub(super) unsafe fn stage(
    to: &mut [[u8; WIDTH]],
    (q, stride): (&[i8], usize),
    (rows, head_dim): (usize, usize),
) -> Result<(), Fault> {
    for (row, to) in to.iter_mut().enumerate().take(rows) {
        let from = window(q, row * stride, head_dim)?;
        // SAFETY: `head_dim` bytes are read, of as many that are there, and 64 written, to an array of as many.
        unsafe {
            let bytes = _mm512_maskz_loadu_epi8(first(head_dim), from.as_ptr());
            let bytes = _mm512_xor_si512(bytes, _mm512_set1_epi8(i8::MIN));
            _mm512_storeu_si512(to.as_mut_ptr().cast(), bytes);
        }
    }
    Ok(())
}

/// Scores of the queries of `head` for keys `k`, requantized `by`.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
unsafe fn scores(
    head: &Head<'_>,
    k: &[i8],
    packed: &mut [[Tile; 4]],
    queries: &mut [[u8; WIDTH]; ROWS],
    by: HighHalf,
    to: &mut [i8],
) -> Result<(), Fault> {
    let &Head { keys, head_dim, kv_stride, q: (q, q_stride), count } = head;
    let groups = head_dim.div_ceil(GROUP);
    let mut starts = [[0; 4 * LANES]; BLOCKS];
    // SAFETY: as the caller vouches.
    unsafe {
        pack_keys(packed, k, kv_stride, (keys, head_dim))?;
        for (tiles, start) in packed.iter().zip(&mut starts) {
            let sums = excess(tiles.each_ref().map(|tile| &tile[..groups]));
            for (sums, start) in sums.into_iter().zip(start.as_chunks_mut::<LANES>().0) {
                *start = Avx512::values(sums).map(i32::wrapping_neg);
            }
        }
        for row in (0..count).step_by(ROWS) {
            let rows = (count - row).min(ROWS);
            stage(queries, (q.get(row * q_stride..).ok_or(Fault::Bounds)?, q_stride), (rows, head_dim))?;
            let to = window_mut(to, row * keys, rows * keys)?;
            for (block, (tiles, start)) in packed.iter().zip(&starts).enumerate() {
                let at = block * WIDTH;
                // Eight keys take part in two tiles.
                if keys - at <= 2 * GROUP {
                    let [a, b, ..] = tiles;
                    scores_of(queries, ([a, b], start), groups, by, (to, keys, at));
                } else {
                    scores_of(queries, (tiles.each_ref(), start), groups, by, (to, keys, at));
                }
            }
        }
    }
    Ok(())
}

/// Scores of the queries for the keys of `P` tiles, which are those from `at` on, of as many queries as `to`
/// has rows of `keys`.
///
/// # Safety
///
/// As [`Isa`] says; `at` is below `keys`.
#[inline(always)]
unsafe fn scores_of<const P: usize>(
    queries: &[[u8; WIDTH]; ROWS],
    (tiles, start): ([&Tile; P], &[i32; 4 * LANES]),
    groups: usize,
    by: HighHalf,
    (to, keys, at): (&mut [i8], usize, usize),
) {
    let start = start.as_chunks::<LANES>().0;
    // SAFETY: queries have 16 groups, as tiles do, and as many bytes are written as there are behind `at`.
    unsafe {
        let mut from = [_mm512_setzero_si512(); P];
        for (from, start) in from.iter_mut().zip(start) {
            *from = Avx512::sums(start);
        }
        let x = queries.each_ref().map(|row| row.as_ptr());
        let sums = products([from; ROWS], x, tiles.map(|tile| tile.as_ptr()), groups);
        for (sums, to) in sums.iter().zip(to.chunks_exact_mut(keys)) {
            let mut row = [_mm512_setzero_si512(); 4];
            row[..P].copy_from_slice(sums);
            _mm512_mask_storeu_epi8(to.as_mut_ptr().add(at), first(keys - at), requantized(by, &row));
        }
    }
}

/// Outputs of the queries of `head` from their scores and values `v`, requantized `by`, to rows of `out`
/// that are `width` apart.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
unsafe fn weigh(
    head: &Head<'_>,
    (v, scores, exp): (&[i8], &[i8], &Exponentials<'_>),
    packed: &mut [[Tile; 4]],
    probabilities: &mut [Bytes; 2],
    by: HighHalf,
    (out, width): (&mut [i8], usize),
) -> Result<(), Fault> {
    let &Head { keys, head_dim, kv_stride, count, .. } = head;
    // SAFETY: as the caller vouches.
    unsafe {
        pack_values(packed, v, kv_stride, (keys, head_dim))?;
        for row in (0..count).step_by(ROWS) {
            let rows = (count - row).min(ROWS);
            let scores = window(scores, row * keys, rows * keys)?;
            let [high, low] = &mut *probabilities;
            for (scores, (high, low)) in scores.chunks_exact(keys).zip(high.iter_mut().zip(low)) {
                Avx512::shiftmax(exp, scores, window_mut(high, 0, keys)?, window_mut(low, 0, keys)?);
            }
            for (r, sums) in weighed(probabilities, packed, keys).iter().enumerate().take(rows) {
                let out = window_mut(out, (row + r) * width, head_dim)?;
                _mm512_mask_storeu_epi8(out.as_mut_ptr(), first(head_dim), requantized(by, sums));
            }
        }
    }
    Ok(())
}

/// Sums of values, each times its probability.
///
/// # Safety
///
/// As [`Isa`] says; `packed` are the values of as many keys.
#[inline(always)]
unsafe fn weighed(probabilities: &[Bytes; 2], packed: &[[Tile; 4]], keys: usize) -> [[__m512i; 4]; ROWS] {
    // SAFETY: rows of probabilities have as many groups as tiles of all blocks.
    unsafe {
        let mut sums = [[_mm512_setzero_si512(); 4]; ROWS];
        for bytes in probabilities {
            for sums in &mut sums {
                for sum in sums {
                    *sum = _mm512_slli_epi32::<8>(*sum);
                }
            }
            for (block, tiles) in packed.iter().enumerate() {
                let groups = (keys - block * WIDTH).min(WIDTH).div_ceil(GROUP);
                let x = bytes.each_ref().map(|row| row.as_ptr().add(block * WIDTH));
                sums = products(sums, x, tiles.each_ref().map(|tile| tile.as_ptr()), groups);
            }
        }
        sums
    }
}

/// The sums of a query, requantized `by`.
///
/// # Safety
///
/// As [`Isa`] says.
#[inline(always)]
pub(super) unsafe fn requantized(by: HighHalf, &[a, b, c, d]: &[__m512i; 4]) -> __m512i {
    // SAFETY: as the caller vouches.
    unsafe { narrow([by.apply(a), by.apply(b), by.apply(c), by.apply(d)]) }
}
