//! Kernels for CPUs.
//!
//! [`Portable`] is safe Rust that any compiler vectorises; it reads weights in 16-channel
//! panels. Sets for particular instruction sets each get a module beside it.
#![no_std]
#![deny(clippy::float_arithmetic)]

#[cfg(test)]
extern crate std;

mod portable;

pub use portable::Portable;
use quant::KernelSet;

/// The kernel sets for CPUs, the fastest first. The last one runs everywhere.
pub static KERNEL_SETS: &[KernelSet] = &[KernelSet::of::<Portable>(|| true)];

/// The code in the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
