//! Bits to bytes of 1 and −1, or of powers of two and their negatives.

use core::arch::naked_asm;
use core::slice;

use quant::Fault;
use quant::bits::BitWeights;
use quant::slice::{rows_mut, window, window_mut};

use crate::mve::expanded::Pair;

/// The weights of `pairs` pairs of channels, from `channel` on, as bytes, `up ≤ 6` bits higher:
/// channels of a pair take turns after 16 inputs, or after eight if they are for `wide` ones.
#[inline(always)]
pub(crate) fn expand<'r>(
    (wide, up): (bool, u32),
    weights: &BitWeights<'_>,
    (channel, pairs): (usize, usize),
    room: &'r mut [Pair],
) -> Result<&'r [i8], Fault> {
    let BitWeights { data, pack, words, .. } = *weights;
    let last = words.checked_sub(1).ok_or(Fault::Bounds)?;
    let step = pack.index(words, 0, 1);
    let bytes = if wide { eights } else { sixteens };
    let room = window_mut(room, 0, pairs * words)?;
    for (pair, to) in rows_mut(&mut *room, words).enumerate() {
        let first = pack.index(words, channel + 2 * pair, 0);
        let second = pack.index(words, channel + 2 * pair + 1, 0);
        let (first, second) = (window(data, first, last * step + 1)?, window(data, second, last * step + 1)?);
        // SAFETY: `to` has room for `words ≥ 1` words of two channels, whose words, `step` apart, lie
        // in `first` and in `second`.
        unsafe { bytes(to.as_mut_ptr(), first.as_ptr(), second.as_ptr(), words, 4 * step, 1 << up) }
    }
    // SAFETY: every vector of `room` has been written, that of the last word of the last pair too.
    Ok(unsafe { slice::from_raw_parts(room.as_ptr().cast(), size_of_val(room)) })
}

/// Stores a vector of `q0` where the lowest bits of `$from` are set, and of `q1` elsewhere.
macro_rules! bytes {
    ($from:literal) => {
        concat!("vmsr p0, ", $from, "\n", "vpsel q2, q0, q1\n", "vstrb.8 q2, [r0], #16\n")
    };
}

/// The next byte of the words in `r4` and `r5`, side by side.
macro_rules! both {
    () => {
        concat!(
            "mov r12, r4\n",
            "bfi r12, r5, #8, #8\n",
            bytes!("r12"),
            "lsr r4, r4, #8\n",
            "lsr r5, r5, #8\n"
        )
    };
}

macro_rules! expand {
    ($name:ident, $word:expr) => {
        #[unsafe(naked)]
        unsafe extern "C" fn $name(
            to: *mut Pair,
            first: *const u32,
            second: *const u32,
            words: usize,
            step: usize,
            one: i32,
        ) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4-r6, lr}}",
                "ldrd r6, r4, [sp, #16]",
                "vdup.8 q0, r4",
                "vneg.s8 q1, q0",
                "dls lr, r3",
                "2:",
                "ldr r4, [r1]",
                "ldr r5, [r2]",
                "add r1, r6",
                "add r2, r6",
                $word,
                "le lr, 2b",
                "pop {{r4-r6, pc}}",
            )
        }
    };
}
expand!(
    sixteens,
    concat!(bytes!("r4"), bytes!("r5"), "lsr r4, r4, #16\n", bytes!("r4"), "lsr r5, r5, #16\n", bytes!("r5"))
);
expand!(eights, concat!(both!(), both!(), both!(), both!()));
