//! AVX-512 with VNNI and VBMI: a panel's sums are one register.

mod attention;
mod constants;
mod depthwise;
mod image;
mod linear;
mod lookup;
mod matmul;
mod norms;
mod output;
mod pack;
mod products;
mod requantize;
mod shiftmax;
mod windows;
mod words;

use core::arch::x86_64::{
    __m512i, __mmask64, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_permutex2var_epi64,
    _mm512_set1_epi32, _mm512_setr_epi64, _mm512_storeu_si512, _mm512_unpackhi_epi8, _mm512_unpackhi_epi16,
    _mm512_unpacklo_epi8, _mm512_unpacklo_epi16,
};
use core::ops::Range;

use quant::Fault;
use quant::ops::{AttentionArgs, LinearArgs, LinearOut, MatMulArgs, Tensor, TensorMut};

use crate::vector::isa::{GROUP, Isa, LANES, Weights};
use crate::vector::source::Source;
pub(super) use output::{Added, Int8, Int16, Int32, Looked, Output};
pub(super) use pack::{GROUPS, Tile, pack_keys, pack_values};
pub(super) use requantize::{HighHalf, narrow};

/// Bytes of a register.
pub(super) const WIDTH: usize = 64;

/// The first `len` bytes of a register, all of them from 64 on.
#[inline(always)]
pub(super) fn first(len: usize) -> __mmask64 {
    if len < WIDTH { (1 << len) - 1 } else { __mmask64::MAX }
}

/// Byte `i` of all four registers beside one another for each `i`: those of 4 bytes from place
/// `16·l + 4·r` on in lane `l` of register `r`, as [`narrow`] takes them.
///
/// # Safety
///
/// Where AVX-512 BW is.
#[inline(always)]
pub(super) unsafe fn interleave([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    // SAFETY: as the caller vouches.
    unsafe {
        let (ab_low, ab_high) = (_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b));
        let (cd_low, cd_high) = (_mm512_unpacklo_epi8(c, d), _mm512_unpackhi_epi8(c, d));
        [
            _mm512_unpacklo_epi16(ab_low, cd_low),
            _mm512_unpackhi_epi16(ab_low, cd_low),
            _mm512_unpacklo_epi16(ab_high, cd_high),
            _mm512_unpackhi_epi16(ab_high, cd_high),
        ]
    }
}

/// Words whose lanes of 128 bits are in turn those of `a` and of `b`, in order: the first half, and the second.
///
/// # Safety
///
/// Where AVX-512 F is.
#[inline(always)]
pub(super) unsafe fn halves(a: __m512i, b: __m512i) -> [__m512i; 2] {
    // SAFETY: as the caller vouches.
    unsafe {
        let low = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
        let high = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
        [_mm512_permutex2var_epi64(a, low, b), _mm512_permutex2var_epi64(a, high, b)]
    }
}

/// 512 bits.
#[derive(Clone, Copy)]
pub(super) struct Avx512;

// SAFETY: every instruction is one of AVX-512 F or VNNI.
unsafe impl Isa for Avx512 {
    const FLIP: u8 = 0x80;
    const TAKES_UNSIGNED: bool = true;
    type Sums = __m512i;

    #[inline(always)]
    unsafe fn sums(values: &[i32; LANES]) -> __m512i {
        // SAFETY: 64 bytes are read, from an array of as many.
        unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
    }

    #[inline(always)]
    unsafe fn values(sums: __m512i) -> [i32; LANES] {
        let mut values = [0; LANES];
        // SAFETY: 64 bytes are written, to an array of as many.
        unsafe { _mm512_storeu_si512(values.as_mut_ptr().cast(), sums) };
        values
    }

    #[inline(always)]
    unsafe fn dot(sums: __m512i, x: [u8; GROUP], w: &Weights) -> __m512i {
        // SAFETY: 64 bytes are read, from an array of as many.
        unsafe {
            let w = _mm512_loadu_si512(w.as_ptr().cast());
            _mm512_dpbusd_epi32(sums, _mm512_set1_epi32(i32::from_le_bytes(x)), w)
        }
    }

    #[inline(always)]
    unsafe fn channels(
        args: &LinearArgs<'_>,
        channels: Range<usize>,
        source: &impl Source,
        count: usize,
        out: &mut LinearOut<'_>,
    ) -> Result<bool, Fault> {
        // SAFETY: as the caller vouches.
        unsafe { linear::linear(args, channels, source, count, out) }
    }

    #[inline(always)]
    unsafe fn attention(args: &mut AttentionArgs<'_>) -> Result<bool, Fault> {
        // SAFETY: as the caller vouches.
        unsafe { attention::attention(args) }
    }

    #[inline(always)]
    unsafe fn matmul(
        args: &MatMulArgs,
        a: Tensor<'_>,
        b: &[i8],
        out: &mut TensorMut<'_>,
    ) -> Result<bool, Fault> {
        // SAFETY: as the caller vouches.
        unsafe { matmul::matmul(args, a, b, out) }
    }
}
