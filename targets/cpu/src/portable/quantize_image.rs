//! Pixels through the tables of their channels.

use quant::{Fault, Kernels};

/// As the reference: a look-up for each byte.
#[inline(always)]
pub(crate) fn quantize_image(tables: &[i8], channels: usize, x: &mut [u8]) -> Result<(), Fault> {
    quant::Reference.quantize_image(tables, channels, x)
}
