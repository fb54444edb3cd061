//! Four bytes of a word at once.

use core::arch::asm;

#[inline(always)]
pub(crate) fn sxtb16(word: u32) -> u32 {
    let halves;
    // SAFETY: reads and writes registers only; the feature `dsp` says the core has it.
    unsafe { asm!("sxtb16 {}, {}", lateout(reg) halves, in(reg) word, options(pure, nomem, nostack)) };
    halves
}

#[inline(always)]
pub(crate) fn sxtb16_odd(word: u32) -> u32 {
    let halves;
    // SAFETY: as `sxtb16`.
    unsafe {
        asm!("sxtb16 {}, {}, ror #8", lateout(reg) halves, in(reg) word, options(pure, nomem, nostack))
    };
    halves
}

#[inline(always)]
pub(crate) fn max4(a: [i8; 4], b: [i8; 4]) -> [i8; 4] {
    let [mut larger, b] = [a, b].map(|quad| u32::from_ne_bytes(quad.map(|byte| byte as u8)));
    // SAFETY: reads and writes registers and flags only; the feature `dsp` says the core has
    // both instructions. `SSUB8` notes which bytes of `a` are not less, `SEL` takes those.
    unsafe {
        asm!(
            "ssub8 {difference}, {larger}, {b}",
            "sel {larger}, {larger}, {b}",
            difference = out(reg) _,
            larger = inout(reg) larger,
            b = in(reg) b,
            options(pure, nomem, nostack),
        );
    }
    larger.to_ne_bytes().map(|byte| byte as i8)
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
