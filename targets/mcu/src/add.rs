//! Add of 16-bit values in 32-bit registers.

use quant::ops::AddArgs;
use quant::slice::window;
use quant::{Fault, Kernels};

use crate::requantize::Sum;

/// `x ← x ⊕ y`; multipliers with shifts below 17 as the reference.
pub(crate) fn add(args: &AddArgs, x: &mut [i16], y: &[i16]) -> Result<(), Fault> {
    let sum = match Sum::new(args.x_scale, args.y_scale) {
        Some(sum) if !y.is_empty() => sum,
        _ => return quant::Reference.add(args, x, y),
    };
    let mut rest = x;
    while !rest.is_empty() {
        let len = rest.len().min(y.len());
        let (row, later) = rest.split_at_mut_checked(len).ok_or(Fault::Bounds)?;
        for (x, &y) in row.iter_mut().zip(window(y, 0, len)?) {
            *x = sum.apply(*x, y);
        }
        rest = later;
    }
    Ok(())
}
