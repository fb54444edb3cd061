//! Products of three rows with pairs of channels, and their results in int8.

use core::arch::naked_asm;
use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr::{null, null_mut};

use quant::Fault;
use quant::slice::{window, window_mut};

use crate::dsp::linear::{Pair, Quad, ROWS};
use crate::gemm::{Panels, Results, Tile};
use crate::requantize::Scale16;

/// Room for a quad, which only instructions write and read: what it holds at first is some number
/// to them.
pub(crate) type Room = MaybeUninit<Quad>;
pub(crate) const ROOM: Room = MaybeUninit::uninit();

/// Adds the products of all panels to `sums`, which begin with the bias if there is one.
#[inline(always)]
pub(crate) fn multiply(
    quads: &[Room],
    panels: &Panels<'_>,
    bias: Option<&[i32]>,
    sums: &mut [Pair],
) -> Result<(), Fault> {
    let sums = sums.get_mut(..panels.pairs).ok_or(Fault::Bounds)?;
    let Some(work) = Work::new(quads, panels, sums)? else { return Ok(()) };
    let bias = begin(panels, bias)?;
    // SAFETY: `Work::new` has checked what is read, and the sums, which are read and written; the
    // bias holds two elements for each panel.
    unsafe { products(null(), null(), work.z.cast(), bias, work) }
    Ok(())
}

/// The same; the sums become results.
// One copy for all that multiply.
#[inline(never)]
pub(crate) fn multiply_into(
    quads: &[Room],
    panels: &Panels<'_>,
    bias: Option<&[i32]>,
    sums: &mut [Pair],
    tile: Tile<'_>,
) -> Result<(), Fault> {
    let sums = if bias.is_some() { &mut [] } else { sums.get_mut(..panels.pairs).ok_or(Fault::Bounds)? };
    let Some(mut work) = Work::new(quads, panels, sums)? else { return Ok(()) };
    let bias = begin(panels, bias)?;
    if !tile.holds(panels.pairs) {
        return Err(Fault::Bounds);
    }
    let [_, rows @ ..] = tile.rows::<ROWS>();
    let (mantissa, shift) = (tile.requant.mantissa.as_ptr(), tile.requant.shift.as_ptr());
    match tile.out {
        Results::I8(out) => {
            let out = window_mut(out, 0, 2 * panels.pairs)?.as_mut_ptr_range();
            work.rows = rows.map(|at| at.wrapping_sub(2));
            work.last = out.end.cast();
            // SAFETY: as in `multiply`; the constants and every row of the result hold as many
            // elements.
            unsafe { products(mantissa, shift, out.start.cast(), bias, work) }
        }
        Results::I16 { out, up, residual } => {
            let out = window_mut(out, 0, 2 * panels.pairs)?.as_mut_ptr_range();
            work.rows = rows.map(|at| (2 * at).wrapping_sub(4));
            work.last = out.end.cast();
            let [stream, branch] = match residual {
                Some(sum) => sum.parts().map(Scaled::from),
                None => [Scaled::NOTHING, Scaled::SAME],
            };
            let mut wide = Wide { mantissa, up, least: 33u32.wrapping_sub(up), branch, stream };
            work.wide = &raw mut wide;
            // SAFETY: as above; `wide` outlives the call.
            unsafe { products(null(), shift, out.start.cast(), bias, work) }
        }
    }
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
    x: *const Room,
    /// What a turn of four quads leaves out of its code the first time.
    skipped: usize,
    /// Where the quads end.
    end: *const Room,
    w: *const i8,
    /// From the end of what is read of a panel to the next one.
    skip: usize,
    /// Where `out` ends.
    last: *const c_void,
    /// Sums to begin with.
    z: *mut Pair,
    /// From the end of a pair of results of the first row to the pairs of the others.
    rows: [usize; ROWS - 1],
    /// Of results of 16 bits.
    wide: *mut Wide,
}

/// Constants of results of 16 bits.
#[repr(C)]
struct Wide {
    mantissa: *const i32,
    /// Bits that the sums are moved up.
    up: u32,
    /// The least shift of sums as they are.
    least: u32,
    branch: Scaled,
    stream: Scaled,
}

/// A multiplier: bits up, product, half a unit of the result in upper halves, bits down.
#[repr(C)]
struct Scaled {
    up: u32,
    mantissa: i32,
    half: u32,
    down: u32,
}

impl Scaled {
    const SAME: Self = Self { up: 16, mantissa: 1 << 30, half: 0, down: 14 };
    const NOTHING: Self = Self { up: 0, mantissa: 0, half: 0, down: 0 };
}

impl From<Scale16> for Scaled {
    fn from(scale: Scale16) -> Self {
        let (mantissa, up, down) = scale.parts();
        Self { up, mantissa, half: (1 << down) >> 1, down }
    }
}

impl Work {
    /// `None` where there is nothing to multiply; [`Fault::Misaligned`] where the words of the
    /// panels are not aligned. Without `sums` there is a bias.
    #[inline(always)]
    fn new(quads: &[Room], panels: &Panels<'_>, sums: &mut [Pair]) -> Result<Option<Self>, Fault> {
        let w = panels.holding(8 * quads.len())?.as_ptr();
        if !w.cast::<u32>().is_aligned() {
            return Err(Fault::Misaligned);
        }
        let x = quads.as_ptr_range();
        let z = sums.as_mut_ptr_range();
        let work = Self {
            x: x.start,
            skipped: quads.len().wrapping_neg() % 4 * QUAD_CODE,
            end: x.end,
            w,
            skip: panels.stride.wrapping_sub(8 * quads.len()),
            last: z.end.cast(),
            z: z.start,
            rows: [0; 2],
            wide: null_mut(),
        };
        Ok((!quads.is_empty()).then_some(work))
    }
}

/// Copies of rows, widened, as many quads as the shortest row has.
#[inline(always)]
pub(crate) fn widen_rows(block: &mut [Room], rows: [&[[i8; 4]]; ROWS]) {
    let [first, second, third] = rows;
    let count = first.len().min(second.len()).min(third.len()).min(block.len());
    let first = first.get(..count).unwrap_or(&[]).as_ptr_range();
    if count > 0 {
        // SAFETY: the block and the rows hold `count` quads. `LDR` needs no alignment.
        unsafe { widen(block.as_mut_ptr(), first.start, second.as_ptr(), third.as_ptr(), first.end) }
    }
}

#[unsafe(naked)]
unsafe extern "C" fn widen(
    block: *mut Room,
    first: *const [i8; 4],
    second: *const [i8; 4],
    third: *const [i8; 4],
    end: *const [i8; 4],
) {
    naked_asm!(
        ".arch armv7e-m",
        "push {{r4-r9, lr}}",
        "ldr r12, [sp, #28]",
        "2:",
        "ldr r5, [r1], #4",
        "ldr r7, [r2], #4",
        "ldr r9, [r3], #4",
        "sxtb16 r4, r5",
        "sxtb16 r5, r5, ror #8",
        "sxtb16 r6, r7",
        "sxtb16 r7, r7, ror #8",
        "sxtb16 r8, r9",
        "sxtb16 r9, r9, ror #8",
        "stm r0!, {{r4-r9}}",
        "cmp r1, r12",
        "bne 2b",
        "pop {{r4-r9, pc}}",
    )
}

/// Bytes of the instructions of `quad!`, all of which have four.
const QUAD_CODE: usize = 80;

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

/// An instruction for both channels of all three rows, which are `\z` in turn.
macro_rules! each {
    ($instruction:literal) => {
        concat!(".irp z, r4, r5, r6, r7, r8, r9\n", $instruction, "\n.endr")
    };
}

/// Adds the element of the stream at `$place`.
macro_rules! add {
    ($z:literal, $place:literal) => {
        concat!(
            "ldrsh lr, ",
            $place,
            "\n",
            "lsl lr, lr, r2\n",
            "smmla lr, lr, r3, r11\n",
            "asr lr, lr, r12\n",
            "add ",
            $z,
            ", lr\n",
            "ssat ",
            $z,
            ", #16, ",
            $z,
        )
    };
}

/// For each pair of channels the products of all quads, which begin with the bias or, where it is
/// null, with `z`; requantized to int8 or, where `mantissa` is null, to int16 with the constants
/// of `wide` or, where that is null too, stored at `out`. What follows the first four arguments is
/// on the stack, as are those once they are pushed: pointers move there. `LDRD` and `LDM` need
/// words: `Quad`, `Pair` and constants are of words, `w` is checked.
#[unsafe(naked)]
unsafe extern "C" fn products(
    mantissa: *const i32,
    shift: *const u8,
    out: *mut c_void,
    bias: *const i32,
    work: Work,
) {
    naked_asm!(
        ".arch armv7e-m",
        "push {{r4-r11, lr}}",
        "push {{r0-r3}}",
        "ldrd r2, r3, [sp, #52]",
        "adr.w r0, 3f",
        "add r3, r0",
        "orr r3, #1",
        "str r3, [sp, #56]",
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
        "ldr r0, [sp, #52]",
        "ldr pc, [sp, #56]",
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
        "ldr r2, [sp, #60]",
        "cmp r0, r2",
        "bne 3b",
        "ldm sp, {{r2, r3, r10}}",
        "cbnz r2, 5f",
        "ldr r0, [sp, #88]",
        "cmp r0, #0",
        "bne 6f",
        "stm r10!, {{r4-r9}}",
        "str r10, [sp, #8]",
        "b 4f",
        // With a shift of 33 + r0 half a unit of the result, in upper halves, is 1 << r0.
        "5:",
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
        each!("ssat \\z, #8, \\z, asr #1"),
        "bfi r4, r5, #8, #8",
        "bfi r6, r7, #8, #8",
        "bfi r8, r9, #8, #8",
        "ldrd r2, r3, [sp, #80]",
        // The first row is written last, as `Tile::rows` asks for.
        "strh r8, [r10, r3]",
        "strh r6, [r10, r2]",
        "strh r4, [r10, #-2]",
        "4:",
        "ldrd r0, r2, [sp, #68]",
        "add r1, r0",
        "cmp r10, r2",
        "bne 2b",
        "add sp, #16",
        "pop {{r4-r11, pc}}",
        // The same with sums moved up, then the multipliers of the branch and the stream.
        "6:",
        "ldm r0, {{r2, r11, r12}}",
        each!("lsl \\z, \\z, r11"),
        "ldrb lr, [r3], #1",
        "ldrb r11, [r3], #1",
        "add r10, #4",
        "strd r3, r10, [sp, #4]",
        "sub lr, r12",
        "sub r11, r12",
        "ldrd r3, r12, [r2], #8",
        "str r2, [r0], #12",
        "movs r2, #1",
        "lsl r2, r2, lr",
        "smmla r4, r4, r3, r2",
        "smmla r6, r6, r3, r2",
        "smmla r8, r8, r3, r2",
        "movs r2, #1",
        "lsl r2, r2, r11",
        "smmla r5, r5, r12, r2",
        "smmla r7, r7, r12, r2",
        "smmla r9, r9, r12, r2",
        "asr r4, r4, lr",
        "asr r6, r6, lr",
        "asr r8, r8, lr",
        "asr r5, r5, r11",
        "asr r7, r7, r11",
        "asr r9, r9, r11",
        each!("ssat \\z, #16, \\z, asr #1"),
        "ldm r0!, {{r2, r3, r11, r12}}",
        each!("lsl \\z, \\z, r2"),
        each!("smmla \\z, \\z, r3, r11"),
        each!("asr \\z, \\z, r12"),
        "ldm r0, {{r2, r3, r11, r12}}",
        // Rows past the last write where the first is read and, at the end, written.
        add!("r4", "[r10, #-4]"),
        add!("r5", "[r10, #-2]"),
        "ldr r0, [sp, #84]",
        "add r0, r10",
        add!("r8", "[r0]"),
        add!("r9", "[r0, #2]"),
        "strh r8, [r0]",
        "strh r9, [r0, #2]",
        "ldr r0, [sp, #80]",
        "add r0, r10",
        add!("r6", "[r0]"),
        add!("r7", "[r0, #2]"),
        "strh r6, [r0]",
        "strh r7, [r0, #2]",
        "strh r4, [r10, #-4]",
        "strh r5, [r10, #-2]",
        "b 4b",
    )
}
