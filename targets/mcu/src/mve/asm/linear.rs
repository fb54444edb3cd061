//! Products of two rows with pairs of channels.

use core::arch::naked_asm;

use quant::Fault;

use crate::gemm::{CHANNELS, CHUNK};
use crate::mve::linear::{Block, ROWS};

/// Panels of `vectors` vector pairs, `stride` bytes apart; `1 ≤ vectors ≤ CHUNK / 16`,
/// `1 ≤ pairs ≤ CHANNELS / 2`, and the last panel within `panels`.
#[inline(always)]
pub(crate) fn multiply(
    block: &Block,
    vectors: usize,
    panels: &[i8],
    (stride, pairs): (usize, usize),
    fresh: bool,
    sums: &mut [[i32; CHANNELS]; ROWS],
) -> Result<(), Fault> {
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
    Ok(())
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
pub(crate) fn copy(to: &mut [i8], from: &[i8]) {
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
