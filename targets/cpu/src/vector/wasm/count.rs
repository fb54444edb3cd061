//! Counts of bits in bytes, in four registers.

use core::arch::wasm32::{
    i8x16_add, i8x16_bitmask, i8x16_narrow_i16x8, i8x16_popcnt, i16x8_narrow_i32x4,
    u16x8_extadd_pairwise_u8x16, u32x4_add, u32x4_extadd_pairwise_u16x8, u32x4_extract_lane, u32x4_le,
    u32x4_min, u32x4_shuffle, u32x4_splat, v128, v128_and, v128_load, v128_store, v128_xor,
};

use super::Vectors;
use crate::vector::binary::Count;
use crate::vector::isa::LANES;

/// Registers of a panel.
const PARTS: usize = LANES / 4;

// SAFETY: every instruction is one of `simd128`, and every access is to 16 bytes of an array of 64, from a
// multiple of 16 on.
unsafe impl Count for Vectors {
    type Counts = [v128; PARTS];
    /// 8 · 31 < 2⁸.
    const MOST: usize = 31;

    #[inline(always)]
    unsafe fn none() -> [v128; PARTS] {
        [u32x4_splat(0); PARTS]
    }

    #[inline(always)]
    unsafe fn add(mut counts: [v128; PARTS], x: u32, m: u32, w: &[u32; LANES]) -> [v128; PARTS] {
        for (part, counts) in counts.iter_mut().enumerate() {
            // SAFETY: 16 bytes from a multiple of 16 below 64 on.
            let w = unsafe { v128_load(w.as_ptr().add(4 * part).cast()) };
            let bits = v128_and(v128_xor(w, u32x4_splat(x)), u32x4_splat(m));
            *counts = i8x16_add(*counts, i8x16_popcnt(bits));
        }
        counts
    }

    #[inline(always)]
    unsafe fn add_to(sums: &mut [u32; LANES], counts: [v128; PARTS]) {
        for (sums, counts) in sums.as_chunks_mut::<4>().0.iter_mut().zip(counts) {
            let counts = u32x4_extadd_pairwise_u16x8(u16x8_extadd_pairwise_u8x16(counts));
            let place = sums.as_mut_ptr().cast();
            // SAFETY: 16 bytes are read and written, of an array of as many.
            unsafe { v128_store(place, u32x4_add(v128_load(place), counts)) };
        }
    }

    #[inline(always)]
    unsafe fn least(values: &[[u32; LANES]]) -> u32 {
        let mut least = u32x4_splat(u32::MAX);
        for values in values.as_flattened().as_chunks::<4>().0 {
            // SAFETY: 16 bytes are read, from an array of as many.
            least = u32x4_min(least, unsafe { v128_load(values.as_ptr().cast()) });
        }
        let least = u32x4_min(least, u32x4_shuffle::<2, 3, 0, 1>(least, least));
        u32x4_extract_lane::<0>(least).min(u32x4_extract_lane::<1>(least))
    }

    #[inline(always)]
    unsafe fn at_most(values: &[u32; LANES], limit: u32) -> u32 {
        let is: [v128; PARTS] = core::array::from_fn(|part| {
            // SAFETY: 16 bytes from a multiple of 16 below 64 on.
            u32x4_le(unsafe { v128_load(values.as_ptr().add(4 * part).cast()) }, u32x4_splat(limit))
        });
        let (low, high) = (i16x8_narrow_i32x4(is[0], is[1]), i16x8_narrow_i32x4(is[2], is[3]));
        i8x16_bitmask(i8x16_narrow_i16x8(low, high)).into()
    }
}
