//! AVX2, with VNNI where there is AVX-VNNI: a panel's sums are two registers.

use core::arch::x86_64::{
    __m256i, _mm256_abs_epi8, _mm256_add_epi32, _mm256_and_si256, _mm256_dpbusd_avx_epi32,
    _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_set1_epi8, _mm256_set1_epi16,
    _mm256_set1_epi32, _mm256_sign_epi8, _mm256_storeu_si256, _mm256_xor_si256,
};

use super::isa::{Exponentials, GROUP, Isa, LANES, Lookup, Weights};

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
unsafe fn halves<T>(bytes: *const T) -> [__m256i; 2] {
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

// SAFETY: every instruction is one of AVX2.
unsafe impl Isa for Avx2 {
    const FLIP: u8 = 0;
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

    #[inline(always)]
    unsafe fn dot(sums: [__m256i; 2], x: [u8; GROUP], w: &Weights) -> [__m256i; 2] {
        // SAFETY: `w` is an array of 64 bytes.
        unsafe {
            let (x, [low, high]) = (_mm256_set1_epi32(i32::from_le_bytes(x)), halves(w.as_ptr()));
            [_mm256_dpbusd_avx_epi32(sums[0], x, low), _mm256_dpbusd_avx_epi32(sums[1], x, high)]
        }
    }
}

/// Byte by byte: 256 bits hold an eighth of a table, and looking in eight parts is no faster.
macro_rules! scalar_lookup {
    ($isa:ty) => {
        // SAFETY: safe code.
        unsafe impl Lookup for $isa {
            #[inline(always)]
            unsafe fn table(table: &[i8; 256], x: &mut [i8]) {
                for x in x {
                    *x = table[usize::from(*x as u8 ^ 0x80)];
                }
            }

            #[inline(always)]
            unsafe fn sum(exp: &Exponentials<'_>, max: i8, scores: &[i8]) -> u32 {
                let distance = |score: i8| usize::from(max.wrapping_sub(score) as u8);
                scores.iter().fold(0u32, |sum, &score| sum.wrapping_add(exp.values[distance(score)]))
            }

            #[inline(always)]
            unsafe fn distances(table: &[u16; 256], max: i8, scores: &[i8], high: &mut [u8], low: &mut [u8]) {
                for ((high, low), &score) in high.iter_mut().zip(low).zip(scores) {
                    let value = table[usize::from(max.wrapping_sub(score) as u8)];
                    (*high, *low) = ((value >> 8) as u8, value as u8);
                }
            }
        }
    };
}

scalar_lookup!(Avx2);
scalar_lookup!(Avx2Unsigned);
scalar_lookup!(AvxVnni);
