//! What can be wrong with evaluation data, in words its owner can act on.

use std::path::{Path, PathBuf};

/// What is wrong inside the bytes of one file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The bytes cannot be read or decompressed.
    #[error("cannot be read or decompressed: {0}")]
    Read(String),
    /// The data ends too early.
    #[error("is truncated: expected {expected} bytes of data, found {actual}")]
    Truncated {
        /// Bytes the header announces.
        expected: u64,
        /// Bytes there are.
        actual: u64,
    },
    /// There is more data than the header announces.
    #[error("has more data than the {expected} bytes that its header announces")]
    Trailing {
        /// Bytes the header announces.
        expected: u64,
    },
    /// The header announces more than the reader is allowed to hold.
    #[error("announces {bytes} bytes of data, more than the limit of {limit}")]
    TooLarge {
        /// Bytes the header announces; `u64::MAX` where even that overflows.
        bytes: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The first bytes are not those of the expected format.
    #[error("is not {expected}: it starts with the bytes {found:02x?}")]
    Magic {
        /// The format and its magic number.
        expected: &'static str,
        /// The first bytes.
        found: Vec<u8>,
    },
    /// The header of an npy array does not follow the format.
    #[error("has a malformed npy header: expected {0}")]
    Header(&'static str),
    /// The elements have another type than expected.
    #[error("holds elements of type `{found}`, expected {expected}")]
    DType {
        /// The types that would do.
        expected: &'static str,
        /// The type found, as NumPy writes it.
        found: String,
    },
    /// The array is stored column by column.
    #[error("is in Fortran order, expected C order (np.ascontiguousarray before saving)")]
    FortranOrder,
    /// The array has another shape than expected.
    #[error("has the shape {found:?}, expected {expected}")]
    Shape {
        /// The shapes that would do.
        expected: &'static str,
        /// The shape found.
        found: Vec<usize>,
    },
    /// A value does not fit the type it is read as.
    #[error("has the value {value} at position {index}, expected {expected}")]
    Value {
        /// Position in C order.
        index: usize,
        /// The value found.
        value: i128,
        /// The values that would do.
        expected: &'static str,
    },
    /// An image cannot be decoded.
    #[error("expected a PNG, JPEG, WebP, TIFF, BMP or PNM image: {0}")]
    Image(String),
    /// The archive lacks an array.
    #[error("has no array `{name}`, only: {present}")]
    NoMember {
        /// The array's name, without `.npy`.
        name: String,
        /// The names of the first arrays there are.
        present: String,
    },
    /// One array of an archive is wrong.
    #[error("the array `{name}` {problem}")]
    Member {
        /// The array's name, without `.npy`.
        name: String,
        /// What is wrong with it.
        problem: Box<FormatError>,
    },
}

/// Why a data set, or one image of it, cannot be used. Every message names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file or folder cannot be opened or read.
    #[error("{path}: cannot be read: {reason}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The reason.
        reason: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{path}: {problem}", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with its bytes.
        problem: FormatError,
    },
    /// The file is none of the kinds of data there are.
    #[error(
        "{path}: expected a folder of images, an .npz archive or an IDX images file, \
         found {found}",
        path = path.display()
    )]
    Unrecognised {
        /// The file.
        path: PathBuf,
        /// What it seems to be.
        found: &'static str,
    },
    /// A folder of images holds something else.
    #[error(
        "{path}: expected only image files (png, jpg, jpeg, webp, tif, tiff, bmp, ppm, pgm) beside the images",
        path = path.display()
    )]
    Stray {
        /// The file or folder that is not an image.
        path: PathBuf,
    },
    /// A folder holds images as well as class folders.
    #[error(
        "{path}: expected either images or class folders, found both, for example {example}",
        path = path.display(),
        example = example.display()
    )]
    Mixed {
        /// The data folder.
        path: PathBuf,
        /// An image directly inside it.
        example: PathBuf,
    },
    /// A folder for a class holds no image.
    #[error("{path}: the folder of a class holds no image", path = path.display())]
    EmptyClass {
        /// The folder.
        path: PathBuf,
    },
    /// The folders are parts of a data set, not classes.
    #[error("{path}: holds parts of a data set ({parts}), not a folder for each class", path = path.display())]
    Splits {
        /// The data folder.
        path: PathBuf,
        /// The parts.
        parts: String,
    },
    /// A class folder has the name of no class.
    #[error("{path}: no class of the model has the name of this folder", path = path.display())]
    UnknownClass {
        /// The folder.
        path: PathBuf,
        /// Other folders that have the name of a class.
        matched: usize,
    },
    /// A class folder has the name of several classes.
    #[error("{path}: several classes of the model have the name of this folder: {classes:?}", path = path.display())]
    AmbiguousClass {
        /// The folder.
        path: PathBuf,
        /// The classes, counted from 0.
        classes: Vec<usize>,
    },
    /// There is no image at all.
    #[error("{path}: expected at least one image, found none", path = path.display())]
    Empty {
        /// The data set.
        path: PathBuf,
    },
    /// There are not as many labels as images.
    #[error(
        "{path}: expected a label for each of the {images} images, found {labels} labels",
        path = path.display()
    )]
    LabelCount {
        /// The file with the labels.
        path: PathBuf,
        /// Images in the data set.
        images: usize,
        /// Labels found.
        labels: usize,
    },
    /// Labels were asked for and there are none.
    #[error("{path}: the images have no labels, expected {expected}", path = path.display())]
    Unlabelled {
        /// The data set.
        path: PathBuf,
        /// Where labels are looked for.
        expected: String,
    },
    /// There is no image of that index.
    #[error("{path}: there is no image {index}, expected less than {len}", path = path.display())]
    Index {
        /// The data set.
        path: PathBuf,
        /// The index asked for.
        index: usize,
        /// Images in the data set.
        len: usize,
    },
}

impl DataError {
    /// Says that `path` cannot be read.
    pub(super) fn io(path: &Path) -> impl Fn(std::io::Error) -> Self {
        move |reason| DataError::Io { path: path.into(), reason }
    }

    /// Says that the contents of `path` are wrong.
    pub(super) fn format(path: &Path) -> impl Fn(FormatError) -> Self {
        move |problem| DataError::Format { path: path.into(), problem }
    }

    /// Advice to print below the message, where there is some.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            DataError::Format { problem, .. } => problem.hint(),
            DataError::Unrecognised { .. } => Some(
                "put single images into a folder; save arrays with \
                 np.savez(path, images=…, labels=…)",
            ),
            DataError::Stray { .. } => Some(
                "hidden files are skipped; convert other image formats to PNG; \
                 give an .npz or IDX file itself, not its folder",
            ),
            DataError::Mixed { .. } => {
                Some("move every image into the folder of its class, or remove the class folders")
            }
            DataError::EmptyClass { .. } => Some(
                "put its images there, or remove the folder where training had no such class: classes \
                 are numbered in the order of the folders' names",
            ),
            DataError::UnknownClass { .. } | DataError::AmbiguousClass { .. } => {
                Some("rename the folder as its class is called, or give names of classes with --labels FILE")
            }
            DataError::Splits { .. } => Some("give the folder of one part, such as val"),
            DataError::LabelCount { .. } => {
                Some("images and labels must come from the same split, for example both from t10k")
            }
            DataError::Io { .. }
            | DataError::Empty { .. }
            | DataError::Unlabelled { .. }
            | DataError::Index { .. } => None,
        }
    }
}

impl FormatError {
    /// Advice to print below the message, where there is some.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            FormatError::Truncated { .. } | FormatError::Read(_) => {
                Some("the file may be incomplete: copy or download it again")
            }
            FormatError::Image(_) => {
                Some("remove or re-encode the file; images may have up to 16384 × 16384 pixels")
            }
            FormatError::Shape { found, .. } if found.len() == 1 => {
                Some("this looks like a file of labels: give the images file beside it")
            }
            FormatError::Member { name, problem } => match **problem {
                FormatError::Shape { .. } if name == "images" => Some(
                    "images.transpose(0, 3, 1, 2) makes N×C×H×W of N×H×W×C, \
                     images[:, None] of N×H×W",
                ),
                FormatError::DType { .. } if name == "images" => {
                    Some("images must be raw pixels: save them with .astype(np.uint8), not normalised")
                }
                _ => problem.hint(),
            },
            _ => None,
        }
    }
}

impl From<std::io::Error> for FormatError {
    fn from(error: std::io::Error) -> Self {
        FormatError::Read(error.to_string())
    }
}
