//! The one way to a model.

use crate::check;
use crate::container::Header;
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
    /// with a wide table.
    pub fn with_crc(bytes: &'m [u8], crc: impl FnOnce(&[u8]) -> u32) -> Result<Self, LoadError> {
        if bytes.as_ptr().addr() % 4 != 0 {
            return Err(LoadError::Misaligned);
        }
        let header = Header::decode(bytes, crc)?;
        let model = Self::sections(bytes, header)?;
        check::model(&model)?;
        Ok(model)
    }
}
