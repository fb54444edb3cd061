//! 128-bit vectors: Armv8.1-M with MVE.

mod attention;

use quant::ops::{LinearArgs, LinearOut};
use quant::pack::Pack;
use quant::slice::{window, window_mut};
use quant::{Fault, Kernels};

use crate::gemm::{self, CHANNELS, CHUNK, Core};
#[cfg(not(all(target_arch = "arm", feature = "mve")))]
use crate::requantize::requantize_i8;

/// Kernels of 16-way int8 multiply-accumulates, for weights in [`Pack::Panel2x16`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Mve;

impl Kernels for Mve {
    fn name(&self) -> &'static str {
        "mve"
    }

    fn preferred_pack(&self) -> Pack {
        Pack::Panel2x16
    }

    fn linear_i8(&mut self, args: &LinearArgs<'_>, x: &[i8], out: LinearOut<'_>) -> Result<(), Fault> {
        match args.weights.pack {
            Pack::Panel2x16 => gemm::gemm::<Vectors>(args, x, out),
            Pack::RowMajor => crate::plain::linear(args, x, out),
            Pack::Panel16x4 | Pack::Panel2x4 => quant::Reference.linear_i8(args, x, out),
        }
    }

    crate::shared_kernels!();
}

/// Rows multiplied at once.
const ROWS: usize = 2;
/// Inputs of a vector.
const LANES: usize = 16;

/// A chunk of both rows.
type Block = [[i8; CHUNK]; ROWS];
/// The sums of all channels, row by row.
struct Sums([[i32; CHANNELS]; ROWS]);

struct Vectors;

impl Core for Vectors {
    const ROWS: usize = ROWS;
    const GROUP: usize = LANES;
    type Block = Block;
    type Sums = Sums;

    fn block() -> Block {
        [[0; CHUNK]; ROWS]
    }

    fn zero() -> Sums {
        Sums([[0; CHANNELS]; ROWS])
    }

    #[inline(always)]
    fn biased(sums: &Sums, row: usize, bias: &[i32], out: &mut [i32]) {
        for ((z, &sum), &b) in out.iter_mut().zip(sums.0.get(row).into_iter().flatten()).zip(bias) {
            *z = sum + b;
        }
    }

    fn load(
        block: &mut Block,
        x: &[i8],
        k: usize,
        start: usize,
        len: usize,
        count: usize,
    ) -> Result<(), Fault> {
        for (r, row) in block.iter_mut().take(count).enumerate() {
            copy(window_mut(row, 0, len)?, window(x, r * k + start, len)?);
        }
        Ok(())
    }

    fn multiply(
        block: &Block,
        len: usize,
        panels: &[i8],
        (stride, pairs): (usize, usize),
        fresh: bool,
        sums: &mut Sums,
    ) -> Result<(), Fault> {
        let vectors = len.div_ceil(LANES);
        let last = pairs.checked_sub(1).ok_or(Fault::Bounds)?;
        // Whole panels are `stride` apart; of the last one, what this chunk multiplies.
        let panels = window(panels, 0, last * stride + vectors * 2 * LANES)?;
        if vectors == 0 || vectors * LANES > CHUNK || pairs > CHANNELS / 2 {
            return Err(Fault::Bounds);
        }
        #[cfg(all(target_arch = "arm", feature = "mve"))]
        isa::multiply(block, vectors, panels, (stride, pairs), fresh, &mut sums.0);
        #[cfg(not(all(target_arch = "arm", feature = "mve")))]
        for pair in 0..pairs {
            let panel = window(panels, pair * stride, vectors * 2 * LANES)?;
            for (sums, row) in sums.0.iter_mut().zip(block) {
                let sums = window_mut(sums, 2 * pair, 2)?;
                if fresh {
                    sums.fill(0);
                }
                for (channel, z) in sums.iter_mut().enumerate() {
                    let w = panel.as_chunks::<LANES>().0.iter().skip(channel).step_by(2).flatten();
                    *z += row.iter().zip(w).map(|(&a, &b)| i32::from(a) * i32::from(b)).sum::<i32>();
                }
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn finish(sums: &Sums, row: usize, bias: &[i32], mantissa: &[i32], shift: &[u8], out: &mut [i8]) {
        let Some(sums) = sums.0.get(row) else { return };
        #[cfg(all(target_arch = "arm", feature = "mve"))]
        isa::finish(sums, bias, mantissa, shift, out);
        #[cfg(not(all(target_arch = "arm", feature = "mve")))]
        for ((y, &z), ((&b, &m), &e)) in out.iter_mut().zip(sums).zip(bias.iter().zip(mantissa).zip(shift)) {
            *y = requantize_i8(z + b, m, e);
        }
    }
}

/// Copies as much as both slices hold.
#[inline(always)]
fn copy(to: &mut [i8], from: &[i8]) {
    #[cfg(all(target_arch = "arm", feature = "mve"))]
    isa::copy(to, from);
    #[cfg(not(all(target_arch = "arm", feature = "mve")))]
    for (to, &from) in to.iter_mut().zip(from) {
        *to = from;
    }
}

/// The instructions themselves.
#[cfg(all(target_arch = "arm", feature = "mve"))]
#[expect(unsafe_code, reason = "instructions without an intrinsic")]
mod isa {
    use core::arch::naked_asm;

    use super::{Block, CHANNELS, CHUNK, ROWS};

    /// Panels of `vectors` vector pairs, `stride` bytes apart; `1 ≤ vectors ≤ CHUNK / 16`,
    /// `1 ≤ pairs ≤ CHANNELS / 2`, and the last panel within `panels`.
    #[inline(always)]
    pub(super) fn multiply(
        block: &Block,
        vectors: usize,
        panels: &[i8],
        (stride, pairs): (usize, usize),
        fresh: bool,
        sums: &mut [[i32; CHANNELS]; ROWS],
    ) {
        let work = Work { stride: stride.wrapping_sub(vectors * 32), pairs, row: vectors * 16 };
        // SAFETY: the function reads `row ≤ CHUNK` bytes of each row of `block`, `32 · vectors`
        // bytes of each of `pairs` panels, which the caller has checked lie in `panels`, and
        // updates the first `2 · pairs ≤ CHANNELS` sums of each row.
        unsafe {
            if fresh {
                first_products(block, panels.as_ptr(), sums, &work);
            } else {
                more_products(block, panels.as_ptr(), sums, &work);
            }
        }
    }

    /// Sizes of a multiplication.
    #[repr(C)]
    struct Work {
        /// From the end of what is read of a panel to the next one.
        stride: usize,
        pairs: usize,
        /// Bytes read of a row.
        row: usize,
    }

    /// `z[row][2·pair + channel] += Σ x[row][i] · w[pair][channel][i]`, or without what was there.
    macro_rules! products {
        ($name:ident, $($start:literal),*) => {
            #[unsafe(naked)]
            unsafe extern "C" fn $name(
                x: *const Block,
                w: *const i8,
                z: *mut [[i32; CHANNELS]; ROWS],
                work: *const Work,
            ) {
                naked_asm!(
                    ".cpu cortex-m55",
                    "push {{r4-r11, lr}}",
                    "ldm r3, {{r5, r7, r9}}",
                    "mov r12, r2",
                    "lsr r3, r9, #4",
                    "add r11, r0, #{chunk}",
                    "2:",
                    $($start,)*
                    "dls lr, r3",
                    "3:",
                    "vldrb.u8 q0, [r1], #16",
                    "vldrb.u8 q1, [r1], #16",
                    "vldrb.u8 q2, [r0], #16",
                    "vmladava.s8 r4, q2, q0",
                    "vmladava.s8 r6, q2, q1",
                    "vldrb.u8 q3, [r11], #16",
                    "vmladava.s8 r8, q3, q0",
                    "vmladava.s8 r10, q3, q1",
                    "le lr, 3b",
                    "strd r8, r10, [r12, #{sums}]",
                    "strd r4, r6, [r12], #8",
                    "sub r0, r9",
                    "sub r11, r9",
                    "add r1, r5",
                    "subs r7, #1",
                    "bne 2b",
                    "pop {{r4-r11, pc}}",
                    chunk = const CHUNK,
                    sums = const CHANNELS * 4,
                )
            }
        };
    }
    products!(more_products, "ldrd r4, r6, [r12]", "ldrd r8, r10, [r12, #{sums}]");
    products!(first_products, "mov r4, #0", "mov r6, #0", "mov r8, #0", "mov r10, #0");

    /// Copies as many bytes as the shorter slice holds.
    #[inline(always)]
    pub(super) fn copy(to: &mut [i8], from: &[i8]) {
        // SAFETY: both hold that many bytes, and they are different memory; the predicated loop
        // touches no others.
        unsafe { bytes(to.as_mut_ptr(), from.as_ptr(), to.len().min(from.len())) }
    }

    #[unsafe(naked)]
    unsafe extern "C" fn bytes(to: *mut i8, from: *const i8, count: usize) {
        naked_asm!(
            ".cpu cortex-m55",
            "push {{r7, lr}}",
            "wlstp.8 lr, r2, 3f",
            "2:",
            "vldrb.u8 q0, [r1], #16",
            "vstrb.8 q0, [r0], #16",
            "letp lr, 2b",
            "3:",
            "pop {{r7, pc}}",
        )
    }

    /// The dot product of as many elements as the shorter slice has.
    #[inline(always)]
    pub(super) fn dot(a: &[i8], b: &[i8]) -> i32 {
        // SAFETY: both hold that many elements; the predicated loop touches no others.
        unsafe { sum_of_products(a.as_ptr(), b.as_ptr(), a.len().min(b.len())) }
    }

    #[unsafe(naked)]
    unsafe extern "C" fn sum_of_products(a: *const i8, b: *const i8, count: usize) -> i32 {
        naked_asm!(
            ".cpu cortex-m55",
            "push {{r7, lr}}",
            "mov r12, #0",
            "wlstp.8 lr, r2, 3f",
            "2:",
            "vldrb.u8 q0, [r0], #16",
            "vldrb.u8 q1, [r1], #16",
            "vmladava.s8 r12, q0, q1",
            "letp lr, 2b",
            "3:",
            "mov r0, r12",
            "pop {{r7, pc}}",
        )
    }

    /// As [`requantize`](crate::requantize::requantize_i8), for as many elements as the shortest slice has.
    #[inline(always)]
    pub(super) fn finish(sums: &[i32], bias: &[i32], mantissa: &[i32], shift: &[u8], out: &mut [i8]) {
        let count = sums.len().min(bias.len()).min(mantissa.len()).min(shift.len()).min(out.len());
        if count == 0 {
            return;
        }
        // SAFETY: every slice holds `count` elements, and the predicated loop touches no others.
        unsafe {
            requantize(
                sums.as_ptr(),
                bias.as_ptr(),
                mantissa.as_ptr(),
                shift.as_ptr(),
                out.as_mut_ptr(),
                count,
            );
        }
    }

    /// `VRSHL` adds its rounding term in unbounded integers: one rounding.
    #[unsafe(naked)]
    unsafe extern "C" fn requantize(
        sums: *const i32,
        bias: *const i32,
        mantissa: *const i32,
        shift: *const u8,
        out: *mut i8,
        count: usize,
    ) {
        naked_asm!(
            ".cpu cortex-m55",
            "push {{r4, lr}}",
            "ldr r4, [sp, #8]",
            "ldr r12, [sp, #12]",
            "vmov.i32 q3, #32",
            "dlstp.32 lr, r12",
            "2:",
            "vldrw.u32 q0, [r0], #16",
            "vldrw.u32 q1, [r1], #16",
            "vadd.i32 q0, q0, q1",
            "vldrw.u32 q1, [r2], #16",
            "vldrb.u32 q2, [r3], #4",
            "vmulh.s32 q0, q0, q1",
            "vsub.i32 q2, q3, q2",
            "vrshl.s32 q0, q0, q2",
            "vqmovnb.s32 q0, q0",
            "vqmovnb.s16 q0, q0",
            "vstrb.32 q0, [r4], #4",
            "letp lr, 2b",
            "pop {{r4, pc}}",
        )
    }
}
