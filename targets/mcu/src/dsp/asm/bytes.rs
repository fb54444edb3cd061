//! Four bytes of a word at once.

use core::arch::{asm, naked_asm};

/// The largest of `x`; −128 if there are none.
#[inline(always)]
pub(crate) fn max(x: &[i8]) -> i8 {
    let ends = x.as_ptr_range();
    // SAFETY: the function reads the elements of `x`.
    unsafe { largest(ends.start, ends.end) as i8 }
}

/// `SSUB8` notes which bytes are not less, `SEL` takes those.
#[unsafe(naked)]
unsafe extern "C" fn largest(x: *const i8, end: *const i8) -> i32 {
    naked_asm!(
        ".arch armv7e-m",
        "mov r2, #0x80808080",
        "b 3f",
        "2:",
        "ldr r3, [r0], #4",
        "ssub8 r12, r2, r3",
        "sel r2, r2, r3",
        "3:",
        "subs r3, r1, r0",
        "cmp r3, #4",
        "bge 2b",
        "b 5f",
        "4:",
        "ldrb r3, [r0], #1",
        "orr r3, r3, r3, lsl #8",
        "orr r3, r3, r3, lsl #16",
        "ssub8 r12, r2, r3",
        "sel r2, r2, r3",
        "5:",
        "cmp r0, r1",
        "bne 4b",
        "ror r3, r2, #16",
        "ssub8 r12, r2, r3",
        "sel r2, r2, r3",
        "ror r3, r2, #8",
        "ssub8 r12, r2, r3",
        "sel r2, r2, r3",
        "sxtb r0, r2",
        "bx lr",
    )
}

#[inline(always)]
pub(crate) fn sub4(a: [u8; 4], b: [u8; 4]) -> [u8; 4] {
    let difference: u32;
    // SAFETY: reads and writes registers and flags only; the feature `dsp` says the core has
    // the instruction.
    unsafe {
        asm!(
            "usub8 {}, {}, {}",
            lateout(reg) difference,
            in(reg) u32::from_ne_bytes(a),
            in(reg) u32::from_ne_bytes(b),
            options(pure, nomem, nostack),
        );
    }
    difference.to_ne_bytes()
}
