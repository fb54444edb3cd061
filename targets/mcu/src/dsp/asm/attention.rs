//! Keys and values packed by words, and probabilities of a row of scores.

use core::arch::naked_asm;

use quant::Fault;
use quant::slice::{window, window_mut};

use super::linear::Room;
use crate::dsp::attention::QUAD;
use crate::dsp::linear::ROWS;
use crate::tiles::With;

/// As [`pack_keys`](crate::tiles::pack_keys) and [`pack_values`](crate::tiles::pack_values). An odd
/// key at the end is its own company; keys and channels are whole quads.
#[inline(always)]
pub(crate) fn pack(
    with: With,
    from: &[i8],
    stride: usize,
    len: usize,
    count: usize,
    to: &mut [i8],
) -> Result<(), Fault> {
    let (keys, width) = match with {
        With::Keys => (count, len),
        With::Values => (len, count),
    };
    let unit = len.next_multiple_of(QUAD);
    let from = window(from, 0, keys.wrapping_sub(1).wrapping_mul(stride).wrapping_add(width))?.as_ptr();
    let to = window_mut(to, 0, count.next_multiple_of(2) * unit)?.as_mut_ptr();
    if keys == 0 || width == 0 || width % QUAD != 0 || !to.cast::<u32>().is_aligned() {
        return Err(Fault::Bounds);
    }
    match with {
        // SAFETY: the function reads whole quads of `len` bytes of each key, and writes as many for
        // an even number of them, which both slices hold. `STRD` needs words, `LDR` no alignment.
        With::Keys => unsafe { pair_keys(from, to, stride, count, len / QUAD) },
        With::Values => {
            let work = Values { stride, keys, pair: 2 * unit, quads: count / QUAD };
            // SAFETY: the same of quads of channels, of which whole quads of keys are written.
            unsafe { transpose(from, to, &work) }
        }
    }
    Ok(())
}

#[unsafe(naked)]
unsafe extern "C" fn pair_keys(k: *const i8, to: *mut i8, stride: usize, count: usize, quads: usize) {
    naked_asm!(
        ".arch armv7e-m",
        "push {{r4-r8, lr}}",
        "ldr r12, [sp, #24]",
        "2:",
        "mov r4, r0",
        "subs r3, #1",
        "it ne",
        "addne r0, r2",
        "mov r5, r0",
        "add r0, r2",
        "mov r6, r12",
        "3:",
        "ldr r7, [r4], #4",
        "ldr r8, [r5], #4",
        "strd r7, r8, [r1], #8",
        "subs r6, #1",
        "bne 3b",
        "subs r3, #1",
        "bgt 2b",
        "pop {{r4-r8, pc}}",
    )
}

/// Sizes of the values.
#[repr(C)]
struct Values {
    stride: usize,
    keys: usize,
    /// Bytes of a pair of channels.
    pair: usize,
    /// Quads of channels.
    quads: usize,
}

/// Bytes 0 and 2 of a result of `SEL` are of its first operand.
#[unsafe(naked)]
unsafe extern "C" fn transpose(v: *const i8, to: *mut i8, work: *const Values) {
    naked_asm!(
        ".arch armv7e-m",
        "push {{r4-r11, lr}}",
        "mov r4, #0xff00ff00",
        "mov r5, #0",
        "usub8 r4, r5, r4",
        "ldm r2, {{r2, r3, r10, r11}}",
        "add r12, r2, r2, lsl #1",
        "2:",
        "push {{r0, r3}}",
        "add r9, r1, r10",
        "3:",
        "subs r3, #4",
        "blt 5f",
        "ldr r4, [r0]",
        "ldr r5, [r0, r2]",
        "ldr r6, [r0, r2, lsl #1]",
        "ldr r7, [r0, r12]",
        "add r0, r0, r2, lsl #2",
        "4:",
        "lsr lr, r4, #8",
        "sel lr, lr, r5",
        "lsl r5, r5, #8",
        "sel r4, r4, r5",
        "lsr r8, r6, #8",
        "sel r8, r8, r7",
        "lsl r7, r7, #8",
        "sel r6, r6, r7",
        "pkhbt r5, lr, r8, lsl #16",
        "pkhtb r7, r8, lr, asr #16",
        "pkhtb lr, r6, r4, asr #16",
        "pkhbt r4, r4, r6, lsl #16",
        "strd r4, r5, [r1], #8",
        "strd lr, r7, [r9], #8",
        "b 3b",
        // One to three keys are left, or none.
        "5:",
        "adds r3, #4",
        "beq 6f",
        "ldr r4, [r0]",
        "movs r5, #0",
        "movs r6, #0",
        "movs r7, #0",
        "cmp r3, #2",
        "it ge",
        "ldrge r5, [r0, r2]",
        "it gt",
        "ldrgt r6, [r0, r2, lsl #1]",
        "movs r3, #0",
        "b 4b",
        "6:",
        "pop {{r0, r3}}",
        "add r0, #4",
        "mov r1, r9",
        "subs r11, #1",
        "bne 2b",
        "pop {{r4-r11, pc}}",
    )
}

/// Makes the probabilities of the first `keys` scores a row of `block`, with anything up to a whole
/// quad; scores there are written over.
#[inline(always)]
pub(crate) fn weigh(
    block: &mut [Room],
    row: usize,
    scores: &mut [i8],
    keys: usize,
    exp: &[u32; 256],
) -> Result<(), Fault> {
    let quads = keys.div_ceil(QUAD);
    let scores = window_mut(scores, 0, quads * QUAD)?;
    let block = window_mut(block, 0, quads)?;
    if row >= ROWS || quads == 0 {
        return Err(Fault::Bounds);
    }
    let place = block.as_mut_ptr().cast::<[u32; 2]>().wrapping_add(row);
    // SAFETY: the function reads and writes `quads` words of scores, writes a row of as many quads,
    // and reads entries of `exp` at indices of a byte.
    unsafe { probabilities(scores.as_mut_ptr(), exp, place, keys) }
    Ok(())
}

/// What follows the exponential of each distance in `r7`, which is in `r8` to `r11`.
macro_rules! exponentials {
    ($then:literal) => {
        concat!(
            "ldr r7, [r6], #4
             usub8 r7, r4, r7
             uxtb r8, r7
             ubfx r9, r7, #8, #8
             ubfx r10, r7, #16, #8
             lsr r11, r7, #24
             .irp e, r8, r9, r10, r11
             ldr \\e, [r1, \\e, lsl #2]\n",
            $then,
            "\n.endr"
        )
    };
}

/// Scores of −128 take the places behind the last one; their exponentials are taken out of the sum.
#[unsafe(naked)]
unsafe extern "C" fn probabilities(
    scores: *mut i8,
    exp: *const [u32; 256],
    place: *mut [u32; 2],
    keys: usize,
) {
    naked_asm!(
        ".arch armv7e-m",
        "push {{r4-r11, lr}}",
        "add r12, r3, #3",
        "bic r12, r12, #3",
        "sub lr, r12, r3",
        "add r12, r0",
        "add r5, r0, r3",
        "mov r4, #0x80808080",
        "b 3f",
        "2:",
        "strb r4, [r5], #1",
        "3:",
        "cmp r5, r12",
        "bne 2b",
        "mov r6, r0",
        "2:",
        "ldr r7, [r6], #4",
        "ssub8 r8, r4, r7",
        "sel r4, r4, r7",
        "cmp r6, r12",
        "bne 2b",
        "ror r7, r4, #16",
        "ssub8 r8, r4, r7",
        "sel r4, r4, r7",
        "ror r7, r4, #8",
        "ssub8 r8, r4, r7",
        "sel r4, r4, r7",
        "uxtb r8, r4",
        "eor r8, r8, #128",
        "ldr r8, [r1, r8, lsl #2]",
        "mul r5, r8, lr",
        "neg r5, r5",
        "mov r6, r0",
        "2:",
        exponentials!("add r5, \\e"),
        "cmp r6, r12",
        "bne 2b",
        "mvn r7, #0x80000000",
        "udiv r5, r7, r5",
        "mov r6, r0",
        "2:",
        exponentials!("mul \\e, \\e, r5"),
        "pkhtb r8, r10, r8, asr #16",
        "pkhtb r9, r11, r9, asr #16",
        "strd r8, r9, [r2], #{quad}",
        "cmp r6, r12",
        "bne 2b",
        "pop {{r4-r11, pc}}",
        quad = const 8 * ROWS,
    )
}
