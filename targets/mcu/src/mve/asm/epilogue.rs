//! Sums to int8 and int16.

use core::arch::naked_asm;

use quant::Fault;
use quant::ops::ChannelsRef;
use quant::slice::window_mut;

use crate::gemm::{CHANNELS, Results, Tile};
use crate::mve::linear::{ROWS, Sums};
use crate::requantize::{Scale16, Sum};

/// As [`requantize`](crate::requantize::requantize_i8), for as many elements as the shortest slice has.
#[inline(always)]
pub(crate) fn finish(sums: &[i32], bias: &[i32], mantissa: &[i32], shift: &[u8], out: &mut [i8]) {
    let count = sums.len().min(bias.len()).min(mantissa.len()).min(shift.len()).min(out.len());
    if count == 0 {
        return;
    }
    // SAFETY: every slice holds `count` elements, and the predicated loop touches no others.
    unsafe {
        requantize(sums.as_ptr(), bias.as_ptr(), mantissa.as_ptr(), shift.as_ptr(), out.as_mut_ptr(), count);
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

/// Makes results of the sums of all rows, with their bias.
#[inline(always)]
pub(crate) fn finish_rows(sums: &Sums, bias: &[i32], tile: Tile<'_>) -> Result<(), Fault> {
    let count = tile.requant.shift.len().min(CHANNELS) & !1;
    if count == 0 || bias.len() < count || !tile.holds(count / 2) {
        return Err(Fault::Bounds);
    }
    let [_, second, third] = tile.rows::<ROWS>();
    let (mantissa, shift) = (tile.requant.mantissa.as_ptr(), tile.requant.shift.as_ptr());
    match tile.out {
        // SAFETY: `sums`, `bias`, the constants and every row of the result hold `count` elements,
        // and the predicated loop touches no others.
        Results::I8(out) => unsafe {
            requantize_rows(sums, bias.as_ptr(), mantissa, shift, out.as_mut_ptr(), second, third, count)
        },
        Results::I16 { out, up, residual } => {
            let epilogue = Epilogue::new(bias, up, &tile.requant, residual);
            for (row, sums) in sums.iter().enumerate().take(tile.count) {
                let out = window_mut(out, row * tile.stride, count)?.as_mut_ptr();
                // SAFETY: as above.
                unsafe { epilogue.run(residual.is_some(), sums.as_ptr(), out, count) }
            }
        }
    }
    Ok(())
}

/// `VRSHL` adds its rounding term in unbounded integers: one rounding. The first row is written
/// last, as [`Tile::rows`] asks for.
#[unsafe(naked)]
unsafe extern "C" fn requantize_rows(
    sums: *const Sums,
    bias: *const i32,
    mantissa: *const i32,
    shift: *const u8,
    out: *mut i8,
    second: usize,
    third: usize,
    count: usize,
) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r6, lr}}",
        "vpush {{d8-d13}}",
        "add r12, sp, #64",
        "ldm r12, {{r4, r5, r6, r12}}",
        "add r5, r4",
        "add r6, r4",
        "add r0, #{row}",
        "vmov.i32 q3, #32",
        "dlstp.32 lr, r12",
        "2:",
        "vldrb.u32 q2, [r3], #4",
        "vldrw.u32 q1, [r1], #16",
        "vsub.i32 q2, q3, q2",
        "vldrw.u32 q4, [r0, #{row}]",
        "vldrw.u32 q0, [r0, #-{row}]",
        "vadd.i32 q4, q4, q1",
        "vldrw.u32 q5, [r0], #16",
        "vadd.i32 q0, q0, q1",
        "vldrw.u32 q6, [r2], #16",
        "vadd.i32 q5, q5, q1",
        "vmulh.s32 q4, q4, q6",
        "vrshl.s32 q4, q4, q2",
        "vmulh.s32 q5, q5, q6",
        "vrshl.s32 q5, q5, q2",
        "vmulh.s32 q0, q0, q6",
        "vrshl.s32 q0, q0, q2",
        "vqmovnb.s32 q4, q4",
        "vqmovnb.s32 q5, q5",
        "vqmovnb.s32 q0, q0",
        "vqmovnb.s16 q4, q4",
        "vqmovnb.s16 q5, q5",
        "vstrb.32 q4, [r6], #4",
        "vqmovnb.s16 q0, q0",
        "vstrb.32 q5, [r5], #4",
        "vstrb.32 q0, [r4], #4",
        "letp lr, 2b",
        "vpop {{d8-d13}}",
        "pop {{r4-r6, pc}}",
        row = const CHANNELS * 4,
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
    let epilogue = Epilogue::new(bias, up, requant, residual);
    // SAFETY: every slice holds `count` elements.
    unsafe { epilogue.run(residual.is_some(), sums.as_ptr(), out.as_mut_ptr(), count) }
}

impl Epilogue {
    #[inline(always)]
    fn new(bias: &[i32], up: u32, requant: &ChannelsRef<'_>, residual: Option<Sum>) -> Self {
        let [stream, branch] = match residual {
            Some(sum) => sum.parts().map(Scaled::from),
            None => Default::default(),
        };
        let (mantissa, shift) = (requant.mantissa.as_ptr(), requant.shift.as_ptr());
        Self { mantissa, shift, up, stream, branch, bias: bias.as_ptr() }
    }

    /// # Safety
    /// The constants, `sums` and `out` hold `count` elements.
    #[inline(always)]
    unsafe fn run(&self, add: bool, sums: *const i32, out: *mut i16, count: usize) {
        // SAFETY: the predicated loops touch `count` elements, as the caller says.
        unsafe { if add { add_i16(sums, out, count, self) } else { store_i16(sums, out, count, self) } }
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
