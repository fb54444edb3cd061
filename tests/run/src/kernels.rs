//! The kernel sets that are tested: every row of every target.

use quant::{KernelSet, REFERENCE};

/// Every kernel set that runs on this machine, the reference first.
pub fn kernel_sets() -> impl Iterator<Item = &'static KernelSet> {
    let rows = [std::slice::from_ref(&REFERENCE), mcu::KERNEL_SETS, cpu::KERNEL_SETS];
    rows.into_iter().flatten().filter(|set| set.is_available())
}

/// Every kernel set for CPUs of this architecture, also those that do not run on this machine.
pub fn for_cpus() -> &'static [KernelSet] {
    cpu::KERNEL_SETS
}

/// The fastest that runs.
pub fn fastest() -> &'static KernelSet {
    cpu::KERNEL_SETS.iter().find(|set| set.is_available()).expect("the last one runs everywhere")
}
