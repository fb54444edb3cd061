//! LayerNorm and RMSNorm with one short loop for each type of output.

use quant::Fault;
use quant::ops::{LayerNormArgs, RowStatistics, TensorMut, row_energy, row_statistics};
use quant::slice::{rows, rows_mut};

use crate::rows::RowOps;

/// Rows of 16-bit values about their means, to int8 or int16: the checker admits no other result.
pub(crate) fn layer_norm<C: RowOps>(
    args: &LayerNormArgs<'_>,
    x: &[i16],
    out: &mut TensorMut<'_>,
) -> Result<(), Fault> {
    match out {
        TensorMut::I8(out) => to_i8::<C>(args, x, out, C::about_mean),
        TensorMut::I16(out) => to_i16::<C>(args, x, out, C::about_mean),
        TensorMut::I32(_) => return Err(Fault::Instruction),
    }
    Ok(())
}

/// The same about zero.
pub(crate) fn rms_norm<C: RowOps>(
    args: &LayerNormArgs<'_>,
    x: &[i16],
    out: &mut TensorMut<'_>,
) -> Result<(), Fault> {
    match out {
        TensorMut::I8(out) => to_i8::<C>(args, x, out, about_zero),
        TensorMut::I16(out) => to_i16::<C>(args, x, out, about_zero),
        TensorMut::I32(_) => return Err(Fault::Instruction),
    }
    Ok(())
}

#[inline(always)]
fn to_i8<C: RowOps>(
    args: &LayerNormArgs<'_>,
    x: &[i16],
    out: &mut [i8],
    statistics: impl Fn(&[i16], u64) -> RowStatistics,
) {
    for (row, out) in rows(x, args.width).zip(rows_mut(out, args.width)) {
        C::normalize_i8(args, row, statistics(row, args.eps), out);
    }
}

#[inline(always)]
fn to_i16<C: RowOps>(
    args: &LayerNormArgs<'_>,
    x: &[i16],
    out: &mut [i16],
    statistics: impl Fn(&[i16], u64) -> RowStatistics,
) {
    for (row, out) in rows(x, args.width).zip(rows_mut(out, args.width)) {
        C::normalize_i16(args, row, statistics(row, args.eps), out);
    }
}

/// [`row_statistics`] in fast code, once.
#[inline(never)]
pub(crate) fn about_mean(row: &[i16], eps: u64) -> RowStatistics {
    row_statistics(row, eps)
}

/// [`row_energy`] in fast code, once.
#[inline(never)]
fn about_zero(row: &[i16], eps: u64) -> RowStatistics {
    row_energy(row, eps)
}

/// One row to int8 in plain Rust.
#[inline(always)]
pub(crate) fn normalize_i8(args: &LayerNormArgs<'_>, row: &[i16], statistics: RowStatistics, out: &mut [i8]) {
    normalize(args, row, statistics, out, |v| v.clamp(-128, 127) as i8);
}

/// One row to int16 in plain Rust.
#[inline(always)]
pub(crate) fn normalize_i16(
    args: &LayerNormArgs<'_>,
    row: &[i16],
    statistics: RowStatistics,
    out: &mut [i16],
) {
    normalize(args, row, statistics, out, |v| v.clamp(-32768, 32767) as i16);
}

#[inline(always)]
fn normalize<T>(
    args: &LayerNormArgs<'_>,
    row: &[i16],
    RowStatistics { mean, factor }: RowStatistics,
    out: &mut [T],
    saturate: impl Fn(i32) -> T,
) {
    let constants = args.scale.mantissa.iter().zip(args.scale.shift).zip(args.offset);
    for ((y, &v), ((&mantissa, &shift), &offset)) in out.iter_mut().zip(row).zip(constants) {
        // At most 2³¹ − 1 in magnitude, by the choice of the factor.
        let z = i32::from(v).wrapping_sub(mean).wrapping_mul(factor);
        let high = ((i64::from(z) * i64::from(mantissa)) >> 32) as i32;
        *y = saturate(high.wrapping_add(offset) >> (shift.wrapping_sub(32) & 31));
    }
}
