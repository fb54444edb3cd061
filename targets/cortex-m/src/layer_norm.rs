//! LayerNorm with one short loop for each type of output.

use quant::ops::{LayerNormArgs, RowStatistics, TensorMut, row_statistics};
use quant::slice::{rows, rows_mut};
use quant::{Fault, Kernels};

/// Rows of 16-bit values.
pub(crate) fn layer_norm(
    args: &LayerNormArgs<'_>,
    x: &[i16],
    out: &mut TensorMut<'_>,
) -> Result<(), Fault> {
    match out {
        TensorMut::I8(out) => normalize(args, x, out, |v| v.clamp(-128, 127) as i8),
        TensorMut::I16(out) => normalize(args, x, out, |v| v.clamp(-32768, 32767) as i16),
        TensorMut::I32(_) => return quant::Reference.layer_norm(args, x, out),
    }
    Ok(())
}

#[inline(always)]
fn normalize<T>(args: &LayerNormArgs<'_>, x: &[i16], out: &mut [T], saturate: impl Fn(i32) -> T) {
    for (row, out) in rows(x, args.width).zip(rows_mut(out, args.width)) {
        let RowStatistics { mean, factor } = row_statistics(row, args.eps);
        let constants = args.scale.mantissa.iter().zip(args.scale.shift).zip(args.offset);
        for ((y, &v), ((&mantissa, &shift), &offset)) in out.iter_mut().zip(row).zip(constants) {
            // At most 2³¹ − 1 in magnitude, by the choice of the factor.
            let z = i32::from(v).wrapping_sub(mean).wrapping_mul(factor);
            let high = ((i64::from(z) * i64::from(mantissa)) >> 32) as i32;
            *y = saturate(high.wrapping_add(offset) >> (shift.wrapping_sub(32) & 31));
        }
    }
}
