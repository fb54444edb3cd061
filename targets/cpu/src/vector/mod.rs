//! Kernels over vectors of bytes, a module for each architecture.
//!
//! Products are written over [`Isa`](isa::Isa), which each instruction set implements, look-ups over
//! [`Lookup`](isa::Lookup), and epilogues over [`Requantize`](isa::Requantize); all else is safe code in
//! loops that the compiler turns into vectors. Both are inlined into the functions of a
//! [`Compiled`](compiled::Compiled), which are compiled for its instructions, and a [`Set`](set::Set)
//! calls those where the CPU and the system offer them.

// The compact set for AArch64 uses a part of what is shared.
#![cfg_attr(all(target_arch = "aarch64", not(feature = "every-set")), allow(dead_code, unused_macros))]

#[macro_use]
mod compiled;

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod attention;
#[cfg(any(not(target_arch = "aarch64"), feature = "every-set"))]
mod binary;
mod conv2d;
mod isa;
mod linear;
mod matmul;
mod set;
mod shiftmax;
mod source;
#[cfg(target_arch = "wasm32")]
mod wasm;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64::COMPACT;
#[cfg(all(target_arch = "aarch64", feature = "every-set"))]
pub(crate) use aarch64::{KERNEL_SETS, PEAKS};
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm::KERNEL_SETS;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{KERNEL_SETS, PEAKS};
