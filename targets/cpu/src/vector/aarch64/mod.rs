//! Kernels for AArch64.
//!
//! NEON is part of every processor: what is compiled for all of them are the portable loops. The sets
//! differ in their products.

mod compact;
mod dotprod;
#[cfg(feature = "every-set")]
mod every;
mod lookup;
mod requantize;

#[cfg(any(feature = "every-set", not(target_os = "android")))]
use std::arch::is_aarch64_feature_detected as is_detected;

use compact::Compact;
#[cfg(feature = "every-set")]
pub(crate) use every::{KERNEL_SETS, PEAKS};
use quant::KernelSet;

use crate::Split;

/// The row of the least code. Where the CPU has no dot products, it is the portable set.
pub(crate) const COMPACT: KernelSet = KernelSet::of::<Split<Compact>>(|| true);
