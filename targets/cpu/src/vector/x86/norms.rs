//! LayerNorm, RMSNorm and the residual addition of one instruction set.

use quant::Fault;
use quant::ops::{AddArgs, LayerNormArgs, TensorMut};

use crate::portable;

/// Norms of rows and sums of them; the portable loops where a set has no instructions of its own for them.
///
/// # Safety
///
/// As for [`Isa`](crate::vector::isa::Isa).
pub(in crate::vector) unsafe trait Norms {
    /// LayerNorm of each row.
    ///
    /// # Safety
    ///
    /// As the trait says.
    #[inline(always)]
    unsafe fn layer_norm(args: &LayerNormArgs<'_>, x: &[i16], out: &mut TensorMut<'_>) -> Result<(), Fault> {
        portable::layer_norm(args, x, out)
    }

    /// RMSNorm of each row.
    ///
    /// # Safety
    ///
    /// As the trait says.
    #[inline(always)]
    unsafe fn rms_norm(args: &LayerNormArgs<'_>, x: &[i16], out: &mut TensorMut<'_>) -> Result<(), Fault> {
        portable::rms_norm(args, x, out)
    }

    /// The residual addition; a `y` shorter than `x` is repeated.
    ///
    /// # Safety
    ///
    /// As the trait says.
    #[inline(always)]
    unsafe fn add(args: &AddArgs, x: &mut [i16], y: &[i16]) -> Result<(), Fault> {
        portable::add(args, x, y)
    }
}
