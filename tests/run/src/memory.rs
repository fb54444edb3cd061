//! Bytes at a chosen alignment.

use std::ops::{Deref, DerefMut};

const ALIGN: usize = 16;

/// Bytes that start at a multiple of 16, or a chosen distance past one.
#[derive(Clone, Debug)]
pub struct Aligned {
    storage: Box<[u8]>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// `len` bytes of value `fill`.
    pub fn filled(len: usize, fill: u8) -> Self {
        Self::skewed(&vec![fill; len], 0)
    }

    /// A copy of `bytes`.
    pub fn copy(bytes: &[u8]) -> Self {
        Self::skewed(bytes, 0)
    }

    /// A copy of `bytes` that starts `skew` bytes past a multiple of 16.
    pub fn skewed(bytes: &[u8], skew: usize) -> Self {
        let mut storage = vec![0; bytes.len() + 2 * ALIGN + skew].into_boxed_slice();
        let address = storage.as_ptr().addr();
        let start = address.next_multiple_of(ALIGN) - address + skew;
        storage[start..][..bytes.len()].copy_from_slice(bytes);
        Self { storage, start, len: bytes.len() }
    }
}

impl Deref for Aligned {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.storage[self.start..][..self.len]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..][..self.len]
    }
}
