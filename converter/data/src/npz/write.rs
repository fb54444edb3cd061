//! Writing `.npz` archives.

use std::io::{self, Seek, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::npy::{self, Element};

/// An archive under construction, as `numpy.savez` writes them: arrays are not compressed, and the
/// same arrays give the same bytes.
pub struct Writer<W: Write + Seek> {
    zip: ZipWriter<W>,
}

impl<W: Write + Seek> Writer<W> {
    /// An archive that goes to `writer`.
    pub fn new(writer: W) -> Self {
        Self { zip: ZipWriter::new(writer) }
    }

    /// Appends `values`, in C order, under `name`.
    ///
    /// # Errors
    ///
    /// Those of the writer, and [`io::ErrorKind::InvalidInput`] for a second array of one name,
    /// and unless there are as many values as `shape` says.
    pub fn array<T: Element>(&mut self, name: &str, shape: &[usize], values: &[T]) -> io::Result<()> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .large_file(values.len() as u64 * 4 >= u64::from(u32::MAX) / 2);
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        self.zip.start_file(format!("{name}.npy"), options).map_err(invalid)?;
        npy::write(&mut self.zip, shape, values)
    }

    /// Ends the archive and returns the writer.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn finish(self) -> io::Result<W> {
        Ok(self.zip.finish()?)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::limits::Limits;

    #[test]
    fn what_is_written_is_read_back() {
        let mut writer = Writer::new(Cursor::new(Vec::new()));
        writer.array("map", &[2, 1, 2], &[0.5_f32, -1.0, 2.0, 3.5]).unwrap();
        writer.array("map.int", &[4], &[1_i32, -2, 4, i32::MAX]).unwrap();
        assert_eq!(writer.array("map", &[0], &[] as &[f32]).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        let mut bytes = writer.finish().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes.get_ref()).unwrap();
        let map = super::super::read_f32(file.path(), "map").unwrap();
        assert_eq!(map, (vec![2, 1, 2], vec![0.5, -1.0, 2.0, 3.5]));
        let ints = super::super::read_i32(file.path(), "map.int").unwrap();
        assert_eq!(ints, (vec![4], vec![1, -2, 4, i32::MAX]));
        bytes.set_position(0);
        assert!(super::super::read(bytes, &Limits::default()).is_err(), "there are no images in it");
    }

    /// The header of each number of dimensions as NumPy 2 writes it.
    #[test]
    fn headers_are_those_of_numpy() {
        for (shape, tuple) in
            [(&[][..], "()"), (&[3], "(3,)"), (&[3, 1], "(3, 1)"), (&[1, 1, 3], "(1, 1, 3)")]
        {
            let mut bytes = Vec::new();
            let values = vec![1.0_f32; shape.iter().product()];
            npy::write(&mut bytes, shape, &values).unwrap();
            let dict = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {tuple}, }}");
            assert!(bytes[10..].starts_with(dict.as_bytes()), "{tuple}");
            assert_eq!((bytes.len() - 4 * values.len()) % 64, 0);
        }
        let refused = npy::write(Vec::new(), &[2, 2], &[1_i32]).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    }
}
