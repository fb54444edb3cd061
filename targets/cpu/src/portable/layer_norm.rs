//! LayerNorm with int8 output.

use quant::Fault;
use quant::arith::saturate_i8;
use quant::ops::{LayerNormArgs, row_statistics};
use quant::slice::{rows, rows_mut};

/// As the reference, with the output type resolved outside the loop.
pub(super) fn layer_norm_i8(args: &LayerNormArgs<'_>, x: &[i16], out: &mut [i8]) -> Result<(), Fault> {
    let constants = || args.scale.mantissa.iter().zip(args.scale.shift).zip(args.offset);
    for (row, out) in rows(x, args.width).zip(rows_mut(out, args.width)) {
        let statistics = row_statistics(row, args.eps);
        for ((y, &v), ((&mantissa, &shift), &offset)) in out.iter_mut().zip(row).zip(constants()) {
            let z = (i32::from(v) - statistics.mean) * statistics.factor;
            let high = ((i64::from(z) * i64::from(mantissa)) >> 32) as i32;
            *y = saturate_i8(((high + offset) >> (shift.wrapping_sub(32) & 31)).into());
        }
    }
    Ok(())
}
