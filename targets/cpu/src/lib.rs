//! Kernels for CPUs.
//!
//! [`Portable`] is safe Rust that any compiler vectorises; it reads weights in 16-channel
//! panels. Each architecture has a module beside it, with a set for each of its instruction sets.
#![no_std]
#![deny(clippy::float_arithmetic)]

#[cfg(any(test, target_arch = "aarch64", target_arch = "x86_64", feature = "threads"))]
extern crate std;

mod peak;
mod portable;
#[cfg(feature = "threads")]
mod split;
#[cfg(any(
    target_arch = "aarch64",
    target_arch = "x86_64",
    all(target_arch = "wasm32", target_feature = "simd128")
))]
#[allow(unsafe_code)]
mod vector;

pub use peak::Peak;
pub use portable::Portable;
use quant::KernelSet;
#[cfg(feature = "threads")]
use split::Split;
#[cfg(feature = "threads")]
pub use split::{Part, shared};

/// Without threads, kernels as they are.
#[cfg(not(feature = "threads"))]
type Split<K> = K;

/// The kernel sets for CPUs, the fastest first. The last one runs everywhere.
#[cfg(target_arch = "x86_64")]
pub static KERNEL_SETS: &[KernelSet] = &{
    let [amx, avx512vnni, avxvnni, avx2] = vector::KERNEL_SETS;
    [amx, avx512vnni, avxvnni, avx2, PORTABLE]
};

/// The kernel sets for CPUs, the fastest first. The last one runs everywhere.
#[cfg(all(target_arch = "aarch64", feature = "every-set"))]
pub static KERNEL_SETS: &[KernelSet] = &{
    let [i8mm, dotprod, neon] = vector::KERNEL_SETS;
    [i8mm, dotprod, neon, vector::COMPACT, PORTABLE]
};

/// The kernel sets for CPUs, the fastest first. The last one runs everywhere.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub static KERNEL_SETS: &[KernelSet] = &{
    let [simd128] = vector::KERNEL_SETS;
    [simd128, PORTABLE]
};

/// The kernel set in the least code. It runs everywhere.
#[cfg(all(target_arch = "aarch64", not(feature = "every-set")))]
pub static KERNEL_SETS: &[KernelSet] = &[vector::COMPACT];

/// The kernel sets for CPUs.
#[cfg(not(any(
    target_arch = "aarch64",
    target_arch = "x86_64",
    all(target_arch = "wasm32", target_feature = "simd128")
)))]
pub static KERNEL_SETS: &[KernelSet] = &[PORTABLE];

#[cfg(any(not(target_arch = "aarch64"), feature = "every-set"))]
const PORTABLE: KernelSet = KernelSet::of::<Split<Portable>>(|| true);

/// The code in the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
