//! Integer arithmetic of quantized vision transformers.
//!
//! The scalar code in this crate is the *specification* of Shiftformer: every
//! kernel on every target returns the same integers as the reference here, bit
//! for bit, on every input the checker admits.
//!
//! * [`arith`]: dyadic multipliers, rounding, saturation, square root, shift-exp.
//! * [`mod@ops`]: one file per op: its record, operands, bounds and reference.
//! * [`op`]: the closed set of ops, [`Op`].
//! * [`kernels`]: the seam that targets override with faster code; [`KernelSet`]: a row for each.
//! * [`mem`]: typed handles into the arena and the constants.
//! * [`pack`]: the registered weight layouts; [`bits`]: rows of bits and theirs.
//!
//! `no_std`, no allocator, no floating point (except scale conversion behind the
//! host-only feature `scale`), no `unsafe`, and no panic: code here reaches slices
//! only through checked accessors, so a release link contains no panic symbol.
#![no_std]
#![cfg_attr(not(any(feature = "scale", test)), deny(clippy::float_arithmetic))]

#[cfg(test)]
extern crate std;

pub mod arith;
pub mod bits;
pub mod error;
pub mod hash;
mod included;
mod kernel_set;
pub mod kernels;
pub mod mem;
pub mod op;
pub mod operand;
pub mod ops;
pub mod pack;
pub mod slice;

pub use error::{Fault, Reject};
pub use kernel_set::{KernelSet, REFERENCE};
pub use kernels::{Kernels, Reference};
pub use op::Op;

/// The code in the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
