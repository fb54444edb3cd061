//! A kernel set for each instruction set, in as much code as is fast.

mod count;
mod i8mm;
mod neon;
mod peak;

pub(crate) use peak::PEAKS;
use quant::KernelSet;

use super::{dotprod, is_detected};
use crate::Split;
use crate::vector::compiled::Compiled;
use crate::vector::set::Set;

/// The fastest first.
pub(crate) const KERNEL_SETS: [KernelSet; 3] = [
    KernelSet::of::<Split<Set<I8mm>>>(I8mm::is_available),
    KernelSet::of::<Split<Set<DotProd>>>(DotProd::is_available),
    KernelSet::of::<Split<Set<Neon>>>(Neon::is_available),
];

compiled! {
    /// NEON with products of matrices of int8: Cortex-X2, Cortex-A510, Neoverse-V1, Apple's M2, and later.
    I8mm "i8mm",
    for "neon,dotprod,i8mm",
    where ["neon" "dotprod" "i8mm"],
    linear: i8mm::I8mm<false>, 12 x 2,
    unsigned: i8mm::I8mm<true>, 12 x 2
}

compiled! {
    /// NEON with products of four bytes: Cortex-A55, Cortex-A75, Apple's A13, and later.
    DotProd "dotprod",
    for "neon,dotprod",
    where ["neon" "dotprod"],
    linear: dotprod::DotProd<false>, 6 x 1,
    unsigned: dotprod::DotProd<true>, 6 x 1
}

compiled! {
    /// NEON: all of AArch64.
    Neon "neon",
    for "neon",
    where ["neon"],
    linear: neon::Neon, 2 x 1,
    unsigned: neon::NeonUnsigned, 2 x 1
}
