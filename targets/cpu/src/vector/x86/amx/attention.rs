//! Attention by tiles. As many queries as the caller has room for scores have all their scores before their
//! outputs, so that keys and values take the same place.
//!
//! Sixteen keys are the panel of a tile, as are the values of 64 keys for sixteen channels. The bytes
//! of a probability go unsigned into the products, as in [`vector::attention`](crate::vector::attention).

use core::arch::x86_64::{
    __m512i, _mm512_add_epi32, _mm512_loadu_si512, _mm512_mask_storeu_epi8, _mm512_setzero_si512,
    _mm512_slli_epi32,
};

use quant::Fault;
use quant::ops::{AttentionArgs, ChannelsRef};
use quant::slice::{window, window_mut};

use super::tiles::{BYTES, GROUPS, ROWS, Rows, Sums, Tile, Tiles};
use crate::vector::isa::{Exponentials, GROUP, LANES, Lookup};
use crate::vector::x86::avx512::{Avx512, HighHalf, first, narrow, pack_keys, pack_values};

/// Least keys for which tiles pay, and most.
const MIN_KEYS: usize = 80;
const MAX_KEYS: usize = 640;
/// Most channels of a head: those of one step.
const MAX_HEAD_DIM: usize = BYTES;

/// Whether attention of these dimensions and multipliers is done here.
#[inline(always)]
pub(super) fn takes(args: &AttentionArgs<'_>) -> bool {
    let is_high = |channels: &ChannelsRef<'_>| channels.shift.iter().all(|&shift| shift >= 33);
    let fits = (MIN_KEYS..=MAX_KEYS).contains(&args.keys) && args.head_dim <= MAX_HEAD_DIM;
    fits && is_high(&args.score) && is_high(&args.requant)
}

/// What one head is laid out to, and what sixteen queries are made of on the way.
#[repr(C, align(64))]
struct Scratch {
    /// Keys or values, 64 to each.
    packed: [[Tile; 4]; MAX_KEYS / BYTES],
    queries: [[u8; BYTES]; ROWS],
    /// Of four tiles of keys or channels: by the high bytes of probabilities, and by the low ones.
    sums: [[Sums; 4]; 2],
    /// The high bytes of all probabilities of a query, and the low ones.
    probabilities: [[[u8; MAX_KEYS]; ROWS]; 2],
}

const NO_WEIGHTS: Tile = [[0; LANES * GROUP]; GROUPS];
const NO_SUMS: Sums = [[0; LANES]; ROWS];

impl Scratch {
    #[inline(always)]
    fn new() -> Self {
        Self {
            packed: [[NO_WEIGHTS; 4]; MAX_KEYS / BYTES],
            queries: [[0; BYTES]; ROWS],
            sums: [[NO_SUMS; 4]; 2],
            probabilities: [[[0; MAX_KEYS]; ROWS]; 2],
        }
    }
}

/// Attention of all queries that [`takes`] takes.
///
/// # Safety
///
/// Where [`is_permitted`](super::tiles::is_permitted) says so, in a function that is compiled for
/// AVX-512 as [`Avx512`] has it.
#[inline(always)]
pub(super) unsafe fn attention(args: AttentionArgs<'_>) -> Result<(), Fault> {
    let AttentionArgs { keys, heads, head_dim, q_stride, kv_stride, .. } = args;
    let width = heads * head_dim;
    let queries = args.out.len().checked_div(width).unwrap_or(0);
    let most = args.scores.len().checked_div(keys).filter(|&most| most > 0).ok_or(Fault::Bounds)?;
    let exp = Exponentials::new(args.exp);
    let mut scratch = Scratch::new();
    // SAFETY: as the caller vouches.
    let mut tiles = unsafe { Tiles::new() };
    for part in 0..queries.div_ceil(most) * heads {
        let (first, number) = (part / heads * most, part % heads);
        let (at, count) = (number * head_dim, (queries - first).min(most));
        let (k, v) = (args.k.get(at..).ok_or(Fault::Bounds)?, args.v.get(at..).ok_or(Fault::Bounds)?);
        let (score, requant) = (args.score.window(number, 1)?, args.requant.window(number, 1)?);
        // SAFETY: as the caller vouches.
        unsafe {
            pack_keys(&mut scratch.packed, k, kv_stride, (keys, head_dim))?;
            let by = HighHalf::uniform(score.mantissa[0], score.shift[0]);
            for row in (0..count).step_by(ROWS) {
                let rows = (count - row).min(ROWS);
                let q = args.q.get((first + row) * q_stride + at..).ok_or(Fault::Bounds)?;
                let to = window_mut(args.scores, row * keys, rows * keys)?;
                scores(&mut tiles, &mut scratch, (q, q_stride), (rows, keys, head_dim), by, to)?;
            }
            pack_values(&mut scratch.packed, v, kv_stride, (keys, head_dim))?;
            let by = HighHalf::uniform(requant.mantissa[0], requant.shift[0]);
            for row in (0..count).step_by(ROWS) {
                let rows = (count - row).min(ROWS);
                let scores = window(args.scores, row * keys, rows * keys)?;
                let [high, low] = &mut scratch.probabilities;
                for (scores, (high, low)) in scores.chunks_exact(keys).zip(high.iter_mut().zip(low)) {
                    Avx512::shiftmax(&exp, scores, window_mut(high, 0, keys)?, window_mut(low, 0, keys)?);
                }
                let out = args.out.get_mut((first + row) * width + at..).ok_or(Fault::Bounds)?;
                weigh(&mut tiles, &mut scratch, (rows, keys, head_dim), by, (out, width))?;
            }
        }
    }
    Ok(())
}

/// Begins the sums of four tiles with zeros.
#[inline(always)]
fn zero(tiles: &mut Tiles) {
    tiles.zero::<0>();
    tiles.zero::<1>();
    tiles.zero::<2>();
    tiles.zero::<3>();
}

/// Stores the sums of four tiles.
#[inline(always)]
fn store(tiles: &mut Tiles, [a, b, c, d]: &mut [Sums; 4]) {
    tiles.store::<0>(a);
    tiles.store::<1>(b);
    tiles.store::<2>(c);
    tiles.store::<3>(d);
}

/// Scores of `rows` queries, requantized `by`, to as many rows of `keys`.
///
/// # Safety
///
/// In a function that is compiled for AVX-512 as [`Avx512`] has it.
#[inline(always)]
unsafe fn scores(
    tiles: &mut Tiles,
    scratch: &mut Scratch,
    (q, stride): (&[i8], usize),
    (rows, keys, head_dim): (usize, usize, usize),
    by: HighHalf,
    to: &mut [i8],
) -> Result<(), Fault> {
    // What lies behind a head is multiplied by the zeros behind the channels of keys.
    let in_place = if rows == ROWS { Rows::new(bytemuck::cast_slice(q), stride, 1) } else { None };
    let x = match in_place {
        Some(x) => x,
        None => {
            for (row, to) in scratch.queries.iter_mut().enumerate().take(rows) {
                let from = window(q, row * stride, head_dim)?;
                let to = to.get_mut(..head_dim).ok_or(Fault::Bounds)?;
                to.copy_from_slice(bytemuck::cast_slice(from));
            }
            Rows::new(scratch.queries.as_flattened(), BYTES, 1).ok_or(Fault::Bounds)?
        }
    };
    for (block, keys_of_block) in scratch.packed.iter().enumerate().take(keys.div_ceil(BYTES)) {
        let sums = &mut scratch.sums[0];
        zero(tiles);
        let [a, b, c, d] = keys_of_block;
        // SAFETY: `x` has one step.
        unsafe { tiles.activations::<4>(&x, 0) };
        tiles.weights::<5>(a);
        tiles.multiply::<0, 4, 5>();
        tiles.weights::<6>(b);
        tiles.multiply::<1, 4, 6>();
        tiles.weights::<7>(c);
        tiles.multiply::<2, 4, 7>();
        tiles.weights::<5>(d);
        tiles.multiply::<3, 4, 5>();
        store(tiles, sums);
        // Sixteen keys and more take part in all four tiles.
        let used = (keys - block * BYTES).min(LANES).div_ceil(GROUP);
        for (row, to) in to.chunks_exact_mut(keys).enumerate().take(rows) {
            let to = to.get_mut(block * BYTES..).ok_or(Fault::Bounds)?;
            // SAFETY: as many bytes are written as there are, at most 64.
            unsafe {
                let bytes = requantized(by, sums, None, row, used);
                _mm512_mask_storeu_epi8(to.as_mut_ptr(), first(to.len()), bytes);
            }
        }
    }
    Ok(())
}

/// The sums of row `row` of four tiles, to which 256 times those of `high` are added, requantized `by`,
/// the first `used` tiles of them.
///
/// # Safety
///
/// In a function that is compiled for AVX-512 as [`Avx512`] has it.
#[inline(always)]
unsafe fn requantized(
    by: HighHalf,
    sums: &[Sums; 4],
    high: Option<&[Sums; 4]>,
    row: usize,
    used: usize,
) -> __m512i {
    // SAFETY: four times 64 bytes are read, of arrays of as many.
    unsafe {
        let mut columns = [_mm512_setzero_si512(); 4];
        for (tile, column) in columns.iter_mut().enumerate().take(used) {
            let mut z = _mm512_loadu_si512(sums[tile][row].as_ptr().cast());
            if let Some(high) = high {
                let high = _mm512_loadu_si512(high[tile][row].as_ptr().cast());
                z = _mm512_add_epi32(_mm512_slli_epi32::<8>(high), z);
            }
            *column = by.apply(z);
        }
        narrow(columns)
    }
}

/// Outputs of `rows` queries, whose rows are `width` apart in `out`, requantized `by`.
///
/// # Safety
///
/// In a function that is compiled for AVX-512 as [`Avx512`] has it.
#[inline(always)]
unsafe fn weigh(
    tiles: &mut Tiles,
    scratch: &mut Scratch,
    (rows, keys, head_dim): (usize, usize, usize),
    by: HighHalf,
    (out, width): (&mut [i8], usize),
) -> Result<(), Fault> {
    let steps = keys.div_ceil(BYTES);
    for (bytes, sums) in scratch.probabilities.iter().zip(&mut scratch.sums) {
        let x = Rows::new(bytes.as_flattened(), MAX_KEYS, steps).ok_or(Fault::Bounds)?;
        zero(tiles);
        for (step, [a, b, c, d]) in scratch.packed.iter().enumerate().take(steps) {
            // SAFETY: `x` has `steps` steps.
            unsafe { tiles.activations::<4>(&x, step) };
            tiles.weights::<5>(a);
            tiles.multiply_unsigned::<0, 4, 5>();
            tiles.weights::<6>(b);
            tiles.multiply_unsigned::<1, 4, 6>();
            tiles.weights::<7>(c);
            tiles.multiply_unsigned::<2, 4, 7>();
            tiles.weights::<5>(d);
            tiles.multiply_unsigned::<3, 4, 5>();
        }
        store(tiles, sums);
    }
    let [high, low] = &scratch.sums;
    for row in 0..rows {
        let out = window_mut(out, row * width, head_dim)?;
        // SAFETY: `head_dim` bytes are written, to a slice of as many.
        unsafe {
            let bytes = requantized(by, low, Some(high), row, 4);
            _mm512_mask_storeu_epi8(out.as_mut_ptr(), first(head_dim), bytes);
        }
    }
    Ok(())
}
