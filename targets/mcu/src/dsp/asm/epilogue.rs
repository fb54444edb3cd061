//! Sums to int8.

use core::arch::naked_asm;

use crate::dsp::linear::{Pair, ROWS, sum};
use crate::gemm::CHANNELS;
use crate::requantize::requantize_i8;

/// As [`requantize`](crate::requantize::requantize_i8) for the channels of one row.
#[inline(always)]
pub(crate) fn finish(
    sums: &[Pair; CHANNELS / 2],
    row: usize,
    bias: &[i32],
    mantissa: &[i32],
    shift: &[u8],
    out: &mut [i8],
) {
    let count = bias.len().min(mantissa.len()).min(shift.len()).min(out.len()).min(CHANNELS);
    if count < 2 || row >= ROWS {
        return finish_last(sums, row, bias, mantissa, shift, out, 0);
    }
    // SAFETY: every slice holds `count` elements, of which pairs are read and written, at
    // least one; `sums` holds a pair of each row for every two of `CHANNELS ≥ count`.
    unsafe {
        let sums: *const i32 = sums.as_ptr().cast();
        requantize(
            sums.add(2 * row),
            bias.as_ptr(),
            mantissa.as_ptr(),
            shift.as_ptr(),
            out.as_mut_ptr(),
            count / 2,
        );
    }
    finish_last(sums, row, bias, mantissa, shift, out, count & !1);
}

/// A channel without a partner, if there is one from `channel` on.
#[inline(always)]
fn finish_last(
    sums: &[Pair; CHANNELS / 2],
    row: usize,
    bias: &[i32],
    mantissa: &[i32],
    shift: &[u8],
    out: &mut [i8],
    channel: usize,
) {
    let constants = bias.get(channel).zip(mantissa.get(channel)).zip(shift.get(channel));
    if let (Some(((b, &m), &e)), Some(y)) = (constants, out.get_mut(channel)) {
        *y = requantize_i8(sum(sums, row, channel) + b, m, e);
    }
}

/// `z`: sums of one row, [`Pair`]s apart; `pairs ≥ 1`.
#[unsafe(naked)]
unsafe extern "C" fn requantize(
    z: *const i32,
    bias: *const i32,
    mantissa: *const i32,
    shift: *const u8,
    out: *mut i8,
    pairs: usize,
) {
    naked_asm!(
        ".arch armv7e-m",
        "push {{r4-r11, lr}}",
        "ldrd r4, r5, [sp, #36]",
        "2:",
        "ldrd r6, r7, [r0], #24",
        "ldrd r8, r9, [r1], #8",
        "add r6, r8",
        "add r7, r9",
        "ldrd r8, r9, [r2], #8",
        "ldrb r10, [r3], #1",
        "ldrb r11, [r3], #1",
        "smmul r6, r6, r8",
        "smmul r7, r7, r9",
        "sub r10, #33",
        "sub r11, #33",
        "asr r6, r6, r10",
        "asr r7, r7, r11",
        // Halved upwards: the bit shifted out is the carry.
        "asrs r6, r6, #1",
        "adc r6, r6, #0",
        "asrs r7, r7, #1",
        "adc r7, r7, #0",
        "ssat r6, #8, r6",
        "ssat r7, #8, r7",
        "strb r6, [r4], #1",
        "strb r7, [r4], #1",
        "subs r5, #1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}
