//! Counts of bits in bytes, in four registers.

use core::arch::aarch64::{
    uint8x16_t, vaddq_u8, vaddvq_u32, vandq_u32, vcleq_u32, vcntq_u8, vdupq_n_u8, vdupq_n_u32, veorq_u32,
    vld1q_u32, vminq_u32, vminvq_u32, vorrq_u32, vpadalq_u16, vpaddlq_u8, vreinterpretq_u8_u32, vst1q_u32,
};

use crate::vector::aarch64::dotprod::PARTS;
use crate::vector::aarch64::lookup::Tables;
use crate::vector::binary::Count;
use crate::vector::isa::LANES;

/// The bit of each lane.
static BITS: [u32; LANES] = {
    let mut bits = [0; LANES];
    let mut lane = 0;
    while lane < LANES {
        bits[lane] = 1 << lane;
        lane += 1;
    }
    bits
};

// SAFETY: every instruction is one of NEON, and every access is to 16 bytes of an array of 64, from a
// multiple of 16 on.
unsafe impl<T: Tables + Copy> Count for T {
    type Counts = [uint8x16_t; PARTS];
    /// 8 · 31 < 2⁸.
    const MOST: usize = 31;

    #[inline(always)]
    unsafe fn none() -> Self::Counts {
        // SAFETY: as the caller vouches.
        unsafe { [vdupq_n_u8(0); PARTS] }
    }

    #[inline(always)]
    unsafe fn add(mut counts: Self::Counts, x: u32, m: u32, w: &[u32; LANES]) -> Self::Counts {
        for (part, counts) in counts.iter_mut().enumerate() {
            // SAFETY: 16 bytes from a multiple of 16 below 64 on.
            unsafe {
                let bits = veorq_u32(vld1q_u32(w.as_ptr().add(4 * part)), vdupq_n_u32(x));
                let bits = vandq_u32(bits, vdupq_n_u32(m));
                *counts = vaddq_u8(*counts, vcntq_u8(vreinterpretq_u8_u32(bits)));
            }
        }
        counts
    }

    #[inline(always)]
    unsafe fn add_to(sums: &mut [u32; LANES], counts: Self::Counts) {
        for (sums, counts) in sums.as_chunks_mut::<4>().0.iter_mut().zip(counts) {
            let place = sums.as_mut_ptr();
            // SAFETY: 16 bytes are read and written, of an array of as many.
            unsafe { vst1q_u32(place, vpadalq_u16(vld1q_u32(place), vpaddlq_u8(counts))) };
        }
    }

    #[inline(always)]
    unsafe fn least(values: &[[u32; LANES]]) -> u32 {
        // SAFETY: 16 bytes are read, from arrays of as many.
        unsafe {
            let mut least = [vdupq_n_u32(u32::MAX); PARTS];
            for values in values {
                for (least, values) in least.iter_mut().zip(values.as_chunks::<4>().0) {
                    *least = vminq_u32(*least, vld1q_u32(values.as_ptr()));
                }
            }
            let [a, b, c, d] = least;
            vminvq_u32(vminq_u32(vminq_u32(a, b), vminq_u32(c, d)))
        }
    }

    #[inline(always)]
    unsafe fn at_most(values: &[u32; LANES], limit: u32) -> u32 {
        // SAFETY: 16 bytes from multiples of 16 below 64 on.
        unsafe {
            let mut bits = vdupq_n_u32(0);
            for part in 0..PARTS {
                let is = vcleq_u32(vld1q_u32(values.as_ptr().add(4 * part)), vdupq_n_u32(limit));
                bits = vorrq_u32(bits, vandq_u32(is, vld1q_u32(BITS.as_ptr().add(4 * part))));
            }
            vaddvq_u32(bits)
        }
    }
}
