//! Keys and values of a head, laid out in tiles: of 64 keys, key `16·l + 4·t + i` in column `4·l + i` of
//! tile `t`, so that [`narrow`](super::narrow) puts them in order; of their values channel
//! `16·l + 4·t + i` likewise.

use core::arch::x86_64::{
    __m512i, _mm512_maskz_loadu_epi8, _mm512_setzero_si512, _mm512_shuffle_i32x4, _mm512_storeu_si512,
    _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

use quant::Fault;
use quant::slice::window;

use super::{WIDTH, first as channels, interleave};
use crate::vector::isa::{GROUP, LANES, Weights};

/// Groups of a tile.
pub(in crate::vector::x86) const GROUPS: usize = 16;

/// The weights of 64 inputs for sixteen channels.
pub(in crate::vector::x86) type Tile = [Weights; GROUPS];

/// Lays keys out: each is a column of a tile. Tiles without a key stay as they are.
///
/// # Safety
///
/// Where AVX-512 BW is.
#[inline(always)]
pub(in crate::vector::x86) unsafe fn pack_keys(
    tiles: &mut [[Tile; 4]],
    k: &[i8],
    stride: usize,
    (keys, head_dim): (usize, usize),
) -> Result<(), Fault> {
    for (first, tile) in (0..).step_by(GROUP).zip(tiles.as_flattened_mut()) {
        // The first key of a tile: those of the three tiles behind it follow, then it goes on.
        let first = first / LANES * WIDTH + first % LANES;
        if first >= keys {
            continue;
        }
        // SAFETY: as the caller vouches.
        unsafe { pack_tile(tile, (k, stride), (first, LANES), (keys, head_dim))? };
    }
    Ok(())
}

/// Lays at most 32 keys out in two tiles, in order.
///
/// # Safety
///
/// Where AVX-512 BW is.
#[inline(always)]
pub(super) unsafe fn pack_keys_in_order(
    tiles: [&mut Tile; 2],
    k: &[i8],
    stride: usize,
    (keys, head_dim): (usize, usize),
) -> Result<(), Fault> {
    for (first, tile) in (0..keys).step_by(LANES).zip(tiles) {
        // SAFETY: as the caller vouches.
        unsafe { pack_tile(tile, (k, stride), (first, GROUP), (keys, head_dim))? };
    }
    Ok(())
}

/// Lays out four times four keys from number `first` on, `apart` from one four to the next, as the columns of
/// a tile.
///
/// # Safety
///
/// Where AVX-512 BW is.
#[inline(always)]
unsafe fn pack_tile(
    tile: &mut Tile,
    (k, stride): (&[i8], usize),
    (first, apart): (usize, usize),
    (keys, head_dim): (usize, usize),
) -> Result<(), Fault> {
    // SAFETY: 64 bytes are written, to arrays of as many; and as the caller vouches.
    unsafe {
        let mut quarters = [[_mm512_setzero_si512(); 4]; 4];
        for (lane, quarter) in quarters.iter_mut().enumerate() {
            let rows = four(k, stride, first + apart * lane, (keys, head_dim))?;
            *quarter = transposed(rows);
        }
        for inside in 0..4 {
            let groups =
                joined([quarters[0][inside], quarters[1][inside], quarters[2][inside], quarters[3][inside]]);
            for (lane, group) in groups.into_iter().enumerate() {
                _mm512_storeu_si512(tile[4 * lane + inside].as_mut_ptr().cast(), group);
            }
        }
    }
    Ok(())
}

/// Four keys or values from number `first` on; zeros behind the last one.
///
/// # Safety
///
/// Where AVX-512 BW is.
#[inline(always)]
unsafe fn four(
    x: &[i8],
    stride: usize,
    first: usize,
    (count, head_dim): (usize, usize),
) -> Result<[__m512i; GROUP], Fault> {
    // SAFETY: as the caller vouches.
    let mut rows = unsafe { [_mm512_setzero_si512(); GROUP] };
    for (inside, row) in rows.iter_mut().enumerate() {
        let number = first + inside;
        if number < count {
            let from = window(x, number * stride, head_dim)?;
            // SAFETY: `head_dim` bytes are read, of as many that are there.
            *row = unsafe { _mm512_maskz_loadu_epi8(channels(head_dim), from.as_ptr()) };
        }
    }
    Ok(rows)
}

/// In each part of 128 bits, four rows of four groups become four columns of them.
///
/// # Safety
///
/// Where AVX-512 F is.
#[inline(always)]
unsafe fn transposed([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    // SAFETY: as the caller vouches.
    unsafe {
        let (ab, cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
        let (ab_high, cd_high) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
        [
            _mm512_unpacklo_epi64(ab, cd),
            _mm512_unpackhi_epi64(ab, cd),
            _mm512_unpacklo_epi64(ab_high, cd_high),
            _mm512_unpackhi_epi64(ab_high, cd_high),
        ]
    }
}

/// The first 128 bits of all four, then the second ones and so on.
///
/// # Safety
///
/// Where AVX-512 F is.
#[inline(always)]
unsafe fn joined([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    // SAFETY: as the caller vouches.
    unsafe {
        let (ab, cd) = (_mm512_shuffle_i32x4::<0x44>(a, b), _mm512_shuffle_i32x4::<0x44>(c, d));
        let (ab_high, cd_high) = (_mm512_shuffle_i32x4::<0xee>(a, b), _mm512_shuffle_i32x4::<0xee>(c, d));
        [
            _mm512_shuffle_i32x4::<0x88>(ab, cd),
            _mm512_shuffle_i32x4::<0xdd>(ab, cd),
            _mm512_shuffle_i32x4::<0x88>(ab_high, cd_high),
            _mm512_shuffle_i32x4::<0xdd>(ab_high, cd_high),
        ]
    }
}

/// Lays values out: each is a row of bytes in every fourth place of four tiles; behind the last one
/// there are zeros.
///
/// # Safety
///
/// Where AVX-512 BW is.
#[inline(always)]
pub(in crate::vector::x86) unsafe fn pack_values(
    tiles: &mut [[Tile; 4]],
    v: &[i8],
    stride: usize,
    (keys, head_dim): (usize, usize),
) -> Result<(), Fault> {
    for group in 0..keys.div_ceil(WIDTH) * GROUPS {
        let tiles = tiles.get_mut(group / GROUPS).ok_or(Fault::Bounds)?;
        // SAFETY: 64 bytes are written, to an array of as many.
        unsafe {
            let packed = interleave(four(v, stride, GROUP * group, (keys, head_dim))?);
            for (tile, packed) in tiles.iter_mut().zip(packed) {
                _mm512_storeu_si512(tile[group % GROUPS].as_mut_ptr().cast(), packed);
            }
        }
    }
    Ok(())
}

/// Lays out values of at most 32 channels: those of each group of keys in two panels, in order.
///
/// # Safety
///
/// Where AVX-512 BW is.
#[inline(always)]
pub(super) unsafe fn pack_in_order(
    [low, high]: [&mut Tile; 2],
    v: &[i8],
    stride: usize,
    (keys, head_dim): (usize, usize),
) -> Result<(), Fault> {
    for (group, (low, high)) in low.iter_mut().zip(high).enumerate().take(keys.div_ceil(GROUP)) {
        // SAFETY: 64 bytes are written, to arrays of as many; and as the caller vouches.
        unsafe {
            let [a, b, ..] = joined(interleave(four(v, stride, GROUP * group, (keys, head_dim))?));
            _mm512_storeu_si512(low.as_mut_ptr().cast(), a);
            _mm512_storeu_si512(high.as_mut_ptr().cast(), b);
        }
    }
    Ok(())
}
