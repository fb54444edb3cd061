//! `.npz` archives: zip files of `.npy` arrays.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use crate::error::{DataError, FormatError};
use crate::limits::Limits;
use crate::memory::Planar;
use crate::npy::{self, Array};
use crate::targets::Targets;

#[cfg(test)]
mod tests;
mod write;

pub use write::Writer;

/// First bytes of a zip archive with at least one member.
pub(super) const MAGIC: [u8; 4] = *b"PK\x03\x04";

/// Images and labels as an archive holds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrays {
    /// The array `images`.
    pub images: Planar,
    /// The array `labels`, N integers, if there is one.
    pub labels: Option<Vec<u32>>,
    /// The array `labels`, if it is of another type or has more dimensions.
    pub targets: Option<Targets>,
}

/// Reads `images` and `labels` from an archive's bytes.
///
/// # Errors
///
/// As [`read`].
pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Arrays, FormatError> {
    read(Cursor::new(bytes), limits)
}

/// Reads `images` (`u8`, N×C×H×W, C order) and, if present, `labels` from an archive. N integers
/// of any width are classes; floats, booleans and arrays of more dimensions are [`Targets`].
/// `limits` holds for each array.
///
/// # Errors
///
/// [`FormatError::Read`] for a damaged archive, [`FormatError::NoMember`] without
/// `images`, and [`FormatError::Member`] with what is wrong with an array.
pub fn read(reader: impl Read + Seek, limits: &Limits) -> Result<Arrays, FormatError> {
    let mut archive = open(reader)?;
    let images = required(&mut archive, "images", limits)?;
    let images = within("images", || {
        expect_shape(&images, "N×C×H×W", |shape| shape.len() == 4)?;
        Planar::new(images)
    })?;
    let (labels, targets) = match member(&mut archive, "labels", limits)? {
        Some(labels) if labels.is_integer() && matches!(labels.shape(), [_] | [_, 1]) => {
            (Some(within("labels", || labels.to_u32())?), None)
        }
        Some(labels) => {
            within("labels", || {
                expect_shape(&labels, "N, or N and more dimensions", |shape| !shape.is_empty())
            })?;
            (None, Some(Targets::new(labels)))
        }
        None => (None, None),
    };
    Ok(Arrays { images, labels, targets })
}

/// The shape and elements of the 32-bit float array `name` in the archive at `path`.
///
/// `name` is as NumPy gives it, without `.npy`; it may contain `/`.
///
/// # Errors
///
/// [`DataError::Io`] and [`DataError::Format`].
pub fn read_f32(path: &Path, name: &str) -> Result<(Vec<usize>, Vec<f32>), DataError> {
    read_member(path, name, Array::to_f32)
}

/// The shape and elements of the integer array `name` in the archive at `path`.
///
/// Integers of every width are read, as long as the values fit an `i32`.
///
/// # Errors
///
/// As [`read_f32`].
pub fn read_i32(path: &Path, name: &str) -> Result<(Vec<usize>, Vec<i32>), DataError> {
    read_member(path, name, Array::to_i32)
}

fn read_member<T>(
    path: &Path,
    name: &str,
    elements: impl FnOnce(&Array) -> Result<Vec<T>, FormatError>,
) -> Result<(Vec<usize>, Vec<T>), DataError> {
    let file = File::open(path).map_err(DataError::io(path))?;
    let read = || {
        let mut archive = open(BufReader::new(file))?;
        let array = required(&mut archive, name, &Limits::default())?;
        let elements = within(name, || elements(&array))?;
        Ok((array.shape().to_vec(), elements))
    };
    read().map_err(DataError::format(path))
}

fn open<R: Read + Seek>(reader: R) -> Result<ZipArchive<R>, FormatError> {
    ZipArchive::new(reader).map_err(|error| FormatError::Read(error.to_string()))
}

fn required<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    name: &str,
    limits: &Limits,
) -> Result<Array, FormatError> {
    match member(archive, name, limits)? {
        Some(array) => Ok(array),
        None => Err(FormatError::NoMember { name: name.into(), present: first_names(archive) }),
    }
}

/// The array `name`, or `None` where the archive has no such member.
fn member<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    name: &str,
    limits: &Limits,
) -> Result<Option<Array>, FormatError> {
    match archive.by_name(&format!("{name}.npy")) {
        Ok(member) => within(name, || npy::read(member, limits)).map(Some),
        Err(ZipError::FileNotFound) => Ok(None),
        Err(error) => within(name, || Err(FormatError::Read(error.to_string()))),
    }
}

/// Names the first arrays of an archive, for a message.
fn first_names<R: Read + Seek>(archive: &ZipArchive<R>) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<String> = archive
        .file_names_raw()
        .take(SHOWN)
        .map(|name| String::from_utf8_lossy(name).trim_end_matches(".npy").into())
        .collect();
    match archive.len() {
        0 => names.push("nothing".into()),
        len if len > SHOWN => names.push(format!("and {} more", len - SHOWN)),
        _ => {}
    }
    names.join(", ")
}

/// Says which array a problem is in.
fn within<T>(name: &str, body: impl FnOnce() -> Result<T, FormatError>) -> Result<T, FormatError> {
    body().map_err(|problem| FormatError::Member { name: name.into(), problem: Box::new(problem) })
}

fn expect_shape(
    array: &Array,
    expected: &'static str,
    fits: impl FnOnce(&[usize]) -> bool,
) -> Result<(), FormatError> {
    if fits(array.shape()) {
        Ok(())
    } else {
        Err(FormatError::Shape { expected, found: array.shape().to_vec() })
    }
}
