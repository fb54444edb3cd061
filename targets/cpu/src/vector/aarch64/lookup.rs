//! Tables of 256 bytes: sixteen registers.

use core::arch::aarch64::{
    uint8x16_t, uint8x16x4_t, vdupq_n_u8, veorq_u8, vld1q_u8, vqtbl4q_u8, vqtbx4q_u8, vst1q_u8, vsubq_u8,
};

use quant::slice::{chunks, chunks_mut};

use crate::vector::isa::{Lookup, distance, one_by_one};

/// What has its tables in NEON's registers.
pub(super) trait Tables {}

/// Bytes of a register.
const WIDTH: usize = 16;
/// Bytes that one look-up chooses from.
const PART: usize = 4 * WIDTH;
/// Look-ups of less are faster one by one.
const FEW: usize = 4 * WIDTH;

/// 256 bytes.
struct Bytes([uint8x16x4_t; 256 / PART]);

impl Bytes {
    /// # Safety
    ///
    /// Where NEON is.
    #[inline(always)]
    unsafe fn new(bytes: &[u8; 256]) -> Self {
        Self(core::array::from_fn(|part| {
            // SAFETY: 16 bytes are read from a multiple of 16 on, of an array of 256.
            let row = |row| unsafe { vld1q_u8(bytes.as_ptr().add(PART * part + WIDTH * row)) };
            uint8x16x4_t(row(0), row(1), row(2), row(3))
        }))
    }

    /// That of each byte of `index`.
    ///
    /// # Safety
    ///
    /// Where NEON is.
    #[inline(always)]
    unsafe fn get(&self, mut index: uint8x16_t) -> uint8x16_t {
        let [first, others @ ..] = &self.0;
        // SAFETY: as the caller vouches.
        unsafe {
            // An index of another part finds 0, and then leaves what was found.
            let mut found = vqtbl4q_u8(*first, index);
            for part in others {
                index = vsubq_u8(index, vdupq_n_u8(PART as u8));
                found = vqtbx4q_u8(found, *part, index);
            }
            found
        }
    }
}

/// Byte `WHICH` of the distances of `scores` from `max`, the low ones first.
///
/// # Safety
///
/// Where NEON is.
#[inline(always)]
unsafe fn bytes_of<const WHICH: usize>(table: &[u16; 256], max: i8, scores: &[i8], found: &mut [u8]) {
    let len = if scores.len().min(found.len()) < FEW { 0 } else { scores.len().min(found.len()) };
    let (whole, _) = chunks::<WIDTH, _>(&scores[..len]);
    if !whole.is_empty() {
        // SAFETY: a chunk is 16 bytes.
        unsafe {
            let bytes = Bytes::new(&table.map(|value| value.to_le_bytes()[WHICH]));
            for (scores, found) in whole.iter().zip(chunks_mut::<WIDTH, _>(found).0) {
                let index = vsubq_u8(vdupq_n_u8(max as u8), vld1q_u8(scores.as_ptr().cast()));
                vst1q_u8(found.as_mut_ptr(), bytes.get(index));
            }
        }
    }
    let done = whole.len() * WIDTH;
    for (found, &score) in found.iter_mut().zip(scores).skip(done) {
        *found = table[distance(max, score)].to_le_bytes()[WHICH];
    }
}

// SAFETY: every instruction is one of NEON.
unsafe impl<T: Tables> Lookup for T {
    #[inline(always)]
    unsafe fn table(table: &[i8; 256], x: &mut [i8]) {
        let whole = if x.len() < FEW { 0 } else { x.len() / WIDTH * WIDTH };
        let (whole, rest) = x.split_at_mut(whole);
        if !whole.is_empty() {
            // SAFETY: an array of i8 has the bytes of one of u8; a chunk is 16 bytes.
            unsafe {
                let bytes = Bytes::new(&*table.as_ptr().cast());
                for chunk in chunks_mut::<WIDTH, _>(whole).0 {
                    let place = chunk.as_mut_ptr().cast();
                    vst1q_u8(place, bytes.get(veorq_u8(vld1q_u8(place), vdupq_n_u8(0x80))));
                }
            }
        }
        one_by_one(table, rest);
    }

    #[inline(always)]
    unsafe fn short_table<const C: usize>(table: &[i8; 256], x: &mut [i8]) {
        // SAFETY: as the caller vouches.
        if C < FEW { one_by_one(table, x) } else { unsafe { Self::table(table, x) } }
    }

    #[inline(always)]
    unsafe fn distances(table: &[u16; 256], max: i8, scores: &[i8], high: &mut [u8], low: &mut [u8]) {
        // SAFETY: as the caller vouches.
        unsafe {
            bytes_of::<0>(table, max, scores, low);
            bytes_of::<1>(table, max, scores, high);
        }
    }
}
