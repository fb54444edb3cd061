//! LayerNorm and RMSNorm, with the output type resolved outside the loop.

use quant::ops::{LayerNormArgs, RowStatistics, TensorMut, row_energy, row_statistics};
use quant::slice::{rows, rows_mut};
use quant::{Fault, Kernels};

#[inline(always)]
pub(crate) fn layer_norm(args: &LayerNormArgs<'_>, x: &[i16], out: &mut TensorMut<'_>) -> Result<(), Fault> {
    match out {
        TensorMut::I8(out) => typed(args, x, out, row_statistics, to_i8),
        TensorMut::I16(out) => typed(args, x, out, row_statistics, to_i16),
        TensorMut::I32(_) => return quant::Reference.layer_norm(args, x, out),
    }
    Ok(())
}

#[inline(always)]
pub(crate) fn rms_norm(args: &LayerNormArgs<'_>, x: &[i16], out: &mut TensorMut<'_>) -> Result<(), Fault> {
    match out {
        TensorMut::I8(out) => typed(args, x, out, row_energy, to_i8),
        TensorMut::I16(out) => typed(args, x, out, row_energy, to_i16),
        TensorMut::I32(_) => return quant::Reference.rms_norm(args, x, out),
    }
    Ok(())
}

/// Rows whose statistics are made one after the other: their roots and quotients overlap.
const ROWS: usize = 16;

/// As the reference behind the `statistics` of a row and `eps`.
#[inline(always)]
fn typed<Y>(
    args: &LayerNormArgs<'_>,
    x: &[i16],
    out: &mut [Y],
    statistics: impl Fn(&[i16], u64) -> RowStatistics,
    saturate: impl Fn(i32) -> Y,
) {
    let constants = || args.scale.mantissa.iter().zip(args.scale.shift).zip(args.offset);
    let mut of_rows = [RowStatistics { mean: 0, factor: 0 }; ROWS];
    let span = ROWS * args.width;
    for (x, out) in x.chunks(span.max(1)).zip(out.chunks_mut(span.max(1))) {
        for (to, row) in of_rows.iter_mut().zip(rows(x, args.width)) {
            *to = statistics(row, args.eps);
        }
        let rows = rows(x, args.width).zip(rows_mut(out, args.width));
        for ((row, out), &RowStatistics { mean, factor }) in rows.zip(&of_rows) {
            for ((y, &v), ((&mantissa, &shift), &offset)) in out.iter_mut().zip(row).zip(constants()) {
                let z = (i32::from(v) - mean) * factor;
                let high = ((i64::from(z) * i64::from(mantissa)) >> 32) as i32;
                *y = saturate((high + offset) >> (shift.wrapping_sub(32) & 31));
            }
        }
    }
}

/// Saturated to int8, without a detour over 64 bits.
#[inline(always)]
fn to_i8(v: i32) -> i8 {
    v.clamp(i8::MIN.into(), i8::MAX.into()) as i8
}

/// Saturated to int16, likewise.
#[inline(always)]
fn to_i16(v: i32) -> i16 {
    v.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}
