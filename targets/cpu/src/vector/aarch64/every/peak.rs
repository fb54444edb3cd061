//! Loops that only multiply registers.

use core::arch::aarch64::{
    int8x16_t, int32x4_t, vdupq_n_s8, vdupq_n_s32, vget_low_s8, vmlal_high_s8, vmlal_s8, vmull_high_s8,
    vmull_s8, vpadalq_s16,
};
use core::arch::asm;

use super::{DotProd, I8mm, Neon};
use crate::peak::Peak;
use crate::vector::compiled::Compiled;

/// A row for each kernel set.
pub(crate) const PEAKS: [Peak; 3] = [
    Peak { name: I8mm::NAME, is_available: I8mm::is_available, run: i8mm },
    Peak { name: DotProd::NAME, is_available: DotProd::is_available, run: dotprod },
    Peak { name: Neon::NAME, is_available: Neon::is_available, run: neon },
];

/// Sums that do not depend on each other: no more than there are registers beside their factors.
const SUMS: usize = 24;

/// Products of a register of sums.
const OF_SMMLA: usize = 32;
const OF_SDOT: usize = 16;

/// Runs `product` on all sums, `rounds` times; the products of a round.
macro_rules! rounds {
    ($features:literal, $set:ty, $rounds:ident, $instruction:literal, $products:expr) => {{
        #[target_feature(enable = $features)]
        fn peak(rounds: u32) {
            // SAFETY: the instructions only write registers; they exist where the set is available.
            unsafe {
                let (x, w, mut sums) = (vdupq_n_s8(3), vdupq_n_s8(5), [vdupq_n_s32(0); SUMS]);
                for _ in 0..rounds {
                    for sum in &mut sums {
                        asm!(
                            $instruction,
                            sum = inout(vreg) *sum, x = in(vreg) x, w = in(vreg) w,
                            options(nomem, nostack, preserves_flags)
                        );
                    }
                }
            }
        }
        if !<$set>::is_available() {
            return 0;
        }
        // SAFETY: it is available.
        unsafe { peak($rounds) };
        (SUMS * $products) as u64
    }};
}

/// `SMMLA`; 0 where there is none.
fn i8mm(rounds: u32) -> u64 {
    rounds!("neon,i8mm", I8mm, rounds, "smmla {sum:v}.4s, {x:v}.16b, {w:v}.16b", OF_SMMLA)
}

/// `SDOT`; 0 where there is none.
fn dotprod(rounds: u32) -> u64 {
    rounds!("neon,dotprod", DotProd, rounds, "sdot {sum:v}.4s, {w:v}.16b, {x:v}.4b[0]", OF_SDOT)
}

/// The products of NEON: of two groups in 16 bits, and sums of these.
fn neon(rounds: u32) -> u64 {
    let mut sums = [[vzero(); 2]; SUMS / 2];
    let mut w = of(5);
    for _ in 0..rounds {
        for [low, high] in &mut sums {
            // SAFETY: there are no instructions in it: the compiler takes the weights for others each
            // time, and so multiplies them again. NEON is part of every processor.
            unsafe {
                asm!("/* {0:v} */", inout(vreg) w, options(nomem, nostack, preserves_flags));
                let x = of(3);
                let products =
                    vmlal_s8(vmull_s8(vget_low_s8(x), vget_low_s8(w)), vget_low_s8(x), vget_low_s8(w));
                *low = vpadalq_s16(*low, products);
                *high = vpadalq_s16(*high, vmlal_high_s8(vmull_high_s8(x, w), x, w));
            }
        }
    }
    for sum in sums.as_flattened() {
        // SAFETY: there are no instructions in it: it makes the compiler keep the sum.
        unsafe { asm!("/* {0:v} */", in(vreg) *sum, options(nomem, nostack, preserves_flags)) };
    }
    (SUMS / 2 * 2 * OF_SDOT) as u64
}

fn vzero() -> int32x4_t {
    // SAFETY: NEON is part of every processor.
    unsafe { vdupq_n_s32(0) }
}

fn of(value: i8) -> int8x16_t {
    // SAFETY: NEON is part of every processor.
    unsafe { vdupq_n_s8(value) }
}
