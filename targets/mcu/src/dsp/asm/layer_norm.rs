//! The steps of LayerNorm behind the statistics.

use core::arch::naked_asm;
use core::ffi::c_void;

use quant::ops::{LayerNormArgs, RowStatistics};

/// Constants of a row.
#[repr(C)]
struct Work {
    factor: i32,
    /// What is added to products with it.
    less: i32,
    mantissa: *const i32,
    shift: *const u8,
    offset: *const i32,
}

/// A loop over a row up to its end.
type Loop = unsafe extern "C" fn(*const i16, *mut c_void, *const i16, *const Work);

/// One row to int8.
#[inline(always)]
pub(crate) fn normalize_i8(args: &LayerNormArgs<'_>, row: &[i16], statistics: RowStatistics, out: &mut [i8]) {
    // SAFETY: the loop touches as many elements of the result as there are.
    unsafe { normalize(args, row, statistics, out.as_mut_ptr().cast(), out.len(), to_i8) }
}

/// One row to int16.
#[inline(always)]
pub(crate) fn normalize_i16(
    args: &LayerNormArgs<'_>,
    row: &[i16],
    statistics: RowStatistics,
    out: &mut [i16],
) {
    // SAFETY: as above.
    unsafe { normalize(args, row, statistics, out.as_mut_ptr().cast(), out.len(), to_i16) }
}

/// As many elements as all slices have.
///
/// # Safety
/// `out` has room for `len` elements, of which `run` touches one for each of the row.
// One copy for both.
#[inline(never)]
unsafe fn normalize(
    args: &LayerNormArgs<'_>,
    row: &[i16],
    RowStatistics { mean, factor }: RowStatistics,
    out: *mut c_void,
    len: usize,
    run: Loop,
) {
    let (mantissa, shift, offset) = (args.scale.mantissa, args.scale.shift, args.offset);
    let count = row.len().min(len).min(mantissa.len()).min(shift.len()).min(offset.len());
    let work = Work {
        factor,
        less: mean.wrapping_mul(factor).wrapping_neg(),
        mantissa: mantissa.as_ptr(),
        shift: shift.as_ptr(),
        offset: offset.as_ptr(),
    };
    // SAFETY: the loop touches `count` elements of the row, the constants and the result.
    unsafe { run(row.as_ptr(), out, row.as_ptr().wrapping_add(count), &work) }
}

macro_rules! loops {
    ($name:ident, $saturate:literal, $store:literal) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(row: *const i16, out: *mut c_void, end: *const i16, work: *const Work) {
            naked_asm!(
                ".arch armv7e-m",
                "push {{r4-r9, lr}}",
                "ldm r3, {{r5, r6, r7, r8, r12}}",
                "b 3f",
                "2:",
                "ldrsh r3, [r0], #2",
                "ldr r4, [r7], #4",
                "ldr r9, [r12], #4",
                "ldrb lr, [r8], #1",
                "mla r3, r3, r5, r6",
                "smmla r3, r3, r4, r9",
                "sub lr, #32",
                "asr r3, r3, lr",
                $saturate,
                $store,
                "3:",
                "cmp r0, r2",
                "bne 2b",
                "pop {{r4-r9, pc}}",
            )
        }
    };
}
loops!(to_i8, "ssat r3, #8, r3", "strb r3, [r1], #1");
loops!(to_i16, "ssat r3, #16, r3", "strh r3, [r1], #2");
