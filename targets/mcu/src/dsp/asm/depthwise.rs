//! Depthwise convolution of four channels at a time.

use core::arch::naked_asm;

use quant::Fault;
use quant::slice::window_mut;

use crate::depthwise::{self, Blocks, CHANNELS, Run, Tap, Taps};
use crate::dsp::Dsp;

/// Channels of a block.
const LANES: usize = 4;

/// As [`depthwise::results`].
#[inline(always)]
pub(crate) fn results(
    x: &[i8],
    run: &Run<'_>,
    taps: &Taps,
    blocks: &Blocks<i16>,
    out: &mut [i8],
) -> Result<(), Fault> {
    let len = run.constants.bias.len();
    let count = len.next_multiple_of(LANES);
    if !blocks.hold::<Dsp>(x, run, taps, count, out) {
        return depthwise::results::<Dsp>(x, run, taps, blocks, out);
    }
    let ((stride, weights, constants), taps) = (blocks.parts(), taps.list());
    let ends = taps.as_ptr_range();
    let all = taps.len() * LANES == stride;
    let skipped = taps.len().wrapping_neg() % TURN * if all { ALL_CODE } else { LISTED_CODE };
    let stride = stride * size_of::<i16>();
    let mut results = [0; CHANNELS];
    for pixel in 0..run.pixels {
        let x = x.get(pixel * run.x_step..).ok_or(Fault::Bounds)?.as_ptr();
        let out = window_mut(out, pixel * run.out_step, len)?;
        let places = if len == count { &mut *out } else { window_mut(&mut results, 0, count)? };
        let places = places.as_mut_ptr_range();
        let (out_start, last) = (places.start, places.end);
        let work =
            Work { x, weights, constants, out: out_start, taps: ends.start, end: ends.end, stride, last };
        // SAFETY: `hold` says that the inputs of `count` channels of every pixel lie in `x`, their
        // weights and constants in the blocks, and that there are taps and channels; there are
        // places for `count` results. Where the taps are all there are, their weights are behind
        // each other.
        unsafe { if all { results_of_all(&work, skipped) } else { results_of_listed(&work, skipped) } };
        if len != count {
            for (to, &from) in out.iter_mut().zip(&results) {
                *to = from;
            }
        }
    }
    Ok(())
}

/// What is multiplied.
#[repr(C)]
struct Work {
    x: *const i8,
    weights: *const i16,
    constants: *const i32,
    out: *mut i8,
    taps: *const Tap,
    end: *const Tap,
    /// Bytes from the weights of a block to those of the next.
    stride: usize,
    /// Where `out` ends.
    last: *const i8,
}

/// Taps of a turn, which is entered in its middle.
const TURN: usize = 4;
/// Bytes of the instructions of `tap!`, all of which have four.
const LISTED_CODE: usize = 40;
const ALL_CODE: usize = 36;

/// The products of a tap.
macro_rules! tap {
    (listed) => {
        concat!(
            "ldrd r8, r9, [lr], #8\n",
            "ldr r8, [r0, r8]\n",
            "add.w r9, r9, r1\n",
            "ldrd r9, r11, [r9]\n",
            tap!()
        )
    };
    (all) => {
        concat!("ldr r8, [lr], #8\n", "ldr r8, [r0, r8]\n", "ldrd r9, r11, [r1], #8\n", tap!())
    };
    () => {
        "sxtb16 r10, r8
         smlabb r4, r10, r9, r4
         smlatt r6, r10, r9, r6
         sxtb16 r10, r8, ror #8
         smlabb r5, r10, r11, r5
         smlatt r7, r10, r11, r7"
    };
}

/// Results of at least one block, of at least one tap. `LDR` needs no alignment, `LDRD` and `LDM`
/// need words: those of taps, of weights, four of which are two words, and of constants. The shifts
/// are less by 33, and shifting by one less is made up for by halving upwards.
macro_rules! results {
    ($name:ident, $taps:ident, $next:literal) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(work: *const Work, skipped: usize) {
            naked_asm!(
                ".arch armv7e-m",
                "push {{r4-r11, lr}}",
                // At sp: `work`, and where the first turn begins.
                "push {{r0, r1}}",
                "adr.w r4, 3f",
                "add r4, r1",
                "orr r4, #1",
                "str r4, [sp, #4]",
                "ldm r0, {{r0, r1, r2, r3}}",
                "2:",
                "ldr r12, [sp]",
                "ldrd lr, r12, [r12, #16]",
                "ldm r2!, {{r4-r7}}",
                "ldr pc, [sp, #4]",
                "3:",
                tap!($taps),
                tap!($taps),
                tap!($taps),
                tap!($taps),
                "cmp lr, r12",
                "bne 3b",
                "ldm r2!, {{r8-r11}}",
                "smmul r4, r4, r8",
                "smmul r5, r5, r9",
                "smmul r6, r6, r10",
                "smmul r7, r7, r11",
                "ldm r2!, {{r8-r11}}",
                "asr r4, r4, r8",
                "asr r5, r5, r9",
                "asr r6, r6, r10",
                "asr r7, r7, r11",
                ".irp z, r4, r5, r6, r7",
                "add \\z, \\z, #1",
                "ssat \\z, #8, \\z, asr #1",
                ".endr",
                "bfi r4, r5, #8, #8",
                "bfi r4, r6, #16, #8",
                "bfi r4, r7, #24, #8",
                "str r4, [r3], #4",
                "ldr r12, [sp]",
                "ldrd r8, r9, [r12, #24]",
                "add r0, #4",
                $next,
                "cmp r3, r9",
                "bne 2b",
                "add sp, #8",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}
results!(results_of_listed, listed, "add r1, r8");
results!(results_of_all, all, "");
