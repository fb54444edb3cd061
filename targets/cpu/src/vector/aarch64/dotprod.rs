//! Products of four bytes: a panel's sums are four registers.

use core::arch::aarch64::{int8x16_t, int32x4_t, vld1q_s8, vld1q_s32, vst1q_s32};
use core::arch::asm;

use super::lookup::Tables;
use crate::vector::isa::{Depthwise, GROUP, Isa, LANES, STAGE, Staged, Weights, groups};

/// Registers of weights in a group, and of sums in a panel: four channels each.
pub(super) const PARTS: usize = LANES / 4;

/// `SDOT` by element; for unsigned activations, too, where `UNSIGNED`.
#[derive(Clone, Copy)]
pub(super) struct DotProd<const UNSIGNED: bool>;

impl<const UNSIGNED: bool> Tables for DotProd<UNSIGNED> {}

/// Four bytes of each channel of `w` by those of `x`, added to the channel's sum.
///
/// # Safety
///
/// Where the dot products of Armv8.2 are.
#[inline(always)]
pub(super) unsafe fn sdot(mut sum: int32x4_t, x: [u8; GROUP], w: int8x16_t) -> int32x4_t {
    // SAFETY: it reads and writes registers alone; as the caller vouches, the instruction exists.
    unsafe {
        asm!(
            "sdot {sum:v}.4s, {w:v}.16b, {x:v}.4b[0]",
            sum = inout(vreg) sum,
            w = in(vreg) w,
            x = in(vreg) i32::from_le_bytes(x),
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

/// `values` in registers.
///
/// # Safety
///
/// Where NEON is.
#[inline(always)]
pub(super) unsafe fn sums(values: &[i32; LANES]) -> [int32x4_t; PARTS] {
    core::array::from_fn(|part| {
        // SAFETY: 16 bytes are read from a multiple of 16 on, of an array of 64. There are no instructions
        // in the assembly: it makes the compiler see registers, which it otherwise carries through loops
        // in pieces where an error shares their place in memory.
        unsafe {
            let mut sums = vld1q_s32(values.as_ptr().add(4 * part));
            asm!("/* {0:v} */", inout(vreg) sums, options(pure, nomem, nostack, preserves_flags));
            sums
        }
    })
}

/// `sums` in memory.
///
/// # Safety
///
/// Where NEON is.
#[inline(always)]
pub(super) unsafe fn values(sums: [int32x4_t; PARTS]) -> [i32; LANES] {
    let mut values = [0; LANES];
    for (values, sums) in values.as_chunks_mut::<4>().0.iter_mut().zip(sums) {
        // SAFETY: 16 bytes are written, to an array of as many.
        unsafe { vst1q_s32(values.as_mut_ptr(), sums) };
    }
    values
}

// SAFETY: every instruction is one of NEON or of the dot products of Armv8.2.
unsafe impl<const UNSIGNED: bool> Isa for DotProd<UNSIGNED> {
    const FLIP: u8 = 0;
    const TAKES_UNSIGNED: bool = UNSIGNED;
    type Sums = [int32x4_t; PARTS];

    #[inline(always)]
    unsafe fn sums(values: &[i32; LANES]) -> Self::Sums {
        // SAFETY: as the caller vouches.
        unsafe { sums(values) }
    }

    #[inline(always)]
    unsafe fn values(sums: Self::Sums) -> [i32; LANES] {
        // SAFETY: as the caller vouches.
        unsafe { values(sums) }
    }

    #[inline(always)]
    unsafe fn dot(mut sums: Self::Sums, x: [u8; GROUP], w: &Weights) -> Self::Sums {
        for (part, sum) in sums.iter_mut().enumerate() {
            // SAFETY: 16 bytes are read from a multiple of 16 on, of an array of 64.
            unsafe { *sum = sdot(*sum, x, vld1q_s8(w.as_ptr().add(16 * part))) };
        }
        sums
    }

    #[inline(always)]
    unsafe fn tile<const R: usize, const P: usize>(
        sums: &mut [[Self::Sums; P]; R],
        x: &[Staged; R],
        w: [&[Weights]; P],
    ) {
        let six = sums.as_flattened_mut().first_chunk_mut().zip(x.first_chunk());
        match (six, w.first(), P) {
            // SAFETY: as the caller vouches.
            (Some((sums, x)), Some(w), 1) if R == ROWS => unsafe { six_rows(sums, x, w) },
            _ => {
                for g in 0..groups(&w) {
                    for (row, sums) in x.iter().zip(&mut *sums) {
                        for (sum, panel) in sums.iter_mut().zip(&w) {
                            // SAFETY: `g` is below the number of groups of every panel and of a staged row.
                            unsafe { *sum = Self::dot(*sum, *row.get_unchecked(g), panel.get_unchecked(g)) };
                        }
                    }
                }
            }
        }
    }
}

/// Rows whose sums fill the registers.
pub(super) const ROWS: usize = 6;

/// The four products of a group of the row in register `x`, added to four registers.
macro_rules! row {
    ($x:literal, $a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            "sdot v",
            $a,
            ".4s, v0.16b, v",
            $x,
            ".4b[0]\n",
            "sdot v",
            $b,
            ".4s, v1.16b, v",
            $x,
            ".4b[0]\n",
            "sdot v",
            $c,
            ".4s, v2.16b, v",
            $x,
            ".4b[0]\n",
            "sdot v",
            $d,
            ".4s, v3.16b, v",
            $x,
            ".4b[0]"
        )
    };
}

/// Six rows by one panel. Assembly, because the sums have to stay in registers where the compiler is
/// asked for little code, too.
///
/// # Safety
///
/// Where the dot products of Armv8.2 are.
#[inline(never)]
#[target_feature(enable = "neon,dotprod")]
fn six_rows(sums: &mut [[int32x4_t; PARTS]; ROWS], x: &[Staged; ROWS], w: &[Weights]) {
    let groups = groups(&[w]);
    if groups == 0 {
        return;
    }
    // SAFETY: 24 registers are read and written, of an array of as many; `groups` groups are read of the
    // panel and of each staged row, which have at least as many.
    unsafe {
        asm!(
            "ldp q8, q9, [{sums}]", "ldp q10, q11, [{sums}, #32]", "ldp q12, q13, [{sums}, #64]",
            "ldp q14, q15, [{sums}, #96]", "ldp q16, q17, [{sums}, #128]", "ldp q18, q19, [{sums}, #160]",
            "ldp q20, q21, [{sums}, #192]", "ldp q22, q23, [{sums}, #224]", "ldp q24, q25, [{sums}, #256]",
            "ldp q26, q27, [{sums}, #288]", "ldp q28, q29, [{sums}, #320]", "ldp q30, q31, [{sums}, #352]",
            "2:",
            "ldp q0, q1, [{w}]",
            "ldp q2, q3, [{w}, #32]",
            "ldr s4, [{x}]",
            "ldr s5, [{x}, #{stride}]",
            "ldr s6, [{x}, #2 * {stride}]",
            "ldr s7, [{x}, #3 * {stride}]",
            row!("4", "8", "9", "10", "11"),
            "ldr s4, [{x}, #4 * {stride}]",
            row!("5", "12", "13", "14", "15"),
            "ldr s5, [{x}, #5 * {stride}]",
            row!("6", "16", "17", "18", "19"),
            row!("7", "20", "21", "22", "23"),
            "add {w}, {w}, #64",
            "add {x}, {x}, #4",
            "subs {groups}, {groups}, #1",
            row!("4", "24", "25", "26", "27"),
            row!("5", "28", "29", "30", "31"),
            "b.ne 2b",
            "stp q8, q9, [{sums}]", "stp q10, q11, [{sums}, #32]", "stp q12, q13, [{sums}, #64]",
            "stp q14, q15, [{sums}, #96]", "stp q16, q17, [{sums}, #128]", "stp q18, q19, [{sums}, #160]",
            "stp q20, q21, [{sums}, #192]", "stp q22, q23, [{sums}, #224]", "stp q24, q25, [{sums}, #256]",
            "stp q26, q27, [{sums}, #288]", "stp q28, q29, [{sums}, #320]", "stp q30, q31, [{sums}, #352]",
            sums = in(reg) sums.as_mut_ptr(),
            x = inout(reg) x.as_ptr() => _,
            w = inout(reg) w.as_ptr() => _,
            groups = inout(reg) groups => _,
            stride = const STAGE,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
            out("v7") _, out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _,
            out("v14") _, out("v15") _, out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _,
            out("v21") _, out("v22") _, out("v23") _, out("v24") _, out("v25") _, out("v26") _, out("v27") _,
            out("v28") _, out("v29") _, out("v30") _, out("v31") _,
            options(nostack)
        );
    }
}

// SAFETY: nothing is overridden.
unsafe impl<const UNSIGNED: bool> Depthwise for DotProd<UNSIGNED> {}
