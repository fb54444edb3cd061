//! The one way to a model.

use crate::check;
use crate::container::{Header, is_aligned};
use crate::error::LoadError;
use crate::model::Model;

impl<'m> Model<'m> {
    /// Reads and checks a container in place. `bytes` must start at a multiple of 4 in
    /// memory (16 is preferred) and hold exactly one container.
    ///
    /// Takes time in proportion to the file plus the square of the number of
    /// instructions, and no memory.
    pub fn new(bytes: &'m [u8]) -> Result<Self, LoadError> {
        Self::with_crc(bytes, crate::crc32)
    }

    /// As [`new`](Self::new), with the caller's [`crc32`](crate::crc32): a peripheral's, or one
    /// with a wide table or of carry-less products.
    pub fn with_crc(bytes: &'m [u8], crc: impl FnOnce(&[u8]) -> u32) -> Result<Self, LoadError> {
        if !is_aligned(bytes) {
            return Err(LoadError::Misaligned);
        }
        let header = Header::decode(bytes, crc)?;
        let parts = bytes.split_at_checked(header.blobs.offset as usize);
        let (front, constants) = parts.ok_or(LoadError::Truncated)?;
        Self::checked_parts(front, constants, header)
    }

    /// As [`new`](Self::new), for a container whose constants, the last section of it, lie apart from
    /// the `front`, which is everything before them: for hosts that lay a program out anew over
    /// constants that stay where they are. Both must start at a multiple of 4 in memory. Everything is
    /// checked but for the CRC.
    pub fn in_parts(front: &'m [u8], constants: &'m [u8]) -> Result<Self, LoadError> {
        if !(is_aligned(front) && is_aligned(constants)) {
            return Err(LoadError::Misaligned);
        }
        let header = Header::of_front(front, front.len() as u64 + constants.len() as u64)?;
        Self::checked_parts(front, constants, header)
    }

    fn checked_parts(front: &'m [u8], constants: &'m [u8], header: Header) -> Result<Self, LoadError> {
        let model = Self::sections(front, constants, header)?;
        check::model(&model)?;
        Ok(model)
    }
}
