//! Room to shift sums left before their requantization, so that the high halves of products serve.

use core::ops::Range;

use quant::Fault;
use quant::arith::MAX_SHIFT;
use quant::ops::LinearArgs;
use quant::slice::window;

use crate::portable::requantize::HIGH;

/// Bits by which the sums of `channels` of `args` can be shifted left: each is at most 2¹⁴ times its inputs,
/// and its bias.
#[inline(always)]
pub(super) fn room(args: &LinearArgs<'_>, channels: &Range<usize>) -> Result<u32, Fault> {
    let mut most = 0;
    for bias in window(args.bias, channels.start, channels.len())? {
        most = bias.unsigned_abs().max(most);
    }
    let most = u64::from(most) + ((args.weights.k as u64) << 14);
    Ok(most.leading_zeros().saturating_sub(u64::BITS - (i32::BITS - 1)))
}

/// Whether all shifts of `channels` of `args` become high by the `room` of their sums.
#[inline(always)]
pub(super) fn is_lifted(args: &LinearArgs<'_>, channels: &Range<usize>, room: u32) -> Result<bool, Fault> {
    let (mut least, mut most) = (HIGH, HIGH);
    for &shift in window(args.requant.shift, channels.start, channels.len())? {
        least = shift.min(least);
        most = shift.max(most);
    }
    let up = HIGH - least;
    Ok(up == 0 || u32::from(up) <= room && most + up <= MAX_SHIFT)
}
