//! The loops over keys.

use core::arch::naked_asm;

use quant::arith::Multiplier;

use crate::dsp::attention::CHANNELS;

/// What a run over keys needs.
#[repr(C)]
struct Scores {
    /// What a turn of four quads leaves out of its code the first time.
    skipped: usize,
    mantissa: i32,
    /// Half a unit of the result in upper halves of products.
    half: u32,
    /// The shift less 33.
    shift: u32,
    /// From the end of a key to the one after the next.
    skip: usize,
    stride: usize,
    /// Where the query and the scores end.
    query: *const [u32; 2],
    last: *const i8,
}

/// Bytes of the instructions of `quad!`, all of which have four.
const QUAD_CODE: usize = 44;

#[inline(always)]
pub(crate) fn score_pairs(q: &[[u32; 2]], k: &[i8], stride: usize, scale: Multiplier, scores: &mut [i8]) {
    let (pairs, len) = (scores.len() / 2, 4 * q.len());
    let needed = (2 * pairs).saturating_sub(1).checked_mul(stride).and_then(|last| last.checked_add(len));
    if pairs == 0 || q.is_empty() || needed.is_none_or(|needed| needed > k.len()) {
        return;
    }
    let shift = u32::from(scale.shift.wrapping_sub(33));
    let ends = scores.get_mut(..2 * pairs).unwrap_or(&mut []).as_mut_ptr_range();
    let mut work = Scores {
        skipped: q.len().wrapping_neg() % 4 * QUAD_CODE,
        mantissa: scale.mantissa,
        half: 1u32.wrapping_shl(shift),
        shift,
        skip: (2 * stride).wrapping_sub(len),
        stride,
        query: q.as_ptr_range().end,
        last: ends.end,
    };
    // SAFETY: the function reads `q` whole, of each of `2 · pairs` keys `len` bytes, which
    // end within `k` as was checked, and writes `2 · pairs` scores.
    unsafe { scores_of_pairs(q.as_ptr(), k.as_ptr(), ends.start, &mut work) }
}

macro_rules! quad {
    () => {
        "ldr r9, [r1, r11]
         ldr r8, [r1], #4
         ldrd r6, r7, [lr], #8
         sxtb16 r10, r8
         sxtb16 r8, r8, ror #8
         smlad r4, r6, r10, r4
         smlad r4, r7, r8, r4
         sxtb16 r10, r9
         sxtb16 r9, r9, ror #8
         smlad r5, r6, r10, r5
         smlad r5, r7, r9, r5"
    };
}

#[unsafe(naked)]
unsafe extern "C" fn scores_of_pairs(q: *const [u32; 2], k: *const i8, scores: *mut i8, work: *mut Scores) {
    naked_asm!(
        ".arch armv7e-m",
        "push {{r4-r11, lr}}",
        "ldrd r11, r12, [r3, #20]",
        "adr.w r4, 3f",
        "ldr r5, [r3]",
        "add r4, r5",
        "orr r4, #1",
        "str r4, [r3]",
        "2:",
        "mov lr, r0",
        "mov r4, #0",
        "mov r5, #0",
        "ldr pc, [r3]",
        "3:",
        quad!(),
        quad!(),
        quad!(),
        quad!(),
        "cmp lr, r12",
        "bne 3b",
        "ldrd r6, r7, [r3, #4]",
        "ldrd r8, r9, [r3, #12]",
        "smmla r4, r4, r6, r7",
        "smmla r5, r5, r6, r7",
        "asr r4, r4, r8",
        "asr r5, r5, r8",
        "ssat r4, #8, r4, asr #1",
        "ssat r5, #8, r5, asr #1",
        "strb r4, [r2], #1",
        "strb r5, [r2], #1",
        "add r1, r9",
        "ldr r7, [r3, #28]",
        "cmp r2, r7",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}

#[inline(always)]
pub(crate) fn weighted(p: &[i16], v: &[i8], stride: usize) -> [i32; CHANNELS] {
    let mut sums = [0; CHANNELS];
    let needed = p.len().checked_sub(1).and_then(|last| last.checked_mul(stride)?.checked_add(CHANNELS));
    if needed.is_none_or(|needed| needed > v.len()) {
        return sums;
    }
    // SAFETY: the function reads `p` whole and `CHANNELS` bytes of a row of `v` for each of
    // them, which end within `v` as was checked, and writes the sums.
    unsafe { weighted_rows(p.as_ptr(), v.as_ptr(), stride, p.len(), &mut sums) }
    sums
}

/// The products of eight channels of a row with one half of `r12`.
macro_rules! row {
    ($half:literal) => {
        concat!(
            "ldr r3, [r1]\n",
            "sxtb16 lr, r3\n",
            "sxtb16 r3, r3, ror #8\n",
            "smla",
            $half,
            "b r4, r12, lr, r4\n",
            "smla",
            $half,
            "b r5, r12, r3, r5\n",
            "smla",
            $half,
            "t r6, r12, lr, r6\n",
            "smla",
            $half,
            "t r7, r12, r3, r7\n",
            "ldr r3, [r1, #4]\n",
            "add r1, r2\n",
            "sxtb16 lr, r3\n",
            "sxtb16 r3, r3, ror #8\n",
            "smla",
            $half,
            "b r8, r12, lr, r8\n",
            "smla",
            $half,
            "b r9, r12, r3, r9\n",
            "smla",
            $half,
            "t r10, r12, lr, r10\n",
            "smla",
            $half,
            "t r11, r12, r3, r11",
        )
    };
}

/// `count ≥ 1`; `sums` of zeros.
#[unsafe(naked)]
unsafe extern "C" fn weighted_rows(
    p: *const i16,
    v: *const i8,
    stride: usize,
    count: usize,
    sums: *mut [i32; CHANNELS],
) {
    naked_asm!(
        ".arch armv7e-m",
        "push {{r3-r11, lr}}",
        // At sp: where pairs end; whether one is left.
        "and r5, r3, #1",
        "bic r4, r3, #1",
        "add r4, r0, r4, lsl #1",
        "push {{r4, r5}}",
        "mov r4, #0",
        "mov r5, #0",
        "mov r6, #0",
        "mov r7, #0",
        "mov r8, #0",
        "mov r9, #0",
        "mov r10, #0",
        "mov r11, #0",
        "b 3f",
        "2:",
        "ldr r12, [r0], #4",
        row!("b"),
        row!("t"),
        "3:",
        "ldr lr, [sp]",
        "cmp r0, lr",
        "bne 2b",
        "ldr lr, [sp, #4]",
        "cmp lr, #0",
        "beq 4f",
        "ldrsh r12, [r0]",
        row!("b"),
        "4:",
        "ldr r0, [sp, #48]",
        "stm r0, {{r4-r11}}",
        "add sp, #8",
        "pop {{r3-r11, pc}}",
    )
}
