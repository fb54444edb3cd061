//! Binary layers on 128-bit vectors: tables made, and sums taken out of words, by four.
#![expect(unsafe_code, reason = "instructions without an intrinsic")]

use core::arch::naked_asm;

use quant::Fault;
use quant::ops::{BinaryLinearOut, BitsOut, LinearOut, Planes};
use quant::slice::{window, window_mut};

use super::binarize::at_least;
use super::epilogue::{Epilogue, store_as_reference};
use super::fields::{Block, Fields};
use super::linear::CHANNELS;
use super::subsets::{Inputs, Tables};
use crate::mve::{finish, finish_i16};
use crate::requantize::look_up;

/// The products of the rows of a block, row by row.
pub(super) struct Sums<const R: usize>([[i32; CHANNELS]; R]);

impl<const R: usize> Sums<R> {
    pub(super) fn new() -> Self {
        Self([[0; CHANNELS]; R])
    }

    /// Adds the sums in `packed`, times their factor; to the offsets of the rows, if they are
    /// the `first` ones.
    #[inline(always)]
    pub(super) fn take<F: Fields<R>>(
        &mut self,
        packed: &[u32],
        (first, _): (bool, bool),
        rows: &Block<R>,
    ) -> Result<(), Fault> {
        let bits = 32 / R as u32;
        let add = match (F::SIGNED, first) {
            (false, true) => first_counts,
            (false, false) => more_counts,
            (true, true) => first_sums,
            (true, false) => more_sums,
        };
        for (lane, (z, offset)) in (0..).zip(self.0.iter_mut().zip(rows.offsets)).take(rows.rows) {
            let work = Work {
                // A negative field has borrowed from the next one.
                carry: if F::SIGNED && lane > 0 { 1 << (bits * lane - 1) } else { 0 },
                left: 32 - bits * (lane + 1),
                right: bits as i32 - 32,
                factor: F::FACTOR << rows.up,
                offset: offset << rows.up,
            };
            let z = window_mut(z, 0, packed.len())?;
            // SAFETY: both slices hold `packed.len()` elements, and the predicated loops touch no
            // others.
            unsafe { add(packed.as_ptr(), z.as_mut_ptr(), packed.len(), &work) };
        }
        Ok(())
    }

    /// Stores the products of consecutive channels, from `(row, channel)` on.
    pub(super) fn store<F: Fields<R>>(
        &self,
        packed: &[u32],
        _: bool,
        rows: &Block<R>,
        epilogue: &Epilogue,
        (row, channel): (usize, usize),
        out: &mut BinaryLinearOut<'_>,
    ) -> Result<(), Fault> {
        for (row, z) in (row..).zip(&self.0).take(rows.rows) {
            store(window(z, 0, packed.len())?, epilogue, (row, channel), out)?;
        }
        Ok(())
    }
}

/// Stores the products of consecutive channels of one row.
#[inline(never)]
fn store(
    z: &[i32],
    epilogue: &Epilogue,
    (row, channel): (usize, usize),
    out: &mut BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    match (out, epilogue.headroom()) {
        (BinaryLinearOut::Dense { bias, requant, out, n, .. }, Some(headroom)) => {
            let at = row * *n + channel;
            let bias = window(bias, channel, z.len())?;
            let requant = requant.window(channel, z.len())?;
            match out {
                LinearOut::I8 { out, table } => {
                    let out = window_mut(out, at, z.len())?;
                    if headroom == 0 {
                        finish(z, bias, requant.mantissa, requant.shift, out);
                    } else {
                        let mut wide = [0; CHANNELS];
                        finish_i16((z, bias), headroom, &requant, None, window_mut(&mut wide, 0, z.len())?);
                        out.iter_mut().zip(wide).for_each(|(y, t)| *y = t.clamp(-128, 127) as i8);
                    }
                    if let Some(table) = table {
                        look_up(table, out);
                    }
                    Ok(())
                }
                LinearOut::I16 { out, .. } => {
                    let out = window_mut(out, at, z.len())?;
                    finish_i16((z, bias), headroom, &requant, epilogue.residual(), out);
                    Ok(())
                }
                LinearOut::I32 { .. } => Err(Fault::Instruction),
            }
        }
        (BinaryLinearOut::Bits(out), _) => bits(z, (row, channel), out),
        (out, _) => store_as_reference(z, (row, channel), out),
    }
}

/// Sets the bits of consecutive channels of one row.
fn bits(z: &[i32], (row, channel): (usize, usize), out: &mut BitsOut<'_>) -> Result<(), Fault> {
    for (z, first) in z.chunks(32).zip((channel..).step_by(32)) {
        let masks = match &out.planes {
            Planes::Sign { high, .. } => (at_least(z, window(high, first, z.len())?, 0), 0),
            Planes::Ternary { low, high, .. } => {
                let (low, high) = (window(low, first, z.len())?, window(high, first, z.len())?);
                (at_least(z, high, 0), !at_least(z, low, 1))
            }
        };
        out.set(row, first, z.len() as u32, masks)?;
    }
    Ok(())
}

/// How a field is taken out of a word, and what becomes of it.
#[repr(C)]
struct Work {
    /// Added to the word first.
    carry: u32,
    /// Bits up, after which the field is the highest.
    left: u32,
    /// Bits up, which is a negative number, after which it is the lowest.
    right: i32,
    factor: i32,
    offset: i32,
}

macro_rules! products {
    ($name:ident, $start:literal, $right:literal) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(packed: *const u32, z: *mut i32, count: usize, work: *const Work) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4-r8, lr}}",
                "ldm r3, {{r4, r5, r6, r7, r8}}",
                "vdup.32 q2, r8",
                "wlstp.32 lr, r2, 3f",
                "2:",
                "vldrw.u32 q0, [r0], #16",
                $start,
                "vadd.i32 q0, q0, r4",
                "vshl.u32 q0, r5",
                $right,
                "vmla.i32 q1, q0, r7",
                "vstrw.32 q1, [r1], #16",
                "letp lr, 2b",
                "3:",
                "pop {{r4-r8, pc}}",
            )
        }
    };
}
products!(first_counts, "vmov q1, q2", "vshl.u32 q0, r6");
products!(more_counts, "vldrw.u32 q1, [r1]", "vshl.u32 q0, r6");
products!(first_sums, "vmov q1, q2", "vshl.s32 q0, r6");
products!(more_sums, "vldrw.u32 q1, [r1]", "vshl.s32 q0, r6");

/// As the plain code of [`Inputs::count`], for the bytes of signs and of what is not 0.
#[inline(always)]
pub(super) fn count(bytes: &[[u32; 4]; 2], inputs: &mut Inputs) {
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

/// As the plain code of [`Tables::fill`].
pub(super) fn fill(tables: &mut Tables, inputs: &Inputs) {
    // SAFETY: the function reads all of `inputs`, and writes all of `tables`.
    unsafe { fill_all(tables, inputs) };
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

#[unsafe(naked)]
unsafe extern "C" fn fill_all(tables: *mut Tables, inputs: *const Inputs) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r11, lr}}",
        "vpush {{d8-d15}}",
        "ldr r2, [r1]",
        group!("4", sixth),
        "movs r2, #0",
        group!("28", sixth),
        group!("52"),
        group!("72"),
        group!("92"),
        group!("112"),
        "vpop {{d8-d15}}",
        "pop {{r4-r11, pc}}",
    )
}
