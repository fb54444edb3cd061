//! What devices say of their runs.

use link::MemoryUse;

/// What a device says of a run and of its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceFacts {
    /// Ticks of its clock in the steps of the run.
    pub ticks: u64,
    /// Ticks in a second.
    pub hz: u32,
    /// Memory in use at most.
    pub memory: MemoryUse,
}
