//! ShiftGELU in 32-bit registers.

use quant::ops::ShiftGeluArgs;
use quant::slice::rows_mut;
use quant::{Fault, Kernels};

use crate::requantize::Scale16;
use crate::rows::RowOps;

/// Rows in place; an output multiplier with a shift below 17 as the reference.
pub(crate) fn shift_gelu<C: RowOps>(args: &ShiftGeluArgs<'_>, x: &mut [i8]) -> Result<(), Fault> {
    let Some(out) = Scale16::new(args.out) else { return quant::Reference.shift_gelu(args, x) };
    for row in rows_mut(x, args.width) {
        C::gelu(row, args.exp, out);
    }
    Ok(())
}

/// [`RowOps::gelu`] in plain Rust.
pub(crate) fn row(x: &mut [i8], exp: &[u32; 256], out: Scale16) {
    let exp = |distance: u8| exp[usize::from(distance)];
    // With the zero that the maximum includes.
    let max = crate::dsp::max(x).max(0) as u8;
    let zero = exp(max);
    for v in x {
        let e = exp(max.wrapping_sub(*v as u8));
        let factor = (i32::MAX as u32).checked_div(e.wrapping_add(zero)).unwrap_or(0);
        let sigma = e.wrapping_mul(factor) >> 24;
        // At most 128 · 127 in magnitude.
        let product = i32::from(*v).wrapping_mul(sigma as i32) as i16;
        *v = out.apply(product).clamp(-128, 127) as i8;
    }
}
