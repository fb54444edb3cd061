//! What linear layers and convolutions do with requantized values.

use quant::arith::{MAX_SHIFT, Multiplier, saturate_i16};
use quant::ops::{LinearOut, Residual};

use super::requantize::{HIGH, to_i8, to_i16};

/// Stores the first of `t`, as many as `out` takes. A table of `out` is left to the caller.
#[inline(always)]
pub(crate) fn store<const C: usize>(t: &[i32; C], out: &mut LinearOut<'_>) {
    match out {
        LinearOut::I8 { out, .. } => put(out, &to_i8(t)),
        LinearOut::I16 { out, residual: None } => put(out, &to_i16(t)),
        LinearOut::I16 { out, residual: Some(residual) } => match <&mut [i16; C]>::try_from(&mut **out) {
            Ok(out) => add(out, &to_i16(t), residual),
            Err(_) => add(out, &to_i16(t), residual),
        },
        LinearOut::I32 { out } => put(out, t),
    }
}

/// The first of `values`, as many as `out` takes: all, where they are whole blocks.
#[inline(always)]
pub(crate) fn put<T: Copy, const C: usize>(out: &mut [T], values: &[T; C]) {
    match <&mut [T; C]>::try_from(&mut *out) {
        Ok(out) => *out = *values,
        Err(_) => out.iter_mut().zip(values).for_each(|(to, from)| *to = *from),
    }
}

/// A multiplier of int16 values, which leave 15 bits to the left: the high half of the product serves
/// for smaller shifts.
#[derive(Clone, Copy)]
struct OfInt16 {
    mantissa: i32,
    shift: u32,
}

impl OfInt16 {
    /// Where the shift allows it.
    #[inline(always)]
    fn new(multiplier: Multiplier) -> Option<Self> {
        let shift = multiplier.shift + 15;
        if !(HIGH..=MAX_SHIFT).contains(&shift) {
            return None;
        }
        Some(Self { mantissa: multiplier.mantissa, shift: (shift - 32).into() })
    }

    #[inline(always)]
    fn apply(self, v: i16) -> i32 {
        let high = ((i64::from(i32::from(v) << 15) * i64::from(self.mantissa)) >> 32) as i32;
        (high + ((1 << self.shift) >> 1)) >> self.shift
    }
}

/// Adds the branch `t` to the stream `y`, as [`quant::ops::Add`].
#[inline(always)]
pub(crate) fn add(y: &mut [i16], t: &[i16], residual: &Residual) {
    if let (Some(stream), Some(branch)) = (OfInt16::new(residual.stream), OfInt16::new(residual.branch)) {
        for (y, &t) in y.iter_mut().zip(t) {
            // Each is at most 2²⁹ in magnitude.
            *y = saturate_i16((stream.apply(*y) + branch.apply(t)).into());
        }
    } else {
        for (y, &t) in y.iter_mut().zip(t) {
            // Products of 16 and 32 bits: their sum does not overflow.
            *y = saturate_i16(residual.stream.apply((*y).into()) + residual.branch.apply(t.into()));
        }
    }
}
