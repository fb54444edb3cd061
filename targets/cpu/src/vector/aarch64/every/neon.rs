//! NEON: each channel of a panel has two sums, which are added at the end.

use core::arch::aarch64::{
    int8x16_t, int32x4_t, vdupq_n_s32, vdupq_n_u32, vld1q_s8, vpaddq_s32, vreinterpretq_s8_u32, vst1q_s32,
    vzip1q_s32, vzip2q_s32,
};
use core::arch::asm;

use crate::vector::aarch64::dotprod::{self, PARTS};
use crate::vector::aarch64::lookup::Tables;
use crate::vector::isa::{Depthwise, GROUP, Isa, LANES, Staged, Weights, groups};

/// Products of pairs of int8 in 16 bits.
#[derive(Clone, Copy)]
pub(super) struct Neon;

/// Products of int8 in 16 bits for unsigned activations and weights that may be −128, which attention
/// has: slower.
#[derive(Clone, Copy)]
pub(super) struct NeonUnsigned;

impl Tables for Neon {}
impl Tables for NeonUnsigned {}

/// Sums of two channels in a register, two of each.
type Sums = [[int32x4_t; 2]; PARTS];

/// # Safety
///
/// Where NEON is.
#[inline(always)]
unsafe fn sums(values: &[i32; LANES]) -> Sums {
    // SAFETY: as the caller vouches.
    unsafe {
        let zero = vdupq_n_s32(0);
        dotprod::sums(values).map(|values| [vzip1q_s32(values, zero), vzip2q_s32(values, zero)])
    }
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

/// Adds to the sums of four channels the products with a group. Assembly, here and below, because the
/// compiler moves halves of registers, and sums, to others, of which there are too few.
///
/// # Safety
///
/// Where NEON is.
#[inline(always)]
unsafe fn add_group([low, high]: &mut [int32x4_t; 2], x: int8x16_t, w: int8x16_t) {
    // SAFETY: NEON's instructions read and write registers alone.
    unsafe {
        asm!(
            "smull {p:v}.8h, {x:v}.8b, {w:v}.8b",
            "smull2 {q:v}.8h, {x:v}.16b, {w:v}.16b",
            "sadalp {low:v}.4s, {p:v}.8h",
            "sadalp {high:v}.4s, {q:v}.8h",
            p = out(vreg) _, q = out(vreg) _, low = inout(vreg) *low, high = inout(vreg) *high,
            x = in(vreg) x, w = in(vreg) w,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
}

/// The same with two groups, whose products are added in 16 bits.
///
/// # Safety
///
/// Where NEON is.
#[inline(always)]
unsafe fn add_groups([low, high]: &mut [int32x4_t; 2], x: [int8x16_t; 2], w: [int8x16_t; 2]) {
    // SAFETY: NEON's instructions read and write registers alone.
    unsafe {
        asm!(
            "smull {p:v}.8h, {x:v}.8b, {w:v}.8b",
            "smull2 {q:v}.8h, {x:v}.16b, {w:v}.16b",
            "smlal {p:v}.8h, {y:v}.8b, {v:v}.8b",
            "smlal2 {q:v}.8h, {y:v}.16b, {v:v}.16b",
            "sadalp {low:v}.4s, {p:v}.8h",
            "sadalp {high:v}.4s, {q:v}.8h",
            p = out(vreg) _, q = out(vreg) _, low = inout(vreg) *low, high = inout(vreg) *high,
            x = in(vreg) x[0], w = in(vreg) w[0], y = in(vreg) x[1], v = in(vreg) w[1],
            options(pure, nomem, nostack, preserves_flags)
        );
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
            add_group(sums, x, weights(w, part));
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
                        let w = [weights(first, part), weights(second, part)];
                        for (x, sums) in x.iter().zip(&mut local) {
                            add_groups(&mut sums[p][part], *x, w);
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

// SAFETY: nothing is overridden.
unsafe impl Depthwise for Neon {}
