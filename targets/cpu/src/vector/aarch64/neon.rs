//! NEON: each channel of a panel has two sums, which are added at the end.

use core::arch::aarch64::{
    int8x16_t, int16x8_t, int32x4_t, vdupq_n_s32, vdupq_n_u32, vget_low_s8, vld1q_s8, vld1q_s32, vmlal_s8,
    vmull_s8, vpadalq_s16, vpaddq_s32, vreinterpretq_s8_u32, vst1q_s32, vzip1q_s32, vzip2q_s32,
};
use core::arch::asm;

use super::lookup::Tables;
use crate::vector::isa::{GROUP, Isa, LANES, Staged, Weights, groups};

/// Products of pairs of int8 in 16 bits.
#[derive(Clone, Copy)]
pub(super) struct Neon;

/// Products of int8 in 16 bits for unsigned activations and weights that may be −128, which attention
/// has: slower.
#[derive(Clone, Copy)]
pub(super) struct NeonUnsigned;

impl Tables for Neon {}
impl Tables for NeonUnsigned {}

/// Registers of weights in a group: four channels each.
const PARTS: usize = LANES / 4;

/// Sums of two channels in a register, two of each.
type Sums = [[int32x4_t; 2]; PARTS];

/// # Safety
///
/// Where NEON is.
#[inline(always)]
unsafe fn sums(values: &[i32; LANES]) -> Sums {
    // SAFETY: 16 bytes are read from a multiple of 16 on, of an array of 64.
    core::array::from_fn(|part| unsafe {
        let (values, zero) = (vld1q_s32(values.as_ptr().add(4 * part)), vdupq_n_s32(0));
        [vzip1q_s32(values, zero), vzip2q_s32(values, zero)]
    })
}

/// # Safety
///
/// Where NEON is.
#[inline(always)]
unsafe fn values(sums: Sums) -> [i32; LANES] {
    let mut values = [0; LANES];
    for (values, [low, high]) in values.as_chunks_mut::<4>().0.iter_mut().zip(sums) {
        // SAFETY: 16 bytes are written, to an array of as many.
        unsafe { vst1q_s32(values.as_mut_ptr(), vpaddq_s32(low, high)) };
    }
    values
}

/// The same four activations for each channel.
///
/// # Safety
///
/// Where NEON is.
#[inline(always)]
unsafe fn spread(x: [u8; GROUP]) -> int8x16_t {
    // SAFETY: as the caller vouches.
    unsafe { vreinterpretq_s8_u32(vdupq_n_u32(u32::from_le_bytes(x))) }
}

/// Register number `part` of a group of weights.
///
/// # Safety
///
/// Where NEON is; `part` is below [`PARTS`].
#[inline(always)]
unsafe fn weights(w: &Weights, part: usize) -> int8x16_t {
    // SAFETY: 16 bytes are read from a multiple of 16 below 64 on, of an array of 64.
    unsafe { vld1q_s8(w.as_ptr().add(16 * part)) }
}

/// Products of a group, each in 16 bits. The upper halves are multiplied where they lie: left to the
/// compiler, they are moved to registers of their own, of which there are too few.
///
/// # Safety
///
/// Where NEON is.
#[inline(always)]
unsafe fn products(x: int8x16_t, w: int8x16_t) -> [int16x8_t; 2] {
    // SAFETY: NEON's instruction reads and writes registers alone.
    unsafe {
        let high: int16x8_t;
        asm!(
            "smull2 {high:v}.8h, {x:v}.16b, {w:v}.16b",
            high = lateout(vreg) high, x = in(vreg) x, w = in(vreg) w,
            options(pure, nomem, nostack, preserves_flags)
        );
        [vmull_s8(vget_low_s8(x), vget_low_s8(w)), high]
    }
}

/// Adds to `products` those of another group.
///
/// # Safety
///
/// Where NEON is.
#[inline(always)]
unsafe fn more_products([low, mut high]: [int16x8_t; 2], x: int8x16_t, w: int8x16_t) -> [int16x8_t; 2] {
    // SAFETY: NEON's instruction reads and writes registers alone.
    unsafe {
        asm!(
            "smlal2 {high:v}.8h, {x:v}.16b, {w:v}.16b",
            high = inout(vreg) high, x = in(vreg) x, w = in(vreg) w,
            options(pure, nomem, nostack, preserves_flags)
        );
        [vmlal_s8(low, vget_low_s8(x), vget_low_s8(w)), high]
    }
}

/// Adds neighbours of `products`.
///
/// # Safety
///
/// Where NEON is.
#[inline(always)]
unsafe fn add(sums: &mut [int32x4_t; 2], products: [int16x8_t; 2]) {
    for (sums, products) in sums.iter_mut().zip(products) {
        // SAFETY: as the caller vouches.
        unsafe { *sums = vpadalq_s16(*sums, products) };
    }
}

/// Each product added by itself.
///
/// # Safety
///
/// Where NEON is.
#[inline(always)]
unsafe fn dot(mut sums: Sums, x: [u8; GROUP], w: &Weights) -> Sums {
    // SAFETY: as the caller vouches.
    unsafe {
        let x = spread(x);
        for (part, sums) in sums.iter_mut().enumerate() {
            add(sums, products(x, weights(w, part)));
        }
    }
    sums
}

/// Sums in eight registers, and the products of one group.
macro_rules! eight_registers {
    () => {
        const FLIP: u8 = 0;
        type Sums = Sums;

        #[inline(always)]
        unsafe fn sums(values: &[i32; LANES]) -> Sums {
            // SAFETY: as the caller vouches.
            unsafe { sums(values) }
        }

        #[inline(always)]
        unsafe fn values(sums: Sums) -> [i32; LANES] {
            // SAFETY: as the caller vouches.
            unsafe { values(sums) }
        }

        #[inline(always)]
        unsafe fn dot(sums: Sums, x: [u8; GROUP], w: &Weights) -> Sums {
            // SAFETY: as the caller vouches.
            unsafe { dot(sums, x, w) }
        }
    };
}

// SAFETY: every instruction is one of NEON.
unsafe impl Isa for NeonUnsigned {
    const TAKES_UNSIGNED: bool = true;
    eight_registers!();
}

// SAFETY: every instruction is one of NEON.
unsafe impl Isa for Neon {
    const TAKES_UNSIGNED: bool = false;
    eight_registers!();

    /// Two groups at a time: two products stay within 2 · 128 · 127 < 2¹⁵, for weights exclude −128.
    #[inline(always)]
    unsafe fn tile<const R: usize, const P: usize>(
        sums: &mut [[Sums; P]; R],
        x: &[Staged; R],
        w: [&[Weights]; P],
    ) {
        let (mut local, groups) = (*sums, groups(&w));
        for g in (0..groups & !1).step_by(2) {
            for (p, panel) in w.iter().enumerate() {
                // SAFETY: `g + 1` is below the number of groups of every panel and of a staged row.
                unsafe {
                    let (first, second) = (panel.get_unchecked(g), panel.get_unchecked(g + 1));
                    let x: [_; R] =
                        core::array::from_fn(|r| [g, g + 1].map(|g| spread(*x[r].get_unchecked(g))));
                    for part in 0..PARTS {
                        let (first, second) = (weights(first, part), weights(second, part));
                        for (x, sums) in x.iter().zip(&mut local) {
                            let products = more_products(products(x[0], first), x[1], second);
                            add(&mut sums[p][part], products);
                        }
                    }
                }
            }
        }
        if groups % 2 == 1 {
            for (row, sums) in x.iter().zip(&mut local) {
                for (sums, panel) in sums.iter_mut().zip(&w) {
                    // SAFETY: the last group is one of every panel and of a staged row.
                    unsafe {
                        *sums = dot(*sums, *row.get_unchecked(groups - 1), panel.get_unchecked(groups - 1));
                    }
                }
            }
        }
        *sums = local;
    }
}
