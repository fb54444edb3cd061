//! LayerNorm behind its statistics, four channels at once.

use core::arch::naked_asm;

use quant::ops::{LayerNormArgs, RowStatistics};

/// Constants of a row and of its channels.
#[repr(C)]
struct Work {
    mean: i32,
    factor: i32,
    mantissa: *const i32,
    shift: *const u8,
    offset: *const i32,
}

macro_rules! normalize {
    ($name:ident, $loop:ident, $type:ty, $($store:literal),*) => {
        #[inline(always)]
        pub(crate) fn $name(
            args: &LayerNormArgs<'_>,
            row: &[i16],
            statistics: RowStatistics,
            out: &mut [$type],
        ) {
            let constants = args.scale.mantissa.len().min(args.scale.shift.len()).min(args.offset.len());
            let count = row.len().min(out.len()).min(constants);
            let work = Work {
                mean: statistics.mean,
                factor: statistics.factor,
                mantissa: args.scale.mantissa.as_ptr(),
                shift: args.scale.shift.as_ptr(),
                offset: args.offset.as_ptr(),
            };
            // SAFETY: every slice holds `count` elements; the predicated loop touches no others.
            unsafe { $loop(row.as_ptr(), out.as_mut_ptr(), count, &work) }
        }

        #[unsafe(naked)]
        unsafe extern "C" fn $loop(x: *const i16, out: *mut $type, count: usize, work: *const Work) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4-r8, lr}}",
                "ldm r3, {{r4, r5, r6, r7, r8}}",
                "vmov.i32 q3, #32",
                "wlstp.32 lr, r2, 3f",
                "2:",
                "vldrh.s32 q0, [r0], #8",
                "vsub.i32 q0, q0, r4",
                "vmul.i32 q0, q0, r5",
                "vldrw.u32 q1, [r6], #16",
                "vmulh.s32 q0, q0, q1",
                "vldrw.u32 q1, [r8], #16",
                "vadd.i32 q0, q0, q1",
                "vldrb.u32 q2, [r7], #4",
                "vsub.i32 q2, q3, q2",
                // By a negative number of bits: downwards, floored.
                "vshl.s32 q0, q0, q2",
                "vqmovnb.s32 q0, q0",
                $($store,)*
                "letp lr, 2b",
                "3:",
                "pop {{r4-r8, pc}}",
            )
        }
    };
}
normalize!(normalize_i8, to_i8, i8, "vqmovnb.s16 q0, q0", "vstrb.32 q0, [r1], #4");
normalize!(normalize_i16, to_i16, i16, "vstrh.32 q0, [r1], #8");
