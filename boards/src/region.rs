//! A piece of the address space.

/// Bytes in a KiB.
pub(crate) const KIB: u32 = 1 << 10;
/// Bytes in a MiB.
pub(crate) const MIB: u32 = 1 << 20;

/// Memory that is contiguous in the address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// The address of its first byte.
    pub start: u32,
    /// Its size.
    pub bytes: u32,
}

impl Region {
    /// `bytes` bytes from `start` on.
    pub const fn new(start: u32, bytes: u32) -> Self {
        Self { start, bytes }
    }

    /// The address behind its last byte.
    pub const fn end(self) -> u64 {
        self.start as u64 + self.bytes as u64
    }

    /// Whether all of `bytes` bytes from `start` on lie in it.
    pub const fn contains(self, start: u64, bytes: u64) -> bool {
        start >= self.start as u64 && start <= self.end() && bytes <= self.end() - start
    }
}
