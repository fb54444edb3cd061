//! Requantization of blocks of channels: loops of a fixed length, which the compiler turns into
//! vectors of the instruction set that it compiles them for.

use quant::Fault;
use quant::arith::requantize;
use quant::ops::{ChannelsRef, Residual};
use quant::slice::window;

/// Multipliers of `C` channels; those behind the last one are 0.
pub(super) struct Multipliers<const C: usize> {
    mantissa: [i32; C],
    shift: [u8; C],
    /// Whether every shift is at least 33: then the high half of a product and one rounding shift
    /// give the same value (see [`quant::arith`]).
    is_high: bool,
}

impl<const C: usize> Multipliers<C> {
    /// Those of channels `start .. start + count`.
    #[inline(always)]
    pub(super) fn new(channels: &ChannelsRef<'_>, start: usize, count: usize) -> Result<Self, Fault> {
        let (mut mantissa, mut shift) = ([0; C], [33; C]);
        mantissa[..count].copy_from_slice(window(channels.mantissa, start, count)?);
        shift[..count].copy_from_slice(window(channels.shift, start, count)?);
        Ok(Self { is_high: shift.iter().all(|&shift| shift >= 33), mantissa, shift })
    }

    /// One multiplier for all.
    #[inline(always)]
    pub(super) fn uniform(mantissa: i32, shift: u8) -> Self {
        Self { mantissa: [mantissa; C], shift: [shift; C], is_high: shift >= 33 }
    }

    /// `round(z · mantissa / 2^shift)` saturated to int32.
    #[inline(always)]
    pub(super) fn apply(&self, z: &[i32; C]) -> [i32; C] {
        let mut t = [0; C];
        if self.is_high {
            for c in 0..C {
                let high = ((i64::from(z[c]) * i64::from(self.mantissa[c])) >> 32) as i32;
                // At most 2³⁰ and 2²⁹.
                let shift = u32::from(self.shift[c]) & 63;
                t[c] = (high + ((1i32 << (shift - 32)) >> 1)) >> (shift - 32);
            }
        } else {
            for c in 0..C {
                let exact = requantize(z[c], self.mantissa[c], self.shift[c]);
                t[c] = exact.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
            }
        }
        t
    }
}

/// Saturated to int8.
#[inline(always)]
pub(super) fn to_i8<const C: usize>(t: &[i32; C]) -> [i8; C] {
    let mut narrow = [0; C];
    for c in 0..C {
        narrow[c] = t[c].clamp(i8::MIN.into(), i8::MAX.into()) as i8;
    }
    narrow
}

/// Saturated to int16.
#[inline(always)]
pub(super) fn to_i16<const C: usize>(t: &[i32; C]) -> [i16; C] {
    let mut narrow = [0; C];
    for c in 0..C {
        narrow[c] = t[c].clamp(i16::MIN.into(), i16::MAX.into()) as i16;
    }
    narrow
}

/// Adds the branch `t` to the stream `y`, as [`quant::ops::Add`].
#[inline(always)]
pub(super) fn add<const C: usize>(y: &mut [i16; C], t: &[i16; C], residual: &Residual) {
    for c in 0..C {
        // Products of 16 and 32 bits: their sum does not overflow.
        let sum = residual.stream.apply(y[c].into()) + residual.branch.apply(t[c].into());
        y[c] = sum.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
    }
}
