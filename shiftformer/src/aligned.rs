//! Heap bytes that start at a multiple of 16.

use runtime::ARENA_ALIGN;

/// A fixed number of bytes, the first of which is at a multiple of [`ARENA_ALIGN`] on
/// every platform.
#[derive(Debug)]
pub(crate) struct AlignedBytes {
    /// Never reallocated, so that `start` stays right.
    storage: Vec<u8>,
    start: usize,
    len: usize,
}

impl AlignedBytes {
    /// `len` zeros.
    pub(crate) fn zeroed(len: usize) -> Self {
        let storage = vec![0; len + ARENA_ALIGN - 1];
        let start = storage.as_ptr().align_offset(ARENA_ALIGN);
        Self { storage, start, len }
    }

    /// A copy of `bytes`.
    pub(crate) fn copy_of(bytes: &[u8]) -> Self {
        let mut copy = Self::zeroed(bytes.len());
        copy.bytes_mut().copy_from_slice(bytes);
        copy
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.storage[self.start..self.start + self.len]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.start + self.len]
    }
}

impl From<Vec<u8>> for AlignedBytes {
    /// Takes `bytes` over where the allocator has aligned them, and copies them elsewhere.
    fn from(bytes: Vec<u8>) -> Self {
        if bytes.as_ptr().addr().is_multiple_of(ARENA_ALIGN) {
            Self { len: bytes.len(), start: 0, storage: bytes }
        } else {
            Self::copy_of(&bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_length_and_alignment() {
        for len in 0..40 {
            for bytes in [AlignedBytes::copy_of(&vec![7; len]), AlignedBytes::from(vec![7; len])] {
                assert_eq!(bytes.bytes(), vec![7; len]);
                assert!(bytes.bytes().is_empty() || bytes.bytes().as_ptr().addr() % ARENA_ALIGN == 0);
            }
        }
    }
}
