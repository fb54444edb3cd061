//! 128-bit vectors: Armv8.1-M with MVE.

mod attention;
mod layer_norm;
mod shift_gelu;
mod shiftmax;

use quant::arith::Multiplier;
use quant::ops::{LayerNormArgs, LinearArgs, LinearOut, RowStatistics};
use quant::pack::{Pack, Packs};
use quant::slice::{window, window_mut};
use quant::{Fault, Kernels};

use crate::gemm::{self, CHANNELS, CHUNK, Core, Row};
use crate::requantize::Scale16;
#[cfg(not(all(target_arch = "arm", feature = "mve")))]
use crate::requantize::requantize_i8;
use crate::rows::RowOps;

/// Kernels of 16-way int8 multiply-accumulates, for weights in [`Pack::Panel2x16`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Mve;

impl Kernels for Mve {
    fn name(&self) -> &'static str {
        "mve"
    }

    fn preferred_packs(&self) -> Packs {
        Packs::MVE
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

impl RowOps for Mve {
    fn scores(q: &[i8], k: &[i8], stride: usize, scale: Multiplier, scores: &mut [i8]) -> Result<(), Fault> {
        attention::scores(q, k, stride, scale, scores)
    }

    fn values(p: &[i16], v: &[i8], stride: usize, scale: Multiplier, out: &mut [i8]) -> Result<(), Fault> {
        attention::values(p, v, stride, scale, out)
    }

    fn probabilities(scores: &[i8], exp: &[u32; 256], out: &mut [i16]) {
        shiftmax::probabilities(scores, exp, out);
    }

    fn gelu(x: &mut [i8], exp: &[u32; 256], out: Scale16) {
        shift_gelu::row(x, exp, out);
    }

    fn normalize_i8(args: &LayerNormArgs<'_>, row: &[i16], statistics: RowStatistics, out: &mut [i8]) {
        layer_norm::normalize_i8(args, row, statistics, out);
    }

    fn normalize_i16(args: &LayerNormArgs<'_>, row: &[i16], statistics: RowStatistics, out: &mut [i16]) {
        layer_norm::normalize_i16(args, row, statistics, out);
    }
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
    fn row<'s>(sums: &'s Sums, row: usize, width: usize, _: &'s mut Row) -> &'s [i32] {
        sums.0.get(row).and_then(|sums| sums.get(..width)).unwrap_or(&[])
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
                    let w =
                        quant::slice::chunks::<LANES, _>(panel).0.iter().skip(channel).step_by(2).flatten();
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
        finish(sums, bias, mantissa, shift, out);
        #[cfg(not(all(target_arch = "arm", feature = "mve")))]
        for ((y, &z), ((&b, &m), &e)) in out.iter_mut().zip(sums).zip(bias.iter().zip(mantissa).zip(shift)) {
            *y = requantize_i8(z + b, m, e);
        }
    }

    #[cfg(all(target_arch = "arm", feature = "mve"))]
    #[inline(always)]
    fn finish_i16(
        sums: (&[i32], &[i32]),
        up: u32,
        requant: &quant::ops::ChannelsRef<'_>,
        residual: Option<crate::requantize::Sum>,
        out: &mut [i16],
    ) {
        finish_i16(sums, up, requant, residual, out);
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

#[cfg(all(target_arch = "arm", feature = "mve"))]
pub(crate) use isa::{finish, finish_i16};

/// The instructions themselves.
#[cfg(all(target_arch = "arm", feature = "mve"))]
#[expect(unsafe_code, reason = "instructions without an intrinsic")]
mod isa {
    use core::arch::naked_asm;

    use quant::ops::ChannelsRef;

    use super::{Block, CHANNELS, CHUNK, ROWS};
    use crate::requantize::{Scale16, Sum};

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

    /// Two vectors of weights with one of each row; `vmladav` starts the sums.
    macro_rules! vectors {
        ($multiply:literal) => {
            concat!(
                "vldrb.u8 q0, [r1], #16\n",
                "vldrb.u8 q1, [r1], #16\n",
                "vldrb.u8 q2, [r0], #16\n",
                $multiply,
                ".s8 r4, q2, q0\n",
                $multiply,
                ".s8 r6, q2, q1\n",
                "vldrb.u8 q3, [r11], #16\n",
                $multiply,
                ".s8 r8, q3, q0\n",
                $multiply,
                ".s8 r10, q3, q1",
            )
        };
    }

    /// `z[row][2·pair + channel] += Σ x[row][i] · w[pair][channel][i]`, or without what was there.
    macro_rules! products {
        ($name:ident, $peeled:literal, $($start:expr),*) => {
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
                    "sub r3, #{peeled}",
                    "add r11, r0, #{chunk}",
                    "2:",
                    $($start,)*
                    "wls lr, r3, 4f",
                    "3:",
                    vectors!("vmladava"),
                    "le lr, 3b",
                    "4:",
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
                    peeled = const $peeled,
                )
            }
        };
    }
    products!(more_products, 0, "ldrd r4, r6, [r12]", "ldrd r8, r10, [r12, #{sums}]");
    products!(first_products, 1, vectors!("vmladav"));

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

    /// As [`requantize`](crate::requantize::requantize_i8), for as many elements as the shortest slice has.
    #[inline(always)]
    pub(crate) fn finish(sums: &[i32], bias: &[i32], mantissa: &[i32], shift: &[u8], out: &mut [i8]) {
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

    /// Constants of a row: of its channels, and of the addition.
    #[repr(C)]
    struct Epilogue {
        mantissa: *const i32,
        shift: *const u8,
        up: u32,
        stream: Scaled,
        branch: Scaled,
        bias: *const i32,
    }

    /// A multiplier: bits up, product, bits up, which is a negative number.
    #[repr(C)]
    #[derive(Default)]
    struct Scaled {
        mantissa: i32,
        up: u32,
        down: i32,
    }

    impl From<Scale16> for Scaled {
        fn from(scale: Scale16) -> Self {
            let (mantissa, up, down) = scale.parts();
            Self { mantissa, up, down: (down as i32).wrapping_neg() }
        }
    }

    /// As the plain loops, for as many elements as the shortest slice has.
    #[inline(always)]
    pub(crate) fn finish_i16(
        (sums, bias): (&[i32], &[i32]),
        up: u32,
        requant: &ChannelsRef<'_>,
        residual: Option<Sum>,
        out: &mut [i16],
    ) {
        let constants = requant.mantissa.len().min(requant.shift.len());
        let count = sums.len().min(bias.len()).min(out.len()).min(constants);
        let [stream, branch] = match &residual {
            Some(sum) => sum.parts().map(Scaled::from),
            None => Default::default(),
        };
        let (mantissa, shift) = (requant.mantissa.as_ptr(), requant.shift.as_ptr());
        let epilogue = Epilogue { mantissa, shift, up, stream, branch, bias: bias.as_ptr() };
        // SAFETY: every slice holds `count` elements; the predicated loops touch no others.
        unsafe {
            match residual {
                Some(_) => add_i16(sums.as_ptr(), out.as_mut_ptr(), count, &epilogue),
                None => store_i16(sums.as_ptr(), out.as_mut_ptr(), count, &epilogue),
            }
        }
    }

    macro_rules! epilogue {
        ($name:ident, $($add:literal),*) => {
            #[unsafe(naked)]
            unsafe extern "C" fn $name(z: *const i32, out: *mut i16, count: usize, epilogue: *const Epilogue) {
                naked_asm!(
                    ".cpu cortex-m55",
                    "push {{r3-r11, lr}}",
                    "vpush {{d8-d11}}",
                    "ldm r3, {{r4, r5, r6, r7, r8, r9, r10, r11, r12}}",
                    "vdup.32 q4, r7",
                    "vdup.32 q5, r10",
                    "rsb r7, r6, #32",
                    "vdup.32 q3, r7",
                    "ldr r3, [r3, #36]",
                    "wlstp.32 lr, r2, 3f",
                    "2:",
                    "vldrw.u32 q0, [r0], #16",
                    "vldrw.u32 q1, [r3], #16",
                    "vadd.i32 q0, q0, q1",
                    "vshl.s32 q0, r6",
                    "vldrw.u32 q1, [r4], #16",
                    "vldrb.u32 q2, [r5], #4",
                    "vmulh.s32 q0, q0, q1",
                    "vsub.i32 q2, q3, q2",
                    "vrshl.s32 q0, q0, q2",
                    "vqmovnb.s32 q0, q0",
                    $($add,)*
                    "vstrh.32 q0, [r1], #8",
                    "letp lr, 2b",
                    "3:",
                    "vpop {{d8-d11}}",
                    "pop {{r3-r11, pc}}",
                )
            }
        };
    }
    epilogue!(store_i16,);
    epilogue!(
        add_i16,
        "vmovlb.s16 q0, q0",
        "vshl.s32 q0, r11",
        "vmulh.s32 q0, q0, q5",
        "vrshl.s32 q0, r12",
        "vldrh.s32 q1, [r1]",
        "vshl.s32 q1, r8",
        "vmulh.s32 q1, q1, q4",
        "vrshl.s32 q1, r9",
        "vadd.i32 q0, q0, q1",
        "vqmovnb.s32 q0, q0"
    );
}
