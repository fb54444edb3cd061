//! Heap bytes that start at a cache line.

/// Bytes of a cache line: a multiple of what arenas and containers ask for.
const LINE: usize = 64;
const _: () = assert!(LINE.is_multiple_of(runtime::ARENA_ALIGN));

/// A fixed number of bytes, the first of which is at a multiple of [`LINE`] on
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
        let storage = vec![0; len + LINE - 1];
        let start = storage.as_ptr().align_offset(LINE);
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
    /// Moves `bytes` to a cache line within their own memory where there is room for that, and copies
    /// them elsewhere.
    fn from(mut bytes: Vec<u8>) -> Self {
        let (len, start) = (bytes.len(), bytes.as_ptr().align_offset(LINE));
        if bytes.capacity() - len < start {
            return Self::copy_of(&bytes);
        }
        bytes.resize(len + start, 0);
        bytes.copy_within(..len, start);
        Self { storage: bytes, start, len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_length_and_alignment() {
        for len in 0..40 {
            let mut roomy = Vec::with_capacity(len + LINE);
            roomy.resize(len, 7);
            for bytes in [AlignedBytes::copy_of(&roomy), roomy.into(), vec![7; len].into()] {
                assert_eq!(bytes.bytes(), vec![7; len]);
                assert!(bytes.bytes().is_empty() || bytes.bytes().as_ptr().addr() % LINE == 0);
            }
        }
    }
}
