//! Bytes where the runtime wants them.

use runtime::ARENA_ALIGN;

/// A fixed number of heap bytes, the first of which is at a multiple of [`ARENA_ALIGN`].
pub(super) struct Aligned {
    /// Never reallocated, so that `start` stays right.
    storage: Box<[u8]>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// `len` zeros.
    pub(super) fn zeroed(len: usize) -> Self {
        let storage = vec![0; len + ARENA_ALIGN - 1].into_boxed_slice();
        let start = storage.as_ptr().align_offset(ARENA_ALIGN);
        Self { storage, start, len }
    }

    /// A copy of `bytes`.
    pub(super) fn copy_of(bytes: &[u8]) -> Self {
        let mut copy = Self::zeroed(bytes.len());
        copy.bytes_mut().copy_from_slice(bytes);
        copy
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.storage[self.start..self.start + self.len]
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.start + self.len]
    }
}
