//! ShiftGELU in one loop.

use core::arch::naked_asm;

use crate::requantize::Scale16;

/// Constants of a row.
#[repr(C)]
struct Work {
    /// The exponential of the distance between the largest and zero.
    zero: u32,
    up: u32,
    mantissa: i32,
    /// Half a unit of the result, in upper halves of products.
    half: u32,
    down: u32,
}

/// One row in place.
#[inline(always)]
pub(crate) fn gelu(x: &mut [i8], exp: &[u32; 256], out: Scale16) {
    // With the zero that the maximum includes.
    let max = usize::from(crate::dsp::max(x).max(0) as u8);
    let (mantissa, up, down) = out.parts();
    let work = Work { zero: exp[max], up, mantissa, half: (1 << down) >> 1, down };
    let x = x.as_mut_ptr_range();
    // SAFETY: the function reads and writes the elements of `x`, and reads entries of `exp` at their
    // distances from the maximum, which are in `0..=255`.
    unsafe { gelu_row(x.start, x.end, exp.as_ptr().wrapping_add(max), &work) }
}

/// A division by zero, which no table admits, gives 0 as in the reference.
#[unsafe(naked)]
unsafe extern "C" fn gelu_row(x: *mut i8, end: *mut i8, largest: *const u32, work: *const Work) {
    naked_asm!(
        ".arch armv7e-m",
        "push {{r4-r10, lr}}",
        "ldm r3, {{r3, r7, r8, r9, r10}}",
        "mvn r12, #0x80000000",
        "b 3f",
        "2:",
        "ldrsb r4, [r0]",
        "sub r5, r2, r4, lsl #2",
        "ldr r5, [r5]",
        "add r6, r5, r3",
        "udiv r6, r12, r6",
        "mul r5, r5, r6",
        "lsr r5, r5, #24",
        "mul r4, r4, r5",
        "lsl r4, r4, r7",
        "smmla r4, r4, r8, r9",
        "asr r4, r4, r10",
        "ssat r4, #8, r4",
        "strb r4, [r0], #1",
        "3:",
        "cmp r0, r1",
        "bne 2b",
        "pop {{r4-r10, pc}}",
    )
}
