//! LayerNorm and RMSNorm with int8 output.

use quant::Fault;
use quant::arith::saturate_i8;
use quant::ops::{LayerNormArgs, RowStatistics};
use quant::slice::{rows, rows_mut};

/// As the reference behind the `statistics` of a row and `eps`, with the output type resolved outside
/// the loop.
#[inline(always)]
pub(crate) fn normalize_i8(
    args: &LayerNormArgs<'_>,
    x: &[i16],
    out: &mut [i8],
    statistics: impl Fn(&[i16], u64) -> RowStatistics,
) -> Result<(), Fault> {
    let constants = || args.scale.mantissa.iter().zip(args.scale.shift).zip(args.offset);
    for (row, out) in rows(x, args.width).zip(rows_mut(out, args.width)) {
        let RowStatistics { mean, factor } = statistics(row, args.eps);
        for ((y, &v), ((&mantissa, &shift), &offset)) in out.iter_mut().zip(row).zip(constants()) {
            let z = (i32::from(v) - mean) * factor;
            let high = ((i64::from(z) * i64::from(mantissa)) >> 32) as i32;
            *y = saturate_i8(((high + offset) >> (shift.wrapping_sub(32) & 31)).into());
        }
    }
    Ok(())
}
