//! The residual addition.

use quant::Fault;
use quant::ops::{AddArgs, Residual};

use super::epilogue;

/// A `y` shorter than `x` is repeated.
#[inline(always)]
pub(crate) fn add(args: &AddArgs, x: &mut [i16], y: &[i16]) -> Result<(), Fault> {
    if y.is_empty() {
        return Err(Fault::Bounds);
    }
    let scales = Residual { stream: args.x_scale, branch: args.y_scale };
    for row in x.chunks_mut(y.len()) {
        epilogue::add(row, y, &scales);
    }
    Ok(())
}
