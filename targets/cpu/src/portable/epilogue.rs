//! What linear layers and convolutions do with requantized values.

use quant::arith::saturate_i16;
use quant::ops::{LinearOut, Residual};

use super::of_int16::OfInt16;
use super::requantize::{to_i8, to_i16};

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

/// Adds the branch `t` to the stream `y`, as [`quant::ops::Add`].
#[inline(always)]
pub(crate) fn add(y: &mut [i16], t: &[i16], residual: &Residual) {
    let (stream, branch) = (OfInt16::new(residual.stream, 0), OfInt16::new(residual.branch, 0));
    if let (Some(stream), Some(branch)) = (stream, branch) {
        for (y, &t) in y.iter_mut().zip(t) {
            // Without a bias each is at most 2²⁹ + 2¹⁵ in magnitude.
            let sum = stream.apply((*y).into()) + branch.apply(t.into());
            *y = sum.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        }
    } else {
        for (y, &t) in y.iter_mut().zip(t) {
            // Products of 16 and 32 bits: their sum does not overflow.
            *y = saturate_i16(residual.stream.apply((*y).into()) + residual.branch.apply(t.into()));
        }
    }
}
