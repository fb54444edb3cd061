//! Keys that are attended to, and sums over them.

use core::arch::naked_asm;

use crate::binary::attention::{HELD, Selected};

/// Words of a row of keys whose ones a byte counts.
pub(crate) const COUNTED: usize = 7;

/// The least of each byte.
#[inline(always)]
pub(crate) fn least(distances: &[u32]) -> u32 {
    // SAFETY: the predicated loop reads as many words as there are.
    unsafe { least_bytes(distances.as_ptr(), distances.len()) }
}

#[unsafe(naked)]
unsafe extern "C" fn least_bytes(distances: *const u32, count: usize) -> u32 {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r7, lr}}",
        "vmov.i8 q0, #255",
        "wlstp.32 lr, r1, 3f",
        "2:",
        "vldrw.u32 q1, [r0], #16",
        "vmin.u8 q0, q0, q1",
        "letp lr, 2b",
        "3:",
        "vmov r0, r1, d0",
        "vmov r2, r3, d1",
        "usub8 r12, r0, r1",
        "sel r0, r1, r0",
        "usub8 r12, r2, r3",
        "sel r2, r3, r2",
        "usub8 r12, r0, r2",
        "sel r0, r2, r0",
        "pop {{r7, pc}}",
    )
}

/// Sets for each query the bits of those of the first `count` keys whose distance, below 2⁷ in its
/// byte, is at most its limit; bits up to a multiple of 16 are anything.
#[inline(always)]
pub(crate) fn within(distances: &[u32; HELD], count: usize, limits: u32, selected: &mut Selected) {
    let turns = count.min(HELD).div_ceil(16);
    // SAFETY: the function reads 16 distances a turn, which `distances` holds, and writes 16 bits
    // of each query, for which `selected` has room.
    unsafe { within_limits(distances.as_ptr(), selected, turns, limits) };
}

#[unsafe(naked)]
unsafe extern "C" fn within_limits(
    distances: *const u32,
    selected: *mut Selected,
    turns: usize,
    limits: u32,
) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r7, r12, lr}}",
        "uxtb r4, r3",
        "uxtb r5, r3, ror #8",
        "uxtb r6, r3, ror #16",
        "lsr r7, r3, #24",
        "wls lr, r2, 3f",
        "2:",
        "vld40.8 {{q0, q1, q2, q3}}, [r0]",
        "vld41.8 {{q0, q1, q2, q3}}, [r0]",
        "vld42.8 {{q0, q1, q2, q3}}, [r0]",
        "vld43.8 {{q0, q1, q2, q3}}, [r0]!",
        "vcmp.s8 le, q0, r4",
        "vmrs r12, p0",
        "strh r12, [r1]",
        "vcmp.s8 le, q1, r5",
        "vmrs r12, p0",
        "strh r12, [r1, #{row}]",
        "vcmp.s8 le, q2, r6",
        "vmrs r12, p0",
        "strh r12, [r1, #2 * {row}]",
        "vcmp.s8 le, q3, r7",
        "vmrs r12, p0",
        "strh r12, [r1, #3 * {row}]",
        "adds r1, #2",
        "le lr, 2b",
        "3:",
        "pop {{r4-r7, r12, pc}}",
        row = const HELD / 8,
    )
}

/// What is counted for the sums of channels. The loop finds the fields by their places.
#[repr(C)]
struct Work {
    selected: *const u32,
    values: *const u32,
    sums: *mut i32,
    words: usize,
    channels: usize,
    count: i32,
}

/// Of each channel twice its ones among the keys, less their number `count`. Rows of at most
/// [`COUNTED`] words; whether there were as many values as that takes.
#[inline(always)]
pub(crate) fn sum(selected: &[u32], values: &[u32], count: i32, sums: &mut [i32]) -> bool {
    let (words, channels) = (selected.len(), sums.len());
    if words == 0 || words > COUNTED || channels == 0 || values.len() / words < channels {
        return false;
    }
    let work = Work {
        selected: selected.as_ptr(),
        values: values.as_ptr(),
        sums: sums.as_mut_ptr(),
        words,
        channels,
        count,
    };
    // SAFETY: `values` holds `words ≥ 1` words of each of `channels ≥ 1` channels, `selected` as many
    // of the keys, and `sums` has room; the predicated loop touches no others.
    unsafe { sum_channels(&work) };
    true
}

#[unsafe(naked)]
unsafe extern "C" fn sum_channels(work: *const Work) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4-r11, lr}}",
        "sub sp, #4",
        "vpush {{d8-d15}}",
        "ldm r0, {{r0, r1, r2, r3, r4, r5}}",
        "mov r12, #0",
        "vidup.u32 q5, r12, #1",
        "vmul.i32 q5, q5, r3",
        "lsl r6, r3, #4",
        "mov r11, #0x01010101",
        "vmov.i8 q4, #0x55",
        "vmov.i8 q6, #0x33",
        "vmov.i8 q7, #0x0f",
        "dlstp.32 lr, r4",
        "2:",
        "mov r7, r0",
        "mov r8, r1",
        "mov r9, r3",
        "vmov.i32 q1, #0",
        "3:",
        "ldr r10, [r7], #4",
        "vldrw.u32 q0, [r8, q5, uxtw #2]",
        "vdup.32 q3, r10",
        "add r8, #4",
        "vand q0, q0, q3",
        "vshr.u32 q2, q0, #1",
        "vand q2, q2, q4",
        "vsub.i32 q0, q0, q2",
        "vand q2, q0, q6",
        "vshr.u32 q0, q0, #2",
        "vand q0, q0, q6",
        "vadd.i32 q0, q0, q2",
        "vshr.u32 q2, q0, #4",
        "vadd.i32 q0, q0, q2",
        "vand q0, q0, q7",
        "vadd.i32 q1, q1, q0",
        "subs r9, #1",
        "bne 3b",
        "vmul.i32 q1, q1, r11",
        "add r1, r6",
        "vshr.u32 q1, q1, #24",
        "vadd.i32 q1, q1, q1",
        "vsub.i32 q1, q1, r5",
        "vstrw.32 q1, [r2], #16",
        "letp lr, 2b",
        "vpop {{d8-d15}}",
        "add sp, #4",
        "pop {{r4-r11, pc}}",
    )
}

/// Sums of 16 bits, as many as the shorter slice holds.
#[inline(always)]
pub(crate) fn shorten(sums: &[i32], out: &mut [i16]) {
    // SAFETY: both slices hold as many elements, and the predicated loop touches no others.
    unsafe { shorten_all(sums.as_ptr(), out.as_mut_ptr(), sums.len().min(out.len())) };
}

#[unsafe(naked)]
unsafe extern "C" fn shorten_all(sums: *const i32, out: *mut i16, count: usize) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r7, lr}}",
        "wlstp.32 lr, r2, 3f",
        "2:",
        "vldrw.u32 q0, [r0], #16",
        "vstrh.32 q0, [r1], #8",
        "letp lr, 2b",
        "3:",
        "pop {{r7, pc}}",
    )
}
