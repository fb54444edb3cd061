//! Dual 16-bit products: Armv7E-M, and Armv8-M with the DSP extension.

mod attention;

use quant::arith::Multiplier;
use quant::ops::{LinearArgs, LinearOut};
use quant::pack::{Pack, Packs};
use quant::slice::{chunks, window};
use quant::{Fault, Kernels};

use crate::gemm::{self, CHANNELS, CHUNK, Core, Row};
use crate::requantize::requantize_i8;

/// Kernels of dual 16-bit multiply-accumulates, for weights in [`Pack::Panel2x4`].
///
/// Three rows at a time are widened to 16 bits once, in a scratch of 3 KiB on the stack; two
/// channels share each pass over them. A step of the loop takes 20 instructions for 24
/// products.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dsp;

impl Kernels for Dsp {
    fn name(&self) -> &'static str {
        "dsp"
    }

    fn preferred_packs(&self) -> Packs {
        Packs::DSP
    }

    fn linear_i8(&mut self, args: &LinearArgs<'_>, x: &[i8], out: LinearOut<'_>) -> Result<(), Fault> {
        match args.weights.pack {
            Pack::Panel2x4 => gemm::gemm::<DualProducts>(args, x, out),
            Pack::RowMajor => crate::plain::linear(args, x, out),
            Pack::Panel16x4 | Pack::Panel2x16 => quant::Reference.linear_i8(args, x, out),
        }
    }

    crate::shared_kernels!();
}

impl crate::rows::RowOps for Dsp {
    fn scores(q: &[i8], k: &[i8], stride: usize, scale: Multiplier, scores: &mut [i8]) -> Result<(), Fault> {
        attention::scores(q, k, stride, scale, scores)
    }

    fn values(p: &[i16], v: &[i8], stride: usize, scale: Multiplier, out: &mut [i8]) -> Result<(), Fault> {
        attention::values(p, v, stride, scale, out)
    }
}

/// Rows multiplied at once.
const ROWS: usize = 3;

/// Four inputs of each row: the even ones and the odd ones, two 16-bit halves each, in the
/// order in which `SXTB16` leaves them.
type Quad = [[u32; 2]; ROWS];

struct DualProducts;

/// The sums of a pair of channels, for each row.
type Pair = [[i32; 2]; ROWS];

impl Core for DualProducts {
    const ROWS: usize = ROWS;
    const GROUP: usize = 4;
    type Block = [Quad; CHUNK / 4];
    type Sums = [Pair; CHANNELS / 2];

    fn block() -> Self::Block {
        [[[0; 2]; ROWS]; CHUNK / 4]
    }

    fn zero() -> Self::Sums {
        [[[0; 2]; ROWS]; CHANNELS / 2]
    }

    #[inline(always)]
    fn row<'s>(sums: &'s Self::Sums, row: usize, width: usize, buffer: &'s mut Row) -> &'s [i32] {
        for (to, from) in buffer.iter_mut().zip(sums).take(width.div_ceil(2)) {
            *to = from.get(row).copied().unwrap_or_default();
        }
        buffer.as_flattened().get(..width).unwrap_or(&[])
    }

    fn load(
        block: &mut Self::Block,
        x: &[i8],
        k: usize,
        start: usize,
        len: usize,
        count: usize,
    ) -> Result<(), Fault> {
        for r in 0..count {
            let row = window(x, r * k + start, len)?;
            let (quads, tail) = chunks::<4, _>(row);
            for (place, &quad) in block.iter_mut().zip(quads) {
                if let Some(place) = place.get_mut(r) {
                    *place = widen(quad);
                }
            }
            let mut places = block.iter_mut().skip(quads.len()).filter_map(|quad| quad.get_mut(r));
            if let (Some(place), false) = (places.next(), tail.is_empty()) {
                let mut last = [0; 4];
                for (to, &from) in last.iter_mut().zip(tail) {
                    *to = from;
                }
                *place = widen(last);
            }
        }
        Ok(())
    }

    fn multiply(
        block: &Self::Block,
        len: usize,
        panels: &[i8],
        (stride, pairs): (usize, usize),
        fresh: bool,
        sums: &mut Self::Sums,
    ) -> Result<(), Fault> {
        let quads = block.get(..len.div_ceil(4)).ok_or(Fault::Bounds)?;
        let sums = sums.get_mut(..pairs).ok_or(Fault::Bounds)?;
        let last = pairs.checked_sub(1).ok_or(Fault::Bounds)?;
        // Whole panels are `stride` apart; of the last one, what this chunk multiplies.
        let panels = window(panels, 0, last * stride + 8 * quads.len())?;
        #[cfg(all(target_arch = "arm", feature = "dsp", not(feature = "mve")))]
        if panels.as_ptr().cast::<u32>().is_aligned() {
            isa::multiply(quads, panels, stride, fresh, sums);
        } else {
            return Err(Fault::Misaligned);
        }
        #[cfg(not(all(target_arch = "arm", feature = "dsp", not(feature = "mve"))))]
        for (pair, z) in sums.iter_mut().enumerate() {
            let panel = chunks::<8, _>(window(panels, pair * stride, 8 * quads.len())?).0;
            if fresh {
                *z = [[0; 2]; ROWS];
            }
            products(quads, panel, z);
        }
        Ok(())
    }

    #[inline(always)]
    fn finish(sums: &Self::Sums, row: usize, bias: &[i32], mantissa: &[i32], shift: &[u8], out: &mut [i8]) {
        #[cfg(all(target_arch = "arm", feature = "dsp", not(feature = "mve")))]
        isa::finish(sums, row, bias, mantissa, shift, out);
        #[cfg(not(all(target_arch = "arm", feature = "dsp", not(feature = "mve"))))]
        for (channel, y) in out.iter_mut().enumerate() {
            let at = |values: &[i32]| values.get(channel).copied().unwrap_or(0);
            let shift = shift.get(channel).copied().unwrap_or(33);
            *y = requantize_i8(sum(sums, row, channel) + at(bias), at(mantissa), shift);
        }
    }
}

/// The sum of one channel of one row; 0 outside.
#[inline(always)]
fn sum(sums: &[Pair; CHANNELS / 2], row: usize, channel: usize) -> i32 {
    let pair = sums.get(channel / 2).and_then(|pair| pair.get(row));
    pair.map_or(0, |&[even, odd]| if channel % 2 == 0 { even } else { odd })
}

/// `[(x0, x2), (x1, x3)]` in 16-bit halves, low half first.
#[inline(always)]
fn widen(quad: [i8; 4]) -> [u32; 2] {
    let word = u32::from_le_bytes(quad.map(|byte| byte as u8));
    [sxtb16(word), sxtb16_odd(word)]
}

/// Bytes 0 and 2, sign-extended to 16 bits each.
#[inline(always)]
fn sxtb16(word: u32) -> u32 {
    #[cfg(all(target_arch = "arm", feature = "dsp", not(feature = "mve")))]
    return isa::sxtb16(word);
    #[cfg(not(all(target_arch = "arm", feature = "dsp", not(feature = "mve"))))]
    return (u32::from(word as u8 as i8 as u16)) | u32::from((word >> 16) as u8 as i8 as u16) << 16;
}

/// Bytes 1 and 3 likewise.
#[inline(always)]
fn sxtb16_odd(word: u32) -> u32 {
    #[cfg(all(target_arch = "arm", feature = "dsp", not(feature = "mve")))]
    return isa::sxtb16_odd(word);
    #[cfg(not(all(target_arch = "arm", feature = "dsp", not(feature = "mve"))))]
    return sxtb16(word >> 8);
}

/// Adds the products of three rows with two channels.
#[cfg(not(all(target_arch = "arm", feature = "dsp", not(feature = "mve"))))]
fn products(quads: &[Quad], panel: &[[i8; 8]], z: &mut Pair) {
    for (quad, &[a, b, c, d, e, f, g, h]) in quads.iter().zip(panel) {
        let weights = [widen([a, b, c, d]), widen([e, f, g, h])];
        for (z, x) in z.iter_mut().zip(quad) {
            for (z, w) in z.iter_mut().zip(weights) {
                *z += dual(x[0], w[0]) + dual(x[1], w[1]);
            }
        }
    }
}

/// The largest of `x`; −128 if there are none.
#[inline(always)]
pub(crate) fn max(x: &[i8]) -> i8 {
    let (eights, tail) = chunks::<8, _>(x);
    let largest = eights
        .iter()
        .fold([i8::MIN; 4], |most, &[a, b, c, d, e, f, g, h]| max4(max4(most, [a, b, c, d]), [e, f, g, h]));
    largest.into_iter().chain(tail.iter().copied()).fold(i8::MIN, i8::max)
}

/// The larger of each two.
#[inline(always)]
fn max4(a: [i8; 4], b: [i8; 4]) -> [i8; 4] {
    #[cfg(all(target_arch = "arm", feature = "dsp", not(feature = "mve")))]
    return isa::max4(a, b);
    #[cfg(not(all(target_arch = "arm", feature = "dsp", not(feature = "mve"))))]
    core::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
}

/// The differences of each two, modulo 256.
#[inline(always)]
pub(crate) fn sub4(a: [u8; 4], b: [u8; 4]) -> [u8; 4] {
    #[cfg(all(target_arch = "arm", feature = "dsp", not(feature = "mve")))]
    return isa::sub4(a, b);
    #[cfg(not(all(target_arch = "arm", feature = "dsp", not(feature = "mve"))))]
    core::array::from_fn(|i| a[i].wrapping_sub(b[i]))
}

/// The sum of the products of both 16-bit halves.
#[cfg(not(all(target_arch = "arm", feature = "dsp", not(feature = "mve"))))]
#[inline(always)]
fn dual(a: u32, b: u32) -> i32 {
    let (low, high) = (i32::from(a as i16) * i32::from(b as i16), ((a as i32) >> 16) * ((b as i32) >> 16));
    low + high
}

/// The instructions themselves.
#[cfg(all(target_arch = "arm", feature = "dsp", not(feature = "mve")))]
#[expect(unsafe_code, reason = "instructions without an intrinsic")]
mod isa {
    use core::arch::{asm, naked_asm};

    use super::{CHANNELS, Pair, Quad, ROWS, requantize_i8};

    #[inline(always)]
    pub(super) fn sxtb16(word: u32) -> u32 {
        let halves;
        // SAFETY: reads and writes registers only; the feature `dsp` says the core has it.
        unsafe { asm!("sxtb16 {}, {}", lateout(reg) halves, in(reg) word, options(pure, nomem, nostack)) };
        halves
    }

    #[inline(always)]
    pub(super) fn sxtb16_odd(word: u32) -> u32 {
        let halves;
        // SAFETY: as `sxtb16`.
        unsafe {
            asm!("sxtb16 {}, {}, ror #8", lateout(reg) halves, in(reg) word, options(pure, nomem, nostack))
        };
        halves
    }

    #[inline(always)]
    pub(super) fn max4(a: [i8; 4], b: [i8; 4]) -> [i8; 4] {
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
    pub(super) fn sub4(a: [u8; 4], b: [u8; 4]) -> [u8; 4] {
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

    /// Adds the products of all `sums.len()` panels, `stride` bytes apart, whose words are
    /// aligned. The last one lies within `panels`.
    #[inline(always)]
    pub(super) fn multiply(quads: &[Quad], panels: &[i8], stride: usize, fresh: bool, sums: &mut [Pair]) {
        let range = quads.as_ptr_range();
        let most = quads.get(..quads.len() & !3).unwrap_or(&[]).as_ptr_range();
        let skip = stride.wrapping_sub(8 * quads.len());
        let mut work = Work { x: range.start, most: most.end, end: range.end, skip, pairs: sums.len() };
        if quads.is_empty() || sums.is_empty() {
            return;
        }
        // SAFETY: the function reads the quads from `x` to `end`, for each of `pairs` sums, which
        // it updates, as many bytes of a panel; the caller has checked that the last panel ends
        // within `panels` and that words there are aligned.
        unsafe {
            if fresh {
                first_products(&mut work, panels.as_ptr(), sums.as_mut_ptr());
            } else {
                more_products(&mut work, panels.as_ptr(), sums.as_mut_ptr());
            }
        }
    }

    /// As [`requantize`](crate::requantize::requantize_i8) for the channels of one row.
    #[inline(always)]
    pub(super) fn finish(
        sums: &[Pair; CHANNELS / 2],
        row: usize,
        bias: &[i32],
        mantissa: &[i32],
        shift: &[u8],
        out: &mut [i8],
    ) {
        let count = bias.len().min(mantissa.len()).min(shift.len()).min(out.len()).min(CHANNELS);
        if count < 2 || row >= ROWS {
            return finish_last(sums, row, bias, mantissa, shift, out, 0);
        }
        // SAFETY: every slice holds `count` elements, of which pairs are read and written, at
        // least one; `sums` holds a pair of each row for every two of `CHANNELS ≥ count`.
        unsafe {
            let sums: *const i32 = sums.as_ptr().cast();
            requantize(
                sums.add(2 * row),
                bias.as_ptr(),
                mantissa.as_ptr(),
                shift.as_ptr(),
                out.as_mut_ptr(),
                count / 2,
            );
        }
        finish_last(sums, row, bias, mantissa, shift, out, count & !1);
    }

    /// A channel without a partner, if there is one from `channel` on.
    #[inline(always)]
    fn finish_last(
        sums: &[Pair; CHANNELS / 2],
        row: usize,
        bias: &[i32],
        mantissa: &[i32],
        shift: &[u8],
        out: &mut [i8],
        channel: usize,
    ) {
        let constants = bias.get(channel).zip(mantissa.get(channel)).zip(shift.get(channel));
        if let (Some(((b, &m), &e)), Some(y)) = (constants, out.get_mut(channel)) {
            *y = requantize_i8(super::sum(sums, row, channel) + b, m, e);
        }
    }

    /// `z`: sums of one row, [`Pair`]s apart; `pairs ≥ 1`.
    #[unsafe(naked)]
    unsafe extern "C" fn requantize(
        z: *const i32,
        bias: *const i32,
        mantissa: *const i32,
        shift: *const u8,
        out: *mut i8,
        pairs: usize,
    ) {
        naked_asm!(
            ".arch armv7e-m",
            "push {{r4-r11, lr}}",
            "ldrd r4, r5, [sp, #36]",
            "2:",
            "ldrd r6, r7, [r0], #24",
            "ldrd r8, r9, [r1], #8",
            "add r6, r8",
            "add r7, r9",
            "ldrd r8, r9, [r2], #8",
            "ldrb r10, [r3], #1",
            "ldrb r11, [r3], #1",
            "smmul r6, r6, r8",
            "smmul r7, r7, r9",
            "sub r10, #33",
            "sub r11, #33",
            "asr r6, r6, r10",
            "asr r7, r7, r11",
            // Halved upwards: the bit shifted out is the carry.
            "asrs r6, r6, #1",
            "adc r6, r6, #0",
            "asrs r7, r7, #1",
            "adc r7, r7, #0",
            "ssat r6, #8, r6",
            "ssat r7, #8, r7",
            "strb r6, [r4], #1",
            "strb r7, [r4], #1",
            "subs r5, #1",
            "bne 2b",
            "pop {{r4-r11, pc}}",
        )
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
    /// `Quad` and `Pair` are of words, `w` the caller checks.
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
    products!(
        first_products,
        "mov r4, #0",
        "mov r5, #0",
        "mov r6, #0",
        "mov r7, #0",
        "mov r8, #0",
        "mov r9, #0"
    );
}
