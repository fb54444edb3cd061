//! Requantization by exact products of 64 bits.
//!
//! WebAssembly shifts all lanes by the same count. Where each has its own, a product with a power of two
//! takes the place of the shift.

use core::arch::wasm32::{
    i8x16, i8x16_sub, i8x16_swizzle, i32x4_add, i32x4_mul, i32x4_shuffle, i32x4_splat, i32x4_sub,
    i64x2_extmul_high_i32x4, i64x2_extmul_low_i32x4, i64x2_shl, v128, v128_load, v128_store,
};

use super::Vectors;
use crate::portable::requantize::Multipliers;
use crate::vector::isa::Requantize;

/// Lanes of a register.
const LANES: usize = 4;

/// Four of `values` from `at` on.
#[inline(always)]
fn load<const C: usize>(values: &[i32; C], at: usize) -> v128 {
    let values: &[i32; LANES] = values[at..].first_chunk().unwrap_or(&[0; LANES]);
    // SAFETY: 16 bytes are read, from an array of as many.
    unsafe { v128_load(values.as_ptr().cast()) }
}

/// The high halves of the products `a · b · 2^up`.
#[inline(always)]
fn high(a: v128, b: v128, up: u32) -> v128 {
    let low = i64x2_shl(i64x2_extmul_low_i32x4(a, b), up);
    let high = i64x2_shl(i64x2_extmul_high_i32x4(a, b), up);
    i32x4_shuffle::<1, 3, 5, 7>(low, high)
}

/// `2^bit` of each lane, for bits up to 30.
#[inline(always)]
fn power(bit: v128) -> v128 {
    let powers = i8x16(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
    // Byte `b` of a lane has bits `8·b ..`: of any others it finds 0.
    let bytes = i8x16_sub(
        i32x4_mul(bit, i32x4_splat(0x0101_0101)),
        i8x16(0, 8, 16, 24, 0, 8, 16, 24, 0, 8, 16, 24, 0, 8, 16, 24),
    );
    i8x16_swizzle(powers, bytes)
}

/// `z >> shift` of each lane, for shifts of 1 to 31.
#[inline(always)]
fn shift_right(z: v128, shift: v128) -> v128 {
    high(z, power(i32x4_sub(i32x4_splat(31), shift)), 1)
}

// SAFETY: every instruction is one of `simd128`.
unsafe impl Requantize for Vectors {
    #[inline(always)]
    unsafe fn requantize<const C: usize>(by: &Multipliers<C>, z: &[i32; C]) -> [i32; C] {
        if !by.is_high {
            return by.apply(z);
        }
        let mut t = [0; C];
        for (part, t) in t.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            let at = LANES * part;
            let high = i32x4_add(high(load(z, at), load(&by.mantissa, at), 0), load(&by.half, at));
            let shifted = shift_right(high, load(&by.right, at));
            // SAFETY: 16 bytes are written, to an array of as many.
            unsafe { v128_store(t.as_mut_ptr().cast(), shifted) };
        }
        t
    }
}
