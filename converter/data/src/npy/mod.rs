//! NumPy's `.npy` arrays: reading any numeric one, writing outputs.
//!
//! The header is a Python dictionary; only the literals that NumPy itself writes
//! are understood, and nothing is allocated from a size that a header announces.
//!
//! Read here, in 280 lines without tests, because the crates for it allocate what a header
//! announces before they read it: `npyz` 0.9.1 and `ndarray-npy` 0.10.0 the header, up to 4 GiB
//! for a file of twelve bytes, and `ndarray-npy` the elements too. Each brings 17 crates, among
//! them one that compiles assembler, and reads one element type that is chosen in advance.

use std::io::Read;

use crate::error::FormatError;
use crate::limits::Limits;

mod dtype;
mod header;
mod reals;
#[cfg(test)]
pub(crate) mod tests;
mod write;

pub use dtype::DType;
use dtype::{Kind, integer};
use header::Header;
pub use write::{Element, write};

/// An array in C order, its elements still as the file's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Array {
    shape: Vec<usize>,
    dtype: DType,
    data: Vec<u8>,
}

impl Array {
    /// Reads the elements of an array whose header has been read.
    ///
    /// Memory grows with the bytes that really arrive. `reader` must end with the
    /// array.
    ///
    /// # Errors
    ///
    /// [`FormatError::TooLarge`] before reading anything, then
    /// [`FormatError::Truncated`], [`FormatError::Trailing`] or
    /// [`FormatError::Read`].
    pub(crate) fn read_data(
        mut reader: impl Read,
        shape: Vec<usize>,
        dtype: DType,
        limits: &Limits,
    ) -> Result<Self, FormatError> {
        let product = |bytes: u64, &dim: &usize| bytes.checked_mul(dim as u64);
        let expected = match shape.iter().try_fold(dtype.size as u64, product) {
            Some(bytes) if bytes <= limits.max_bytes => bytes,
            over => {
                return Err(FormatError::TooLarge {
                    bytes: over.unwrap_or(u64::MAX),
                    limit: limits.max_bytes,
                });
            }
        };
        let mut data = Vec::new();
        reader.by_ref().take(expected).read_to_end(&mut data)?;
        let actual = data.len() as u64;
        if actual < expected {
            return Err(FormatError::Truncated { expected, actual });
        }
        if reader.take(1).read_to_end(&mut Vec::new())? > 0 {
            return Err(FormatError::Trailing { expected });
        }
        Ok(Array { shape, dtype, data })
    }

    /// Length of every dimension.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements of a `u8` array.
    ///
    /// # Errors
    ///
    /// [`FormatError::DType`] for any other type.
    pub fn into_u8(self) -> Result<Vec<u8>, FormatError> {
        if self.dtype == DType::U8 {
            Ok(self.data)
        } else {
            Err(self.dtype.mismatch("unsigned bytes (|u1, np.uint8)"))
        }
    }

    /// The elements of a 32-bit float array.
    ///
    /// # Errors
    ///
    /// [`FormatError::DType`] for any other type.
    pub fn to_f32(&self) -> Result<Vec<f32>, FormatError> {
        if self.dtype.kind != Kind::Float || self.dtype.size != 4 {
            return Err(self.dtype.mismatch("32-bit floats (<f4, np.float32)"));
        }
        let (elements, _) = self.data.as_chunks::<4>();
        let value = if self.dtype.big_endian { f32::from_be_bytes } else { f32::from_le_bytes };
        Ok(elements.iter().map(|&bytes| value(bytes)).collect())
    }

    /// The elements of an integer array of any width, if all fit an `i32`.
    ///
    /// # Errors
    ///
    /// [`FormatError::DType`] for other types and [`FormatError::Value`] for an
    /// element out of range.
    pub fn to_i32(&self) -> Result<Vec<i32>, FormatError> {
        self.to_integers("a 32-bit integer")
    }

    /// The elements of an integer array of any width, if all fit a `u32`.
    ///
    /// # Errors
    ///
    /// As [`to_i32`](Self::to_i32).
    pub fn to_u32(&self) -> Result<Vec<u32>, FormatError> {
        self.to_integers("a value from 0 to 4294967295")
    }

    fn to_integers<T: TryFrom<i128>>(&self, expected: &'static str) -> Result<Vec<T>, FormatError> {
        let signed = match self.dtype.kind {
            Kind::Signed => true,
            Kind::Unsigned => false,
            Kind::Bool | Kind::Float => return Err(self.dtype.mismatch("integers")),
        };
        self.data
            .chunks_exact(self.dtype.size)
            .enumerate()
            .map(|(index, bytes)| {
                let value = integer(bytes, self.dtype.big_endian, signed);
                T::try_from(value).map_err(|_| FormatError::Value { index, value, expected })
            })
            .collect()
    }
}

/// Reads one `.npy` array, to the end of `reader`.
///
/// # Errors
///
/// Any [`FormatError`] that concerns one array.
pub fn read(mut reader: impl Read, limits: &Limits) -> Result<Array, FormatError> {
    let header = Header::read(&mut reader)?;
    if header.fortran_order {
        return Err(FormatError::FortranOrder);
    }
    Array::read_data(reader, header.shape, header.dtype, limits)
}

/// Reads one `.npy` array from its bytes.
///
/// # Errors
///
/// As [`read`].
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Array, FormatError> {
    read(bytes, limits)
}
