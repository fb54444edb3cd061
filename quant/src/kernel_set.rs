//! One row for every kernel set.

use core::fmt;

use crate::error::Fault;
use crate::kernels::{Kernels, Reference};
use crate::mem::{Memory, Window};
use crate::op::Op;
use crate::pack::Packs;

/// A kernel set as a value. The crate of a target lists its rows; dispatch, the command line,
/// tests and benchmarks read them.
#[derive(Clone, Copy)]
pub struct KernelSet {
    name: fn() -> &'static str,
    packs: fn() -> Packs,
    is_available: fn() -> bool,
    run: fn(&Op, &mut Memory<'_>, Window) -> Result<(), Fault>,
}

impl KernelSet {
    /// The set `K`, which may run where `is_available` says so. It keeps nothing from one
    /// instruction to the next.
    pub const fn of<K: Kernels + Default>(is_available: fn() -> bool) -> Self {
        Self {
            name: || K::default().name(),
            packs: || K::default().preferred_packs(),
            is_available,
            run: |op, memory, window| op.run(&mut K::default(), memory, window),
        }
    }

    /// The name used in reports and on the command line.
    pub fn name(&self) -> &'static str {
        (self.name)()
    }

    /// The weight layouts that this set is fastest on; it runs every other one too.
    pub fn packs(&self) -> Packs {
        (self.packs)()
    }

    /// Whether this machine and its system can run it.
    pub fn is_available(&self) -> bool {
        (self.is_available)()
    }

    /// Runs the rows of `window` of `op`, as [`Op::run`].
    pub fn run(&self, op: &Op, memory: &mut Memory<'_>, window: Window) -> Result<(), Fault> {
        (self.run)(op, memory, window)
    }
}

impl fmt::Debug for KernelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The scalar reference.
pub static REFERENCE: KernelSet = KernelSet::of::<Reference>(|| true);
