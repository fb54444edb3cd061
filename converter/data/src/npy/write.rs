//! Writing `.npy` files of version 1.0.

use std::io::{self, Write};

use super::header::MAGIC;

/// Header sizes are a multiple of this, so that mapped data is aligned.
pub(super) const ALIGN: usize = 64;

/// A type of elements that is written.
pub trait Element: Copy {
    /// NumPy's notation.
    const DESCR: &'static str;

    /// Its bytes, the lowest first.
    fn bytes(self) -> [u8; 4];
}

impl Element for f32 {
    const DESCR: &'static str = "<f4";

    fn bytes(self) -> [u8; 4] {
        self.to_le_bytes()
    }
}

impl Element for i32 {
    const DESCR: &'static str = "<i4";

    fn bytes(self) -> [u8; 4] {
        self.to_le_bytes()
    }
}

/// Writes an array of `shape`, its elements in C order.
///
/// # Errors
///
/// Those of `writer`, and [`io::ErrorKind::InvalidInput`] unless there are as many values as
/// `shape` says.
pub fn write<T: Element>(mut writer: impl Write, shape: &[usize], values: &[T]) -> io::Result<()> {
    let count = shape.iter().try_fold(1usize, |count, &len| count.checked_mul(len));
    let dims: String = shape.iter().map(|len| format!("{len}, ")).collect();
    // A tuple of one has its comma, others end without.
    let dims = if shape.len() == 1 { dims.trim_end() } else { dims.trim_end_matches(", ") };
    let dict = format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({dims}), }}", T::DESCR);
    let prefix = MAGIC.len() + 4;
    let total = (prefix + dict.len() + 1).next_multiple_of(ALIGN);
    let text = format!("{dict:<width$}\n", width = total - prefix - 1);
    let len = u16::try_from(text.len()).ok().filter(|_| count == Some(values.len()));
    let Some(len) = len else {
        let what = format!("{} values do not make an array of {shape:?}", values.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    };
    writer.write_all(MAGIC)?;
    writer.write_all(&[1, 0])?;
    writer.write_all(&len.to_le_bytes())?;
    writer.write_all(text.as_bytes())?;
    for part in values.chunks(1024) {
        let bytes: Vec<u8> = part.iter().flat_map(|value| value.bytes()).collect();
        writer.write_all(&bytes)?;
    }
    writer.flush()
}
