//! AVX2, with VNNI where there is AVX-VNNI: a panel's sums are two registers.

mod attention;
mod depthwise;
mod layout;
mod linear;
mod lookup;
mod output;
mod requantize;
mod tile;
mod words;

use core::arch::x86_64::{
    __m256i, _mm256_abs_epi8, _mm256_add_epi32, _mm256_and_si256, _mm256_dpbusd_avx_epi32,
    _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_set1_epi8, _mm256_set1_epi16,
    _mm256_set1_epi32, _mm256_sign_epi8, _mm256_storeu_si256, _mm256_xor_si256,
};
use core::ops::Range;

use quant::Fault;
use quant::ops::{AddArgs, AttentionArgs, Conv2dArgs, LinearArgs, LinearOut};

use crate::vector::isa::{Depthwise, GROUP, Isa, LANES, Requantize, Weights};
use crate::vector::source::Source;
use crate::vector::x86::norms::Norms;
use tile::{Fours, FusedPairs, Pairs};

/// 256 bits.
#[derive(Clone, Copy)]
pub(super) struct Avx2;

/// 256 bits for unsigned activations and weights that may be −128, which attention has: slower.
#[derive(Clone, Copy)]
pub(super) struct Avx2Unsigned;

/// 256 bits with products of four bytes.
#[derive(Clone, Copy)]
pub(super) struct AvxVnni;

/// The halves of 64 bytes.
///
/// # Safety
///
/// Where AVX2 is.
#[inline(always)]
pub(super) unsafe fn halves<T>(bytes: *const T) -> [__m256i; 2] {
    let halves = bytes.cast::<__m256i>();
    // SAFETY: the callers give the address of 64 bytes.
    unsafe { [_mm256_loadu_si256(halves), _mm256_loadu_si256(halves.add(1))] }
}

/// Both halves in memory.
///
/// # Safety
///
/// Where AVX2 is.
#[inline(always)]
unsafe fn stored([low, high]: [__m256i; 2]) -> [i32; LANES] {
    let mut values = [0; LANES];
    let place = values.as_mut_ptr().cast::<__m256i>();
    // SAFETY: 64 bytes are written, to an array of as many.
    unsafe {
        _mm256_storeu_si256(place, low);
        _mm256_storeu_si256(place.add(1), high);
    }
    values
}

/// Linear layers and attention.
macro_rules! whole {
    ($layout:ty, $pairs:ty, $rows:literal) => {
        #[inline(always)]
        unsafe fn channels(
            args: &LinearArgs<'_>,
            channels: Range<usize>,
            source: &impl Source,
            count: usize,
            out: &mut LinearOut<'_>,
        ) -> Result<bool, Fault> {
            // SAFETY: as the caller vouches.
            unsafe { linear::linear::<$layout, $rows>(args, channels, source, count, out) }
        }

        #[inline(always)]
        unsafe fn attention(args: &mut AttentionArgs<'_>) -> Result<bool, Fault> {
            // SAFETY: as the caller vouches.
            unsafe { attention::attention::<$pairs, $rows>(args) }
        }
    };
}

/// Sums in two registers.
macro_rules! two_registers {
    () => {
        type Sums = [__m256i; 2];

        #[inline(always)]
        unsafe fn sums(values: &[i32; LANES]) -> [__m256i; 2] {
            // SAFETY: an array of 64 bytes.
            unsafe { halves(values.as_ptr()) }
        }

        #[inline(always)]
        unsafe fn values(sums: [__m256i; 2]) -> [i32; LANES] {
            // SAFETY: as the caller vouches.
            unsafe { stored(sums) }
        }
    };
}

// SAFETY: every instruction is one of AVX2.
unsafe impl Isa for Avx2 {
    const FLIP: u8 = 0;
    const TAKES_UNSIGNED: bool = false;
    two_registers!();
    whole!(Pairs, Pairs, 2);

    /// `|x| · (w with the sign of x)`: two products stay within 2 · 128 · 127 < 2¹⁵, for weights
    /// exclude −128.
    #[inline(always)]
    unsafe fn dot(sums: [__m256i; 2], x: [u8; GROUP], w: &Weights) -> [__m256i; 2] {
        // SAFETY: `w` is an array of 64 bytes.
        unsafe {
            let (x, [low, high]) = (_mm256_set1_epi32(i32::from_le_bytes(x)), halves(w.as_ptr()));
            let (size, ones) = (_mm256_abs_epi8(x), _mm256_set1_epi16(1));
            let add = |sums, w| {
                let pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(w, x));
                _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, ones))
            };
            [add(sums[0], low), add(sums[1], high)]
        }
    }
}

// SAFETY: every instruction is one of AVX2.
unsafe impl Isa for Avx2Unsigned {
    const FLIP: u8 = 0x80;
    const TAKES_UNSIGNED: bool = true;
    two_registers!();

    /// The highest bit of `x` and the seven others apart: two products stay within −2 · 128 · 128 and
    /// 2 · 128 · 127.
    #[inline(always)]
    unsafe fn dot(sums: [__m256i; 2], x: [u8; GROUP], w: &Weights) -> [__m256i; 2] {
        // SAFETY: `w` is an array of 64 bytes.
        unsafe {
            let (x, [low, high]) = (_mm256_set1_epi32(i32::from_le_bytes(x)), halves(w.as_ptr()));
            let top = _mm256_and_si256(x, _mm256_set1_epi8(i8::MIN));
            let (rest, ones) = (_mm256_xor_si256(x, top), _mm256_set1_epi16(1));
            let product = |x, w| _mm256_madd_epi16(_mm256_maddubs_epi16(x, w), ones);
            let add = |sums, w| _mm256_add_epi32(sums, _mm256_add_epi32(product(top, w), product(rest, w)));
            [add(sums[0], low), add(sums[1], high)]
        }
    }
}

// SAFETY: every instruction is one of AVX2 or AVX-VNNI.
unsafe impl Isa for AvxVnni {
    const FLIP: u8 = 0x80;
    const TAKES_UNSIGNED: bool = true;
    two_registers!();
    whole!(Fours, FusedPairs, 3);

    #[inline(always)]
    unsafe fn dot(sums: [__m256i; 2], x: [u8; GROUP], w: &Weights) -> [__m256i; 2] {
        // SAFETY: `w` is an array of 64 bytes.
        unsafe {
            let (x, [low, high]) = (_mm256_set1_epi32(i32::from_le_bytes(x)), halves(w.as_ptr()));
            [_mm256_dpbusd_avx_epi32(sums[0], x, low), _mm256_dpbusd_avx_epi32(sums[1], x, high)]
        }
    }
}

/// What all of AVX2 share.
macro_rules! shared {
    ($isa:ty) => {
        // SAFETY: safe code.
        unsafe impl Requantize for $isa {}

        // SAFETY: every instruction is one of AVX2.
        unsafe impl Depthwise for $isa {
            #[inline(always)]
            unsafe fn depthwise(
                args: &Conv2dArgs<'_>,
                x: &[i8],
                out: &mut LinearOut<'_>,
            ) -> Result<bool, Fault> {
                // SAFETY: as the caller vouches.
                unsafe { depthwise::depthwise(args, x, out) }
            }
        }

        // SAFETY: every instruction is one of AVX2.
        unsafe impl Norms for $isa {
            #[inline(always)]
            unsafe fn add(args: &AddArgs, x: &mut [i16], y: &[i16]) -> Result<(), Fault> {
                // SAFETY: as the caller vouches.
                unsafe { words::add(args, x, y) }
            }
        }
    };
}

shared!(Avx2);
shared!(Avx2Unsigned);
shared!(AvxVnni);
