//! The bits of words, and the tables of subsets, by four.

use core::arch::naked_asm;

use crate::binary::subsets::{Inputs, Tables};

/// As [`plain::binary::count`](crate::plain::binary::count), of the bytes of signs and of what is
/// not 0.
#[inline(always)]
pub(crate) fn count(bytes: &[[u32; 4]; 2], inputs: &mut Inputs) {
    // SAFETY: the function reads all of `bytes` and writes all of `inputs`.
    unsafe { count_all(bytes, inputs) };
}

/// Four bits of `q0` and of `q1`, picked out by the shifts in `$shifts`.
macro_rules! four_bits {
    ($shifts:literal) => {
        concat!(
            "vshl.u32 q2, q0, ",
            $shifts,
            "\n",
            "vand q2, q2, q5\n",
            "vadd.i32 q4, q4, q2\n",
            "vadd.i32 q2, q2, q2\n",
            "vshl.u32 q3, q1, ",
            $shifts,
            "\n",
            "vand q3, q3, q5\n",
            "vsub.i32 q3, q3, q2\n",
            "vstrw.32 q3, [r2], #16\n",
        )
    };
}

#[unsafe(naked)]
unsafe extern "C" fn count_all(bytes: *const [[u32; 4]; 2], inputs: *mut Inputs) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4, lr}}",
        "vpush {{d8-d15}}",
        "add r2, r1, #4",
        "mov r12, #0",
        "mov r4, #0x01010101",
        "vdup.32 q5, r4",
        "vidup.u32 q6, r12, #1",
        "vidup.u32 q7, r12, #1",
        "vneg.s32 q6, q6",
        "vneg.s32 q7, q7",
        "vmov.i32 q4, #0",
        "mov lr, #4",
        "dls lr, lr",
        "2:",
        "ldr r3, [r0, #16]",
        "ldr r4, [r0], #4",
        "vdup.32 q0, r4",
        "vdup.32 q1, r3",
        four_bits!("q6"),
        four_bits!("q7"),
        "le lr, 2b",
        "vaddv.u32 r2, q4",
        "str r2, [r1]",
        "vpop {{d8-d15}}",
        "pop {{r4, pc}}",
    )
}

/// As [`plain::binary::fill`](crate::plain::binary::fill).
pub(crate) fn fill(tables: &mut Tables, inputs: &Inputs) {
    // SAFETY: the function reads all of `inputs`, and writes all of `tables`.
    unsafe { fill_all(tables, inputs) };
}

/// As [`plain::binary::fill_low`](crate::plain::binary::fill_low).
pub(crate) fn fill_low(tables: &mut Tables, inputs: &Inputs) {
    // SAFETY: as above, of a part of both.
    unsafe { fill_first(tables, inputs) };
}

/// Eight vectors.
macro_rules! stores {
    () => {
        concat!(
            "vstrw.32 q0, [r0], #16\n",
            "vstrw.32 q1, [r0], #16\n",
            "vstrw.32 q2, [r0], #16\n",
            "vstrw.32 q3, [r0], #16\n",
            "vstrw.32 q4, [r0], #16\n",
            "vstrw.32 q5, [r0], #16\n",
            "vstrw.32 q6, [r0], #16\n",
            "vstrw.32 q7, [r0], #16\n",
        )
    };
}

/// The table of one group, to `[r0]`, from the five inputs `$from` bytes into the inputs; 32
/// entries, and the next 32 of a sixth input. `r2` is where it starts.
macro_rules! group {
    ($from:literal) => {
        concat!(
            "ldrd r4, r5, [r1, #",
            $from,
            "]\n",
            "ldrd r6, r8, [r1, #",
            $from,
            " + 8]\n",
            "ldr r9, [r1, #",
            $from,
            " + 16]\n",
            "add r3, r2, r4\n",
            "add r10, r2, r5\n",
            "add r11, r3, r5\n",
            "vmov d0, r2, r3\n",
            "vmov d1, r10, r11\n",
            "vadd.i32 q1, q0, r6\n",
            "vadd.i32 q2, q0, r8\n",
            "vadd.i32 q3, q1, r8\n",
            "vadd.i32 q4, q0, r9\n",
            "vadd.i32 q5, q1, r9\n",
            "vadd.i32 q6, q2, r9\n",
            "vadd.i32 q7, q3, r9\n",
            stores!(),
        )
    };
    ($from:literal, sixth) => {
        concat!(
            group!($from),
            "ldr r4, [r1, #",
            $from,
            " + 20]\n",
            "vadd.i32 q0, q0, r4\n",
            "vadd.i32 q1, q1, r4\n",
            "vadd.i32 q2, q2, r4\n",
            "vadd.i32 q3, q3, r4\n",
            "vadd.i32 q4, q4, r4\n",
            "vadd.i32 q5, q5, r4\n",
            "vadd.i32 q6, q6, r4\n",
            "vadd.i32 q7, q7, r4\n",
            stores!(),
        )
    };
}

macro_rules! fill {
    ($name:ident, $rest:expr) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(tables: *mut Tables, inputs: *const Inputs) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4-r11, lr}}",
                "vpush {{d8-d15}}",
                "ldr r2, [r1]",
                group!("4", sixth),
                "movs r2, #0",
                group!("28", sixth),
                group!("52"),
                $rest,
                "vpop {{d8-d15}}",
                "pop {{r4-r11, pc}}",
            )
        }
    };
}
fill!(fill_all, concat!(group!("72"), group!("92"), group!("112")));
fill!(fill_first, "");
