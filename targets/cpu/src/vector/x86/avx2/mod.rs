//! AVX2, with VNNI where there is AVX-VNNI: a panel's sums are two registers.

use core::arch::x86_64::{
    __m256i, _mm_loadu_si128, _mm_setzero_si128, _mm_xor_si128, _mm256_abs_epi8, _mm256_add_epi32,
    _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_dpbusd_avx_epi32, _mm256_loadu_si256,
    _mm256_madd_epi16, _mm256_maddubs_epi16, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_set1_epi32,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_sign_epi8, _mm256_storeu_si256, _mm256_subs_epi8,
    _mm256_xor_si256,
};

use quant::slice::chunks_mut;

use crate::vector::isa::{Depthwise, GROUP, Isa, LANES, Lookup, Requantize, Weights, one_by_one};
use crate::vector::x86::norms::Norms;

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

    #[inline(always)]
    unsafe fn dot(sums: [__m256i; 2], x: [u8; GROUP], w: &Weights) -> [__m256i; 2] {
        // SAFETY: `w` is an array of 64 bytes.
        unsafe {
            let (x, [low, high]) = (_mm256_set1_epi32(i32::from_le_bytes(x)), halves(w.as_ptr()));
            [_mm256_dpbusd_avx_epi32(sums[0], x, low), _mm256_dpbusd_avx_epi32(sums[1], x, high)]
        }
    }
}

/// Bytes of a register.
const WIDTH: usize = 32;
/// Entries of a table that one look-up chooses from.
const ROW: usize = 16;
/// Look-ups of less are faster one by one.
const FEW: usize = 2 * WIDTH;

/// A table of 256 bytes in rows of 16, each in both halves of a register. All but the first of the
/// lower and of the upper half of the table are `^` the row before: of the rows up to that of an index
/// the entries in its column make up its own.
struct Bytes([__m256i; 256 / ROW]);

impl Bytes {
    /// # Safety
    ///
    /// Where AVX2 is.
    #[inline(always)]
    unsafe fn new(bytes: &[u8; 256]) -> Self {
        // SAFETY: 16 bytes are read from a multiple of 16 on, of an array of 256.
        unsafe {
            let row = |row: usize| _mm_loadu_si128(bytes.as_ptr().add(ROW * row).cast());
            Self(core::array::from_fn(|r| {
                let before = if r % 8 == 0 { _mm_setzero_si128() } else { row(r - 1) };
                _mm256_broadcastsi128_si256(_mm_xor_si128(row(r), before))
            }))
        }
    }

    /// That of each byte of `index`.
    ///
    /// # Safety
    ///
    /// Where AVX2 is.
    #[inline(always)]
    unsafe fn get(&self, index: __m256i) -> __m256i {
        let (lower, upper) = self.0.split_at(8);
        // SAFETY: as the caller vouches.
        unsafe {
            let other = _mm256_xor_si256(index, _mm256_set1_epi8(i8::MIN));
            let mut found = _mm256_setzero_si256();
            for (rows, mut index) in [(lower, index), (upper, other)] {
                for &row in rows {
                    // An index below the row, or of the other half, is negative and finds 0.
                    found = _mm256_xor_si256(found, _mm256_shuffle_epi8(row, index));
                    index = _mm256_subs_epi8(index, _mm256_set1_epi8(ROW as i8));
                }
            }
            found
        }
    }
}

/// Bytes by rows of a table. Those of scores one by one: laying out the tables of a row of scores takes
/// longer than its look-ups.
macro_rules! lookup {
    ($isa:ty) => {
        // SAFETY: safe code.
        unsafe impl Requantize for $isa {}

        // SAFETY: safe code.
        unsafe impl Depthwise for $isa {}

        // SAFETY: safe code.
        unsafe impl Norms for $isa {}

        // SAFETY: every instruction is one of AVX2, and every access is to a whole array.
        unsafe impl Lookup for $isa {
            #[inline(always)]
            unsafe fn table(table: &[i8; 256], x: &mut [i8]) {
                let whole = if x.len() < FEW { 0 } else { x.len() / WIDTH * WIDTH };
                let (whole, rest) = x.split_at_mut(whole);
                if !whole.is_empty() {
                    // SAFETY: an array of i8 has the bytes of one of u8.
                    unsafe {
                        let bytes = Bytes::new(&*table.as_ptr().cast());
                        for chunk in chunks_mut::<WIDTH, _>(whole).0 {
                            let place = chunk.as_mut_ptr().cast();
                            let index =
                                _mm256_xor_si256(_mm256_loadu_si256(place), _mm256_set1_epi8(i8::MIN));
                            _mm256_storeu_si256(place, bytes.get(index));
                        }
                    }
                }
                one_by_one(table, rest);
            }
        }
    };
}

lookup!(Avx2);
lookup!(Avx2Unsigned);
lookup!(AvxVnni);
