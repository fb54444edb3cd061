//! Shiftmax by gathers from the table of exponentials.

use core::arch::naked_asm;

/// The largest of `x`; −128 if there are none.
#[inline(always)]
pub(super) fn max(x: &[i8]) -> i8 {
    // SAFETY: the predicated loop reads the elements of `x` and no others.
    unsafe { largest(x.as_ptr(), x.len()) as i8 }
}

/// 16-bit probabilities of one row of scores.
#[inline(always)]
pub(crate) fn probabilities(scores: &[i8], exp: &[u32; 256], out: &mut [i16]) {
    let count = scores.len().min(out.len());
    let max = i32::from(max(scores));
    // SAFETY: both loops are predicated and touch `count` elements of each slice; a distance
    // from the largest score is in `0..=255`, an index of the table.
    unsafe {
        let sum = sum_of_exponentials(scores.as_ptr(), exp, max, count);
        let factor = (i32::MAX as u32).checked_div(sum).unwrap_or(0);
        scaled(scores.as_ptr(), exp, max, count, out.as_mut_ptr(), factor);
    }
}

#[unsafe(naked)]
unsafe extern "C" fn largest(x: *const i8, count: usize) -> i32 {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r7, lr}}",
        "mvn r2, #127",
        "wlstp.8 lr, r1, 3f",
        "2:",
        "vldrb.u8 q0, [r0], #16",
        "vmaxv.s8 r2, q0",
        "letp lr, 2b",
        "3:",
        "mov r0, r2",
        "pop {{r7, pc}}",
    )
}

#[unsafe(naked)]
unsafe extern "C" fn sum_of_exponentials(
    scores: *const i8,
    exp: *const [u32; 256],
    max: i32,
    count: usize,
) -> u32 {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4, lr}}",
        "mov r4, #0",
        "vdup.32 q1, r2",
        "wlstp.32 lr, r3, 3f",
        "2:",
        "vldrb.s32 q0, [r0], #4",
        "vsub.i32 q0, q1, q0",
        "vldrw.u32 q2, [r1, q0, uxtw #2]",
        "vaddva.u32 r4, q2",
        "letp lr, 2b",
        "3:",
        "mov r0, r4",
        "pop {{r4, pc}}",
    )
}

#[unsafe(naked)]
unsafe extern "C" fn scaled(
    scores: *const i8,
    exp: *const [u32; 256],
    max: i32,
    count: usize,
    out: *mut i16,
    factor: u32,
) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4, lr}}",
        "ldrd r4, r12, [sp, #8]",
        "vdup.32 q1, r2",
        "wlstp.32 lr, r3, 3f",
        "2:",
        "vldrb.s32 q0, [r0], #4",
        "vsub.i32 q0, q1, q0",
        "vldrw.u32 q2, [r1, q0, uxtw #2]",
        "vmul.i32 q2, q2, r12",
        "vshr.u32 q2, q2, #16",
        "vstrh.32 q2, [r4], #8",
        "letp lr, 2b",
        "3:",
        "pop {{r4, pc}}",
    )
}
