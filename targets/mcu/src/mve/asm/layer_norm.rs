//! LayerNorm: sums of eight channels at once, what is behind them of four.

use core::arch::naked_asm;

use quant::ops::{LayerNormArgs, RowStatistics, row_energy};

/// As [`row_statistics`](quant::ops::row_statistics).
// One copy.
#[inline(never)]
pub(crate) fn about_mean(row: &[i16], eps: u64) -> RowStatistics {
    let mut squares = 0;
    // SAFETY: the predicated loop reads as many elements as there are.
    let sum = unsafe { moments(row.as_ptr(), row.len(), &mut squares) };
    let count = row.len() as i32;
    let mean = (2 * sum + count).checked_div_euclid(2 * count).unwrap_or(0);
    let shift = i64::from(mean) * (i64::from(count) * i64::from(mean) - 2 * i64::from(sum));
    // Of no values about zero: what is behind the sum of squares.
    let RowStatistics { factor, .. } = row_energy(&[], (squares + shift) as u64 + eps);
    RowStatistics { mean, factor }
}

/// The sum of a row; that of its squares to `squares`.
#[unsafe(naked)]
unsafe extern "C" fn moments(row: *const i16, count: usize, squares: *mut i64) -> i32 {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r7, r12, lr}}",
        "movs r4, #0",
        "movs r6, #0",
        "movs r7, #0",
        "wlstp.16 lr, r1, 3f",
        "2:",
        "vldrh.u16 q0, [r0], #16",
        "vaddva.s16 r4, q0",
        "vmlaldava.s16 r6, r7, q0, q0",
        "letp lr, 2b",
        "3:",
        "mov r0, r4",
        "strd r6, r7, [r2]",
        "pop {{r4-r7, r12, pc}}",
    )
}

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
