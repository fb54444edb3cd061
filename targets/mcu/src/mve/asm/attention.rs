//! Keys copied and channels of the values gathered into pairs.

use core::arch::naked_asm;

use quant::Fault;
use quant::slice::{window, window_mut};

use crate::mve::attention::{MOST_STRIDE, TERMS};
use crate::mve::linear::LANES;

/// As [`pack_keys`](crate::tiles::pack_keys) in groups of sixteen.
#[inline(always)]
pub(crate) fn pack_keys(
    k: &[i8],
    stride: usize,
    len: usize,
    count: usize,
    to: &mut [i8],
) -> Result<(), Fault> {
    let vectors = len / LANES;
    if vectors == 0 || count == 0 {
        return Err(Fault::Bounds);
    }
    let k = window(k, 0, (count - 1) * stride + len)?;
    let to = window_mut(to, 0, count.next_multiple_of(2) * vectors * LANES)?;
    // SAFETY: the function reads `vectors` vectors of each of `count` keys, and writes as many of
    // the next even number, which both slices hold.
    unsafe { pair_keys(k.as_ptr(), to.as_mut_ptr(), stride, count, vectors) }
    Ok(())
}

/// An odd key at the end is its own company.
#[unsafe(naked)]
unsafe extern "C" fn pair_keys(k: *const i8, to: *mut i8, stride: usize, count: usize, vectors: usize) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r6, lr}}",
        "ldr r6, [sp, #16]",
        "2:",
        "mov r4, r0",
        "subs r3, #1",
        "it ne",
        "addne r0, r2",
        "mov r5, r0",
        "add r0, r2",
        "dls lr, r6",
        "3:",
        "vldrb.u8 q0, [r4], #16",
        "vldrb.u8 q1, [r5], #16",
        "vstrb.8 q0, [r1], #16",
        "vstrb.8 q1, [r1], #16",
        "le lr, 3b",
        "subs r3, #1",
        "bgt 2b",
        "pop {{r4-r6, pc}}",
    )
}

/// Sizes of the values.
#[repr(C)]
struct Work {
    stride: usize,
    keys: usize,
    /// Bytes of a pair of channels.
    pair: usize,
    pairs: usize,
}

/// As [`pack_values`](crate::tiles::pack_values) in groups of eight, with zeros behind the last key.
#[inline(always)]
pub(crate) fn pack_values(v: &[i8], stride: usize, keys: usize, to: &mut [i8]) -> Result<(), Fault> {
    let pair = 2 * keys.next_multiple_of(TERMS);
    let pairs = to.len().checked_div(pair).unwrap_or(0);
    if pairs == 0 || stride > MOST_STRIDE {
        return Err(Fault::Bounds);
    }
    let v = window(v, 0, (keys - 1) * stride + 2 * pairs)?;
    let to = window_mut(to, 0, pairs * pair)?;
    let work = Work { stride, keys, pair, pairs };
    // SAFETY: the function reads `2 · pairs` bytes for each of `keys` keys `stride` apart, and
    // writes as many for each of whole groups of keys, which both slices hold; the offsets of
    // eight keys have 16 bits.
    unsafe { gather(v.as_ptr(), to.as_mut_ptr(), &work) }
    Ok(())
}

/// Lanes behind the last key load zeros.
#[unsafe(naked)]
unsafe extern "C" fn gather(v: *const i8, to: *mut i8, work: *const Work) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r8, lr}}",
        "ldm r2, {{r2, r3, r8, r12}}",
        "mov r4, #0",
        "vidup.u16 q1, r4, #1",
        "vmul.i16 q1, q1, r2",
        "lsl r2, r2, #3",
        "2:",
        "mov r4, r0",
        "add r6, r0, #1",
        "mov r5, r1",
        "vctp.16 r3",
        "dls lr, r12",
        "3:",
        "vpstt",
        "vldrbt.u16 q0, [r4, q1]",
        "vldrbt.u16 q2, [r6, q1]",
        "vstrb.16 q0, [r5]",
        "vstrb.16 q2, [r5, #{group}]",
        "add r4, #2",
        "add r6, #2",
        "add r5, r8",
        "le lr, 3b",
        "add r0, r2",
        "add r1, #2 * {group}",
        "subs r3, #{group}",
        "bgt 2b",
        "pop {{r4-r8, pc}}",
        group = const TERMS,
    )
}
