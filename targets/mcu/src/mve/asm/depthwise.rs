//! Depthwise convolution of 16 channels at a time.

use core::arch::naked_asm;

use quant::Fault;
use quant::slice::window_mut;

use crate::depthwise::{self, Blocks, Run, Tap, Taps};
use crate::mve::Mve;
use crate::mve::linear::LANES;

/// As [`depthwise::results`].
#[inline(always)]
pub(crate) fn results(
    x: &[i8],
    run: &Run<'_>,
    taps: &Taps,
    blocks: &Blocks<i8>,
    out: &mut [i8],
) -> Result<(), Fault> {
    let count = run.constants.bias.len();
    if !blocks.hold::<Mve>(x, run, taps, count.next_multiple_of(LANES), out) {
        return depthwise::results::<Mve>(x, run, taps, blocks, out);
    }
    let ((stride, weights, constants), taps) = (blocks.parts(), taps.list());
    let all = taps.len() * LANES == stride;
    let (odd, pairs, taps) = (taps.len() % 2, taps.len() / 2, taps.as_ptr());
    for pixel in 0..run.pixels {
        let x = x.get(pixel * run.x_step..).ok_or(Fault::Bounds)?.as_ptr();
        let out = window_mut(out, pixel * run.out_step, count)?.as_mut_ptr();
        let work = Work { x, weights, constants, out, odd, pairs, stride, taps, count };
        // SAFETY: `hold` says that the inputs of as many whole vectors of channels as there are
        // results lie in `x` for every pixel, their weights and constants in the blocks, and that
        // there are channels; results are written under a predicate. Where the taps are all there
        // are, their weights are behind each other.
        unsafe { if all { results_of_all(&work) } else { results_of_listed(&work) } };
    }
    Ok(())
}

/// What is multiplied.
#[repr(C)]
struct Work {
    x: *const i8,
    weights: *const i8,
    constants: *const i32,
    out: *mut i8,
    odd: usize,
    pairs: usize,
    /// From the weights of a block to those of the next.
    stride: usize,
    taps: *const Tap,
    /// Channels.
    count: usize,
}

/// The inputs and weights of the next tap, to `q0` and `q1`; the input is at `r4`.
macro_rules! tap {
    (listed) => {
        "ldrd r4, r5, [r6], #8
         add r4, r0
         add r5, r1
         vldrb.u8 q0, [r4]
         vldrb.u8 q1, [r5]"
    };
    (all) => {
        "ldr r4, [r6], #8
         add r4, r0
         vldrb.u8 q0, [r4]
         vldrb.u8 q1, [r1], #16"
    };
}

/// Adds 16-bit sums of even channels, in `q2`, and of odd ones, in `q3`, to those of 32 bits.
macro_rules! widened {
    () => {
        "vmovlb.s16 q0, q2
         vmovlt.s16 q1, q2
         vadd.i32 q4, q4, q0
         vadd.i32 q5, q5, q1
         vmovlb.s16 q0, q3
         vmovlt.s16 q1, q3
         vadd.i32 q6, q6, q0
         vadd.i32 q7, q7, q1"
    };
}

/// Results of at least one block. The products of two taps fit 16 bits, as no weight is −128:
/// 2 · 128 · 127. Sums, and so constants, are those of the channels 0, 4, 8 and 12, then of those
/// from 2, from 1 and from 3 on. `VRSHL` adds its rounding term in unbounded integers: one rounding.
macro_rules! results {
    ($name:ident, $taps:ident, $next:literal) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(work: *const Work) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4-r10, lr}}",
                "vpush {{d8-d15}}",
                "ldm r0, {{r0, r1, r2, r3, r7, r8, r9, r10, r12}}",
                "2:",
                "mov r6, r10",
                "vldrw.u32 q4, [r2], #16",
                "vldrw.u32 q5, [r2], #16",
                "vldrw.u32 q6, [r2], #16",
                "vldrw.u32 q7, [r2], #16",
                "wls lr, r8, 4f",
                "3:",
                tap!($taps),
                "vmullb.s8 q2, q0, q1",
                "vmullt.s8 q3, q0, q1",
                tap!($taps),
                "vmullb.s8 q0, q0, q1",
                "vadd.i16 q2, q2, q0",
                "vldrb.u8 q0, [r4]",
                "vmullt.s8 q0, q0, q1",
                "vadd.i16 q3, q3, q0",
                widened!(),
                "le lr, 3b",
                "4:",
                "cbz r7, 5f",
                tap!($taps),
                "vmullb.s8 q2, q0, q1",
                "vmullt.s8 q3, q0, q1",
                widened!(),
                "5:",
                ".irp z, q4, q5, q6, q7",
                "vldrw.u32 q0, [r2], #16",
                "vmulh.s32 \\z, \\z, q0",
                ".endr",
                ".irp z, q4, q5, q6, q7",
                "vldrw.u32 q0, [r2], #16",
                "vrshl.s32 \\z, \\z, q0",
                ".endr",
                "vqmovnb.s32 q4, q4",
                "vqmovnt.s32 q4, q5",
                "vqmovnb.s32 q6, q6",
                "vqmovnt.s32 q6, q7",
                "vqmovnb.s16 q4, q4",
                "vqmovnt.s16 q4, q6",
                "vctp.8 r12",
                "vpst",
                "vstrbt.8 q4, [r3], #16",
                "add r0, #16",
                $next,
                "subs r12, #16",
                "bgt 2b",
                "vpop {{d8-d15}}",
                "pop {{r4-r10, pc}}",
            )
        }
    };
}
results!(results_of_listed, listed, "add r1, r9");
results!(results_of_all, all, "");
