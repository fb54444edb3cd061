//! ShiftGELU: vectors around four scalar divisions.

use core::arch::naked_asm;

use super::shiftmax::max;
use crate::requantize::Scale16;

/// Constants of a row.
#[repr(C)]
struct Work {
    max: i32,
    /// The exponential of the distance between the largest and zero.
    zero: u32,
    mantissa: i32,
    up: u32,
    /// Bits to the left: negative.
    down: i32,
}

/// One row in place.
#[inline(always)]
pub(crate) fn gelu(x: &mut [i8], exp: &[u32; 256], out: Scale16) {
    // With the zero that the maximum includes.
    let max = max(x).max(0);
    let zero = exp[usize::from(max as u8)];
    let (mantissa, up, down) = out.parts();
    let work = Work { max: max.into(), zero, mantissa, up, down: (down as i32).wrapping_neg() };
    // SAFETY: the predicated loop touches the elements of `x` and no others; distances from
    // the maximum are in `0..=255`, indices of the table.
    unsafe { gelu_row(x.as_mut_ptr(), x.len(), exp, &work) }
}

/// A division by zero, which no table admits, gives 0 as in the reference.
#[unsafe(naked)]
unsafe extern "C" fn gelu_row(x: *mut i8, count: usize, exp: *const [u32; 256], work: *const Work) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r10, lr}}",
        "vpush {{d8-d9}}",
        "ldm r3, {{r4, r8, r9, r10, r12}}",
        "vdup.32 q1, r4",
        "vdup.32 q4, r9",
        "mvn r9, #0x80000000",
        "wlstp.32 lr, r1, 3f",
        "2:",
        "vldrb.s32 q0, [r0]",
        "vsub.i32 q2, q1, q0",
        "vldrw.u32 q3, [r2, q2, uxtw #2]",
        "vadd.i32 q2, q3, r8",
        "vmov r4, r5, q2[2], q2[0]",
        "vmov r6, r7, q2[3], q2[1]",
        "udiv r4, r9, r4",
        "udiv r5, r9, r5",
        "udiv r6, r9, r6",
        "udiv r7, r9, r7",
        "vmov q2[2], q2[0], r4, r5",
        "vmov q2[3], q2[1], r6, r7",
        "vmul.i32 q2, q2, q3",
        "vshr.u32 q2, q2, #24",
        "vmul.i32 q0, q0, q2",
        "vshl.s32 q0, r10",
        "vmulh.s32 q0, q0, q4",
        "vrshl.s32 q0, r12",
        "vqmovnb.s32 q0, q0",
        "vqmovnb.s16 q0, q0",
        "vstrb.32 q0, [r0], #4",
        "letp lr, 2b",
        "3:",
        "vpop {{d8-d9}}",
        "pop {{r4-r10, pc}}",
    )
}
