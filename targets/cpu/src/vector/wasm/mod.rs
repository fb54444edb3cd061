//! Kernels for WebAssembly with `simd128`, its vectors of 128 bits. A program has them or it does not,
//! for an engine refuses a module with an instruction that it does not know: they are compiled where the
//! whole program is compiled for them. None is a relaxed one, whose bits the engine would choose.

mod count;
mod requantize;

use core::arch::wasm32::{
    i16x8_extend_low_i8x16, i16x8_load_extend_i8x8, i32x4, i32x4_add, i32x4_dot_i16x8, i32x4_shuffle,
    i32x4_splat, v128, v128_store,
};

use quant::KernelSet;

use crate::Split;
use crate::vector::compiled::Compiled;
use crate::vector::isa::{Depthwise, GROUP, Isa, LANES, Lookup, Weights};
use crate::vector::set::Set;

/// The row of this architecture.
pub(crate) const KERNEL_SETS: [KernelSet; 1] = [KernelSet::of::<Split<Set<Simd128>>>(Simd128::is_available)];

/// Whether the program is compiled for the instructions.
macro_rules! is_detected {
    ($feature:literal) => {
        cfg!(target_feature = $feature)
    };
}

compiled! {
    /// WebAssembly with vectors: browsers since 2021.
    Simd128 "simd128",
    for "simd128",
    where ["simd128"],
    linear: Vectors, 1 x 1,
    unsigned: Vectors, 1 x 1
}

/// 128 bits.
#[derive(Clone, Copy)]
struct Vectors;

/// Registers of the sums of a panel: two lanes for each channel, of which each takes two inputs of a
/// group. A second row of a tile would need more registers than processors have.
const REGISTERS: usize = 2 * LANES / 4;

// SAFETY: every instruction is one of `simd128`.
unsafe impl Isa for Vectors {
    const FLIP: u8 = 0;
    const TAKES_UNSIGNED: bool = true;
    type Sums = [v128; REGISTERS];

    #[inline(always)]
    unsafe fn sums(values: &[i32; LANES]) -> [v128; REGISTERS] {
        core::array::from_fn(|r| i32x4(values[2 * r], 0, values[2 * r + 1], 0))
    }

    #[inline(always)]
    unsafe fn values(sums: [v128; REGISTERS]) -> [i32; LANES] {
        let mut values = [0; LANES];
        for (values, pair) in values.as_chunks_mut::<4>().0.iter_mut().zip(sums.chunks_exact(2)) {
            let even = i32x4_shuffle::<0, 2, 4, 6>(pair[0], pair[1]);
            let odd = i32x4_shuffle::<1, 3, 5, 7>(pair[0], pair[1]);
            // SAFETY: 16 bytes are written, to an array of as many.
            unsafe { v128_store(values.as_mut_ptr().cast(), i32x4_add(even, odd)) };
        }
        values
    }

    #[inline(always)]
    unsafe fn dot(mut sums: [v128; REGISTERS], x: [u8; GROUP], w: &Weights) -> [v128; REGISTERS] {
        let x = i16x8_extend_low_i8x16(i32x4_splat(i32::from_le_bytes(x)));
        for (r, sum) in sums.iter_mut().enumerate() {
            // SAFETY: 8 of 64 bytes are read, and `r` is below 8.
            let w = unsafe { i16x8_load_extend_i8x8(w.as_ptr().add(8 * r)) };
            *sum = i32x4_add(*sum, i32x4_dot_i16x8(x, w));
        }
        sums
    }
}

// SAFETY: nothing is overridden: there are no instructions for tables of more than 16 bytes.
unsafe impl Lookup for Vectors {}

// SAFETY: nothing is overridden.
unsafe impl Depthwise for Vectors {}
