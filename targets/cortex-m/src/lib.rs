//! Kernels for microcontrollers.
//!
//! Three kernel sets, each with the weight layout it likes:
//!
//! * [`Plain`]: Armv6-M, RV32 and whatever else; safe Rust that keeps sums in registers.
//! * [`Dsp`]: dual 16-bit products of Armv7E-M and Armv8-M with DSP (Cortex-M4, M7, M33).
//! * [`Mve`]: 128-bit vectors of Armv8.1-M (Cortex-M55, M85).
//!
//! All three exist on every target and give the same integers: where the feature `dsp` or
//! `mve` is off, the innermost functions of [`Dsp`] and [`Mve`] are plain Rust, so that the
//! tiling and the layouts around them are tested on the desk. [`Fastest`] is the set for
//! the core that the features describe.
#![no_std]
#![deny(clippy::float_arithmetic)]

mod attention;
mod dsp;
mod gemm;
mod mve;
mod plain;
mod shiftmax;

pub use dsp::Dsp;
pub use mve::Mve;
pub use plain::Plain;

/// The kernel set for the core that the crate's features describe.
#[cfg(feature = "mve")]
pub type Fastest = Mve;
/// The kernel set for the core that the crate's features describe.
#[cfg(all(feature = "dsp", not(feature = "mve")))]
pub type Fastest = Dsp;
/// The kernel set for the core that the crate's features describe.
#[cfg(not(any(feature = "dsp", feature = "mve")))]
pub type Fastest = Plain;
