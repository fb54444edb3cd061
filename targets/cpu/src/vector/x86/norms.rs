//! LayerNorm, RMSNorm, the residual addition and pixels of one instruction set.

use quant::Fault;
use quant::ops::{AddArgs, LayerNormArgs, TensorMut};

use crate::portable;

/// Norms of rows, sums of them, and pixels; the portable loops where a set has no instructions of its own for them.
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

    /// Each byte of pixels through the table of its channel.
    ///
    /// # Safety
    ///
    /// As the trait says.
    #[inline(always)]
    unsafe fn quantize_image(tables: &[i8], channels: usize, x: &mut [u8]) -> Result<(), Fault> {
        portable::quantize_image(tables, channels, x)
    }
}
