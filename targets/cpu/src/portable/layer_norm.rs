//! LayerNorm and RMSNorm, with the output type resolved outside the loop.

use quant::arith::{saturate_i8, saturate_i16};
use quant::ops::{LayerNormArgs, RowStatistics, TensorMut, row_energy, row_statistics};
use quant::slice::{rows, rows_mut};
use quant::{Fault, Kernels};

#[inline(always)]
pub(crate) fn layer_norm(args: &LayerNormArgs<'_>, x: &[i16], out: &mut TensorMut<'_>) -> Result<(), Fault> {
    match out {
        TensorMut::I8(out) => typed(args, x, out, row_statistics, saturate_i8),
        TensorMut::I16(out) => typed(args, x, out, row_statistics, saturate_i16),
        TensorMut::I32(_) => return quant::Reference.layer_norm(args, x, out),
    }
    Ok(())
}

#[inline(always)]
pub(crate) fn rms_norm(args: &LayerNormArgs<'_>, x: &[i16], out: &mut TensorMut<'_>) -> Result<(), Fault> {
    match out {
        TensorMut::I8(out) => typed(args, x, out, row_energy, saturate_i8),
        TensorMut::I16(out) => typed(args, x, out, row_energy, saturate_i16),
        TensorMut::I32(_) => return quant::Reference.rms_norm(args, x, out),
    }
    Ok(())
}

/// As the reference behind the `statistics` of a row and `eps`.
#[inline(always)]
fn typed<Y>(
    args: &LayerNormArgs<'_>,
    x: &[i16],
    out: &mut [Y],
    statistics: impl Fn(&[i16], u64) -> RowStatistics,
    saturate: impl Fn(i64) -> Y,
) {
    let constants = || args.scale.mantissa.iter().zip(args.scale.shift).zip(args.offset);
    for (row, out) in rows(x, args.width).zip(rows_mut(out, args.width)) {
        let RowStatistics { mean, factor } = statistics(row, args.eps);
        for ((y, &v), ((&mantissa, &shift), &offset)) in out.iter_mut().zip(row).zip(constants()) {
            let z = (i32::from(v) - mean) * factor;
            let high = ((i64::from(z) * i64::from(mantissa)) >> 32) as i32;
            *y = saturate(((high + offset) >> (shift.wrapping_sub(32) & 31)).into());
        }
    }
}
