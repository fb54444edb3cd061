//! Products of three rows with pairs of channels, and their results in int8.

use core::arch::naked_asm;
use core::ptr::null;

use quant::Fault;
use quant::slice::{window, window_mut};

use crate::dsp::linear::{Pair, Quad, ROWS};
use crate::gemm::{Panels, Tile};

/// Adds the products of all panels to `sums`, which begin with the bias if there is one.
#[inline(always)]
pub(crate) fn multiply(
    quads: &[Quad],
    panels: &Panels<'_>,
    bias: Option<&[i32]>,
    sums: &mut [Pair],
) -> Result<(), Fault> {
    let Some(work) = Work::new(quads, panels, sums)? else { return Ok(()) };
    let bias = begin(panels, bias)?;
    // SAFETY: `Work::new` has checked what is read, and the sums, which are read and written; the
    // bias holds two elements for each panel.
    unsafe { products(null(), null(), work.z.cast(), bias, work) }
    Ok(())
}

/// The same, requantized.
#[inline(always)]
pub(crate) fn multiply_i8(
    quads: &[Quad],
    panels: &Panels<'_>,
    bias: Option<&[i32]>,
    sums: &mut [Pair],
    tile: Tile<'_>,
) -> Result<(), Fault> {
    let Some(mut work) = Work::new(quads, panels, sums)? else { return Ok(()) };
    let bias = begin(panels, bias)?;
    let [_, rows @ ..] = tile.rows::<ROWS>();
    work.rows = rows.map(|at| at.wrapping_sub(2));
    if !tile.holds(panels.pairs) {
        return Err(Fault::Bounds);
    }
    let (mantissa, shift) = (tile.requant.mantissa.as_ptr(), tile.requant.shift.as_ptr());
    let out = window_mut(tile.out, 0, 2 * panels.pairs)?.as_mut_ptr_range();
    work.last = out.end;
    // SAFETY: as in `multiply`; the constants and every row of the result hold as many elements.
    unsafe { products(mantissa, shift, out.start, bias, work) }
    Ok(())
}

/// The bias of all panels; null without one.
#[inline(always)]
fn begin(panels: &Panels<'_>, bias: Option<&[i32]>) -> Result<*const i32, Fault> {
    bias.map_or(Ok(null()), |bias| Ok(window(bias, 0, 2 * panels.pairs)?.as_ptr()))
}

/// What is multiplied.
#[repr(C)]
struct Work {
    /// The widened rows.
    x: *const Quad,
    /// Where turns of four quads end, and where the quads end.
    most: *const Quad,
    end: *const Quad,
    w: *const i8,
    /// From the end of what is read of a panel to the next one.
    skip: usize,
    /// Where `out` ends.
    last: *const i8,
    /// Sums to begin with.
    z: *mut Pair,
    /// From the end of a pair of results of the first row to the pairs of the others.
    rows: [usize; ROWS - 1],
}

impl Work {
    /// `None` where there is nothing to multiply; [`Fault::Misaligned`] where the words of the
    /// panels are not aligned.
    #[inline(always)]
    fn new(quads: &[Quad], panels: &Panels<'_>, sums: &mut [Pair]) -> Result<Option<Self>, Fault> {
        let w = panels.holding(8 * quads.len())?.as_ptr();
        if !w.cast::<u32>().is_aligned() {
            return Err(Fault::Misaligned);
        }
        let range = quads.as_ptr_range();
        let most = quads.get(..quads.len() & !3).unwrap_or(&[]).as_ptr_range().end;
        let skip = panels.stride.wrapping_sub(8 * quads.len());
        let z = sums.get_mut(..panels.pairs).ok_or(Fault::Bounds)?.as_mut_ptr_range();
        let work = Self {
            x: range.start,
            most,
            end: range.end,
            w,
            skip,
            last: z.end.cast(),
            z: z.start,
            rows: [0; 2],
        };
        Ok((!quads.is_empty()).then_some(work))
    }
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

/// For each pair of channels the products of all quads, which begin with the bias or, where it is
/// null, with `z`; requantized or, where `mantissa` is null, stored at `out`. What follows the
/// first four arguments is on the stack, as are those once they are pushed: pointers move there.
/// `LDRD` and `LDM` need words: `Quad` and `Pair` are of words, `w` is checked.
#[unsafe(naked)]
unsafe extern "C" fn products(
    mantissa: *const i32,
    shift: *const u8,
    out: *mut i8,
    bias: *const i32,
    work: Work,
) {
    naked_asm!(
        ".arch armv7e-m",
        "push {{r4-r11, lr}}",
        "push {{r0-r3}}",
        "ldr r1, [sp, #64]",
        "2:",
        "ldr r2, [sp, #12]",
        "cbz r2, 8f",
        "ldrd r4, r5, [r2], #8",
        "str r2, [sp, #12]",
        "mov r6, r4",
        "mov r7, r5",
        "mov r8, r4",
        "mov r9, r5",
        "9:",
        "ldrd r0, r2, [sp, #52]",
        "cmp r0, r2",
        "blo 3f",
        "b 4f",
        "8:",
        "ldr r2, [sp, #76]",
        "ldm r2!, {{r4-r9}}",
        "str r2, [sp, #76]",
        "b 9b",
        "3:",
        quad!(),
        quad!(),
        quad!(),
        quad!(),
        "ldr r2, [sp, #56]",
        "cmp r0, r2",
        "blo 3b",
        "4:",
        "ldr r2, [sp, #60]",
        "cmp r0, r2",
        "bhs 6f",
        "5:",
        quad!(),
        "ldr r2, [sp, #60]",
        "cmp r0, r2",
        "blo 5b",
        "6:",
        "ldm sp, {{r2, r3, r10}}",
        "cbnz r2, 7f",
        "stm r10!, {{r4-r9}}",
        "str r10, [sp, #8]",
        "b 10f",
        // With a shift of 33 + r0 half a unit of the result, in upper halves, is 1 << r0.
        "7:",
        "ldrd r11, r12, [r2], #8",
        "ldrb r0, [r3], #1",
        "ldrb lr, [r3], #1",
        "add r10, #2",
        "stm sp, {{r2, r3, r10}}",
        "sub r0, #33",
        "sub lr, #33",
        "movs r2, #1",
        "lsl r3, r2, r0",
        "smmla r4, r4, r11, r3",
        "smmla r6, r6, r11, r3",
        "smmla r8, r8, r11, r3",
        "lsl r3, r2, lr",
        "smmla r5, r5, r12, r3",
        "smmla r7, r7, r12, r3",
        "smmla r9, r9, r12, r3",
        "asr r4, r4, r0",
        "asr r6, r6, r0",
        "asr r8, r8, r0",
        "asr r5, r5, lr",
        "asr r7, r7, lr",
        "asr r9, r9, lr",
        "ssat r4, #8, r4, asr #1",
        "ssat r5, #8, r5, asr #1",
        "ssat r6, #8, r6, asr #1",
        "ssat r7, #8, r7, asr #1",
        "ssat r8, #8, r8, asr #1",
        "ssat r9, #8, r9, asr #1",
        "bfi r4, r5, #8, #8",
        "bfi r6, r7, #8, #8",
        "bfi r8, r9, #8, #8",
        "ldrd r2, r3, [sp, #80]",
        // The first row is written last, as `Tile::rows` asks for.
        "strh r8, [r10, r3]",
        "strh r6, [r10, r2]",
        "strh r4, [r10, #-2]",
        "10:",
        "ldrd r0, r2, [sp, #68]",
        "ldrd r0, r2, [sp, #68]",
        "add r1, r0",
        "cmp r10, r2",
        "bne 2b",
        "add sp, #16",
        "pop {{r4-r11, pc}}",
    )
}
