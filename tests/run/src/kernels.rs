//! The table of kernel sets. A set that is not here is not tested.

use quant::pack::Packs;
use quant::{Fault, Kernels};
use runtime::{Progress, Session};

/// A kernel set behind a dyn-safe face.
pub trait KernelSet {
    /// Its name.
    fn name(&self) -> &'static str;
    /// The layouts it likes its weights in.
    fn packs(&self) -> Packs;
    /// One step of `session`.
    fn step(&mut self, session: &mut Session<'_, '_>) -> Result<Progress, Fault>;
}

impl<K: Kernels> KernelSet for K {
    fn name(&self) -> &'static str {
        Kernels::name(self)
    }

    fn packs(&self) -> Packs {
        self.preferred_packs()
    }

    fn step(&mut self, session: &mut Session<'_, '_>) -> Result<Progress, Fault> {
        session.step(self)
    }
}

/// Makes a kernel set.
pub type MakeKernels = fn() -> Box<dyn KernelSet>;

/// Every kernel set that runs on this machine, the reference first.
pub const KERNEL_SETS: &[MakeKernels] = &[
    || Box::new(quant::Reference),
    || Box::new(mcu::Plain),
    || Box::new(mcu::Dsp),
    || Box::new(mcu::Mve),
    || Box::new(cpu::Portable),
];

/// The fastest of them.
pub const FASTEST: MakeKernels = KERNEL_SETS[KERNEL_SETS.len() - 1];
