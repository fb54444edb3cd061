//! Products of four bytes: a panel's sums are four registers.

use core::arch::aarch64::{int8x16_t, int32x4_t, vld1q_s8, vld1q_s32, vst1q_s32};
use core::arch::asm;

use super::lookup::Tables;
use crate::vector::isa::{Depthwise, GROUP, Isa, LANES, Weights};

/// Registers of weights in a group, and of sums in a panel: four channels each.
pub(super) const PARTS: usize = LANES / 4;

/// `SDOT` by element; for unsigned activations, too, where `UNSIGNED`.
#[derive(Clone, Copy)]
pub(super) struct DotProd<const UNSIGNED: bool>;

impl<const UNSIGNED: bool> Tables for DotProd<UNSIGNED> {}

/// Four bytes of each channel of `w` by those of `x`, added to the channel's sum.
///
/// # Safety
///
/// Where the dot products of Armv8.2 are.
#[inline(always)]
pub(super) unsafe fn sdot(mut sum: int32x4_t, x: [u8; GROUP], w: int8x16_t) -> int32x4_t {
    // SAFETY: it reads and writes registers alone; as the caller vouches, the instruction exists.
    unsafe {
        asm!(
            "sdot {sum:v}.4s, {w:v}.16b, {x:v}.4b[0]",
            sum = inout(vreg) sum,
            w = in(vreg) w,
            x = in(vreg) i32::from_le_bytes(x),
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

/// `values` in registers.
///
/// # Safety
///
/// Where NEON is.
#[inline(always)]
pub(super) unsafe fn sums(values: &[i32; LANES]) -> [int32x4_t; PARTS] {
    core::array::from_fn(|part| {
        // SAFETY: 16 bytes are read from a multiple of 16 on, of an array of 64. There are no instructions
        // in the assembly: it makes the compiler see registers, which it otherwise carries through loops
        // in pieces where an error shares their place in memory.
        unsafe {
            let mut sums = vld1q_s32(values.as_ptr().add(4 * part));
            asm!("/* {0:v} */", inout(vreg) sums, options(pure, nomem, nostack, preserves_flags));
            sums
        }
    })
}

/// `sums` in memory.
///
/// # Safety
///
/// Where NEON is.
#[inline(always)]
pub(super) unsafe fn values(sums: [int32x4_t; PARTS]) -> [i32; LANES] {
    let mut values = [0; LANES];
    for (values, sums) in values.as_chunks_mut::<4>().0.iter_mut().zip(sums) {
        // SAFETY: 16 bytes are written, to an array of as many.
        unsafe { vst1q_s32(values.as_mut_ptr(), sums) };
    }
    values
}

// SAFETY: every instruction is one of NEON or of the dot products of Armv8.2.
unsafe impl<const UNSIGNED: bool> Isa for DotProd<UNSIGNED> {
    const FLIP: u8 = 0;
    const TAKES_UNSIGNED: bool = UNSIGNED;
    type Sums = [int32x4_t; PARTS];

    #[inline(always)]
    unsafe fn sums(values: &[i32; LANES]) -> Self::Sums {
        // SAFETY: as the caller vouches.
        unsafe { sums(values) }
    }

    #[inline(always)]
    unsafe fn values(sums: Self::Sums) -> [i32; LANES] {
        // SAFETY: as the caller vouches.
        unsafe { values(sums) }
    }

    #[inline(always)]
    unsafe fn dot(mut sums: Self::Sums, x: [u8; GROUP], w: &Weights) -> Self::Sums {
        for (part, sum) in sums.iter_mut().enumerate() {
            // SAFETY: 16 bytes are read from a multiple of 16 on, of an array of 64.
            unsafe { *sum = sdot(*sum, x, vld1q_s8(w.as_ptr().add(16 * part))) };
        }
        sums
    }
}

// SAFETY: nothing is overridden.
unsafe impl<const UNSIGNED: bool> Depthwise for DotProd<UNSIGNED> {}
