//! Attention over signs on 128-bit vectors: 16 keys are compared at once, and four channels counted.

use quant::Fault;
use quant::slice::window;

use super::asm::{self, COUNTED, at_least, least, within};
use crate::binary::attention::{HELD, Selected, limits};
use crate::plain;

/// Sets the bits of those of the first `keys` keys whose score is within `distance` of the largest.
#[inline(always)]
pub(crate) fn select(
    distances: &[u32; HELD],
    keys: usize,
    distance: u32,
    selected: &mut Selected,
) -> Result<(), Fault> {
    let limits = limits(least(window(distances, 0, keys)?), distance);
    within(distances, keys, limits, selected);
    let (last, rest) = (keys / 32, keys % 32);
    if rest > 0 {
        for selected in selected {
            *selected.get_mut(last).ok_or(Fault::Bounds)? &= (1 << rest) - 1;
        }
    }
    Ok(())
}

/// The sums of the values of channels.
// On its own: what longer rows take is much code.
#[inline(never)]
pub(crate) fn sum(selected: &[u32], values: &[u32], sums: &mut [i32]) {
    let count = || selected.iter().map(|a| a.count_ones()).sum::<u32>() as i32;
    if selected.len() > COUNTED || !asm::sum(selected, values, count(), sums) {
        plain::binary::sum(selected, values, sums);
    }
}

/// Which of the sums are positive, and which are not 0.
#[inline(always)]
pub(crate) fn signs(sums: &[i32]) -> (u32, u32) {
    static ZEROS: [i32; 32] = [0; 32];
    let (plus, not_minus) = (at_least(sums, &ZEROS, 1), at_least(sums, &ZEROS, 0));
    let used = u32::MAX >> (32_usize.wrapping_sub(sums.len()) & 31);
    (plus, plus | (!not_minus & used))
}
