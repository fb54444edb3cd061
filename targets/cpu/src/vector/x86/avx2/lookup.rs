//! Tables of 256 bytes in rows of 16.

use core::arch::x86_64::{
    __m256i, _mm_loadu_si128, _mm_setzero_si128, _mm_xor_si128, _mm256_broadcastsi128_si256,
    _mm256_loadu_si256, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_storeu_si256,
    _mm256_subs_epi8, _mm256_xor_si256,
};

use quant::slice::chunks_mut;

use super::{Avx2, Avx2Unsigned, AvxVnni};
use crate::vector::isa::{Lookup, one_by_one};

/// Bytes of a register.
const WIDTH: usize = 32;
/// Entries of a table that one look-up chooses from.
const ROW: usize = 16;
/// Look-ups of less are faster one by one.
const FEW: usize = 2 * WIDTH;

/// A table of 256 bytes in rows of 16, each in both halves of a register. All but the first of the
/// lower and of the upper half of the table are `^` the row before: of the rows up to that of an index
/// the entries in its column make up its own.
pub(super) struct Bytes([__m256i; 256 / ROW]);

impl Bytes {
    /// # Safety
    ///
    /// Where AVX2 is.
    #[inline(always)]
    pub(super) unsafe fn new(bytes: &[u8; 256]) -> Self {
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
    pub(super) unsafe fn get(&self, index: __m256i) -> __m256i {
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
