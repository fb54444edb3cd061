//! LayerNorm and RMSNorm of one instruction set.

use quant::Fault;
use quant::ops::{LayerNormArgs, TensorMut};

use crate::portable;

/// Norms of rows; the portable loops where a set has no instructions of its own for them.
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
}
