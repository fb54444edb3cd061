//! Products of three rows with pairs of channels.

use core::arch::naked_asm;

use quant::Fault;

use crate::dsp::linear::{Pair, Quad};

/// Sizes of a multiplication.
#[repr(C)]
struct Work {
    /// The widened rows.
    x: *const Quad,
    /// Where turns of four quads end, and where the quads end.
    most: *const Quad,
    end: *const Quad,
    /// From the end of what is read of a panel to the next one.
    skip: usize,
    /// Pairs still to multiply.
    pairs: usize,
}

/// Adds the products of all `sums.len()` panels, `stride` bytes apart, the last one of which lies
/// within `panels`. [`Fault::Misaligned`] where their words are not aligned.
#[inline(always)]
pub(crate) fn multiply(
    quads: &[Quad],
    panels: &[i8],
    stride: usize,
    fresh: bool,
    sums: &mut [Pair],
) -> Result<(), Fault> {
    if !panels.as_ptr().cast::<u32>().is_aligned() {
        return Err(Fault::Misaligned);
    }
    let range = quads.as_ptr_range();
    let most = quads.get(..quads.len() & !3).unwrap_or(&[]).as_ptr_range();
    let skip = stride.wrapping_sub(8 * quads.len());
    let mut work = Work { x: range.start, most: most.end, end: range.end, skip, pairs: sums.len() };
    if quads.is_empty() || sums.is_empty() {
        return Ok(());
    }
    // SAFETY: the function reads the quads from `x` to `end`, for each of `pairs` sums, which
    // it updates, as many bytes of a panel; the caller has checked that the last panel ends
    // within `panels`, and words there are aligned.
    unsafe {
        if fresh {
            first_products(&mut work, panels.as_ptr(), sums.as_mut_ptr());
        } else {
            more_products(&mut work, panels.as_ptr(), sums.as_mut_ptr());
        }
    }
    Ok(())
}

macro_rules! quad {
    () => {
        "ldrd r2, r3, [r1], #8
         sxtb16 r10, r2
         sxtb16 r2, r2, ror #8
         sxtb16 r11, r3
         sxtb16 r3, r3, ror #8
         ldrd r12, lr, [r0], #8
         smlad r4, r12, r10, r4
         smlad r4, lr, r2, r4
         smlad r5, r12, r11, r5
         smlad r5, lr, r3, r5
         ldrd r12, lr, [r0], #8
         smlad r6, r12, r10, r6
         smlad r6, lr, r2, r6
         smlad r7, r12, r11, r7
         smlad r7, lr, r3, r7
         ldrd r12, lr, [r0], #8
         smlad r8, r12, r10, r8
         smlad r8, lr, r2, r8
         smlad r9, r12, r11, r9
         smlad r9, lr, r3, r9"
    };
}

/// For each pair of channels, the products of all quads. `LDRD` and `LDM` need words:
/// `Quad` and `Pair` are of words, `w` is checked.
macro_rules! products {
    ($name:ident, $($start:literal),*) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(work: *mut Work, w: *const i8, z: *mut Pair) {
            naked_asm!(
                ".arch armv7e-m",
                // At sp: work, w, z.
                "push {{r0-r2, r4-r11, lr}}",
                "2:",
                $($start,)*
                "ldr r2, [sp]",
                "ldrd r0, r3, [r2]",
                "cmp r0, r3",
                "bhs 4f",
                "3:",
                quad!(),
                quad!(),
                quad!(),
                quad!(),
                "ldr r2, [sp]",
                "ldr r2, [r2, #4]",
                "cmp r0, r2",
                "blo 3b",
                "4:",
                "ldr r2, [sp]",
                "ldr r2, [r2, #8]",
                "cmp r0, r2",
                "bhs 6f",
                "5:",
                quad!(),
                "ldr r2, [sp]",
                "ldr r2, [r2, #8]",
                "cmp r0, r2",
                "blo 5b",
                "6:",
                "ldr r2, [sp, #8]",
                "stm r2!, {{r4-r9}}",
                "str r2, [sp, #8]",
                "ldr r2, [sp]",
                "ldrd r3, r12, [r2, #12]",
                "add r1, r3",
                "subs r12, #1",
                "str r12, [r2, #16]",
                "bne 2b",
                "add sp, #12",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}
products!(more_products, "ldr r2, [sp, #8]", "ldm r2, {{r4-r9}}");
products!(first_products, "mov r4, #0", "mov r5, #0", "mov r6, #0", "mov r7, #0", "mov r8, #0", "mov r9, #0");
