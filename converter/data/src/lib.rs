//! Evaluation and calibration data: images and labels from folders, NumPy archives
//! and IDX files.
//!
//! [`open`] recognises the kind of data; a [`Dataset`] then gives images one by one.
//! Files are not trusted: nothing is allocated from a size that a header announces,
//! and [`Limits`] bounds what is read. The byte-level functions [`idx::parse`],
//! [`npz::parse`], [`npy::parse`] and [`picture::parse`] take arbitrary bytes.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

mod classes;
mod error;
mod folder;
pub mod idx;
mod jpeg;
mod limits;
mod memory;
pub mod npy;
pub mod npz;
pub mod picture;
mod targets;
#[cfg(test)]
mod tests;

pub use error::{DataError, FormatError};
pub use limits::Limits;
pub use memory::{Image, Planar};
pub use targets::Targets;

/// The code in the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Images, and what is known about their classes.
#[derive(Debug)]
pub struct Dataset {
    path: PathBuf,
    images: Images,
    labels: Option<Vec<u32>>,
    targets: Option<Targets>,
    classes: Option<Vec<String>>,
    limits: Limits,
}

#[derive(Debug)]
enum Images {
    /// Decoded one by one, when asked for.
    Files(Vec<PathBuf>),
    Planar(Planar),
}

/// Opens a folder of class folders, a folder of images, an `.npz` archive or an IDX
/// images file, within the default [`Limits`].
///
/// # Errors
///
/// A [`DataError`] that names the file. Images in folders are decoded later.
pub fn open(path: &Path) -> Result<Dataset, DataError> {
    open_within(path, Limits::default())
}

/// As [`open`], within the given limits.
///
/// # Errors
///
/// As [`open`].
pub fn open_within(path: &Path, limits: Limits) -> Result<Dataset, DataError> {
    let metadata = fs::metadata(path).map_err(DataError::io(path))?;
    let dataset = if metadata.is_dir() {
        open_folder(path, limits)?
    } else if metadata.is_file() {
        open_file(path, limits)?
    } else {
        return Err(DataError::Unrecognised { path: path.into(), found: "neither a file nor a folder" });
    };
    if dataset.is_empty() {
        return Err(DataError::Empty { path: path.into() });
    }
    Ok(dataset)
}

/// Decodes one image file within the default [`Limits`]: see [`picture::parse`].
///
/// # Errors
///
/// [`DataError::Io`] or [`DataError::Format`].
pub fn read_image(path: &Path) -> Result<Image, DataError> {
    picture::read(path, &Limits::default())
}

fn open_folder(path: &Path, limits: Limits) -> Result<Dataset, DataError> {
    let folder = folder::list(path)?;
    let (labels, classes) = folder.classes.unzip();
    let images = Images::Files(folder.files);
    Ok(Dataset { path: path.into(), images, labels, targets: None, classes, limits })
}

fn open_file(path: &Path, limits: Limits) -> Result<Dataset, DataError> {
    let file = File::open(path).map_err(DataError::io(path))?;
    let mut reader = BufReader::new(file);
    let start = reader.fill_buf().map_err(DataError::io(path))?;
    if start.starts_with(&npz::MAGIC) {
        let arrays = npz::read(reader, &limits).map_err(DataError::format(path))?;
        return Dataset::in_memory(path, arrays.images, arrays.labels, path, limits)?
            .with_targets(arrays.targets);
    }
    if !start.starts_with(&idx::GZIP) && !start.starts_with(&idx::MAGIC) {
        return Err(DataError::Unrecognised { path: path.into(), found: kind_of(start) });
    }
    let images = idx::read(reader, &limits).and_then(Planar::new);
    let images = images.map_err(DataError::format(path))?;
    let Some(beside) = idx::labels_beside(path).into_iter().find(|p| p.is_file()) else {
        return Dataset::in_memory(path, images, None, path, limits);
    };
    let labels = read_labels(&beside, &limits)?;
    Dataset::in_memory(path, images, Some(labels), &beside, limits)
}

fn read_labels(path: &Path, limits: &Limits) -> Result<Vec<u32>, DataError> {
    let file = File::open(path).map_err(DataError::io(path))?;
    let labels = idx::read(BufReader::new(file), limits);
    let labels = labels.and_then(|labels| match labels.shape() {
        [_] => labels.to_u32(),
        shape => Err(FormatError::Shape { expected: "N (one label for each image)", found: shape.to_vec() }),
    });
    labels.map_err(DataError::format(path))
}

/// What a file that is not a data set seems to be.
fn kind_of(start: &[u8]) -> &'static str {
    if start.is_empty() {
        "an empty file"
    } else if start.starts_with(b"\x93NUMPY") {
        "a single .npy array"
    } else if image::guess_format(start).is_ok() {
        "a single image"
    } else {
        "something else"
    }
}

impl Dataset {
    /// A data set of decoded images; their labels, if any, come from `labels_path`.
    fn in_memory(
        path: &Path,
        images: Planar,
        labels: Option<Vec<u32>>,
        labels_path: &Path,
        limits: Limits,
    ) -> Result<Self, DataError> {
        let (path, images) = (path.into(), Images::Planar(images));
        let dataset = Dataset { path, images, labels, targets: None, classes: None, limits };
        match &dataset.labels {
            Some(labels) if labels.len() != dataset.len() => Err(DataError::LabelCount {
                path: labels_path.into(),
                images: dataset.len(),
                labels: labels.len(),
            }),
            _ => Ok(dataset),
        }
    }

    /// The same with `targets`, which must be as many as there are images.
    fn with_targets(self, targets: Option<Targets>) -> Result<Self, DataError> {
        match &targets {
            Some(found) if found.len() != self.len() => Err(DataError::LabelCount {
                path: self.path.clone(),
                images: self.len(),
                labels: found.len(),
            }),
            _ => Ok(Self { targets, ..self }),
        }
    }

    /// Number of images, at least one.
    pub fn len(&self) -> usize {
        match &self.images {
            Images::Files(files) => files.len(),
            Images::Planar(images) => images.len(),
        }
    }

    /// Whether there are no images; never so after [`open`].
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The folder or file that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The class of image `index`, if known.
    pub fn label(&self, index: usize) -> Option<u32> {
        self.labels.as_ref()?.get(index).copied()
    }

    /// The class of every image.
    ///
    /// # Errors
    ///
    /// [`DataError::Unlabelled`], which says where labels are looked for.
    pub fn labels(&self) -> Result<&[u32], DataError> {
        self.labels.as_deref().ok_or_else(|| DataError::Unlabelled {
            path: self.path.clone(),
            expected: match &self.images {
                Images::Files(_) => "one folder of images for each class".into(),
                Images::Planar(_) => match idx::labels_beside(&self.path).first() {
                    Some(beside) => {
                        format!("an array `labels`, or the IDX file {}", beside.display())
                    }
                    None => "an array `labels`, or an IDX labels file beside".into(),
                },
            },
        })
    }

    /// What is right for each image, where the data have more than a class for it.
    pub fn targets(&self) -> Option<&Targets> {
        self.targets.as_ref()
    }

    /// The names of the classes, by class index, where folders give them.
    pub fn classes(&self) -> Option<&[String]> {
        self.classes.as_deref()
    }

    /// Numbers the classes of folders as `names` of a model's classes does, and takes those names:
    /// folders are matched by name, whatever their number and order. Other data sets keep the
    /// numbers that they state.
    ///
    /// # Errors
    ///
    /// [`DataError::UnknownClass`] and [`DataError::AmbiguousClass`] with the first folder that
    /// cannot be matched.
    pub fn number_classes(&mut self, names: &[String]) -> Result<(), DataError> {
        let Some(folders) = &self.classes else { return Ok(()) };
        let classes = classes::by_name(folders, names).map_err(|unmatched| {
            let path = self.path.join(&folders[unmatched.folder]);
            match unmatched.classes[..] {
                [] => DataError::UnknownClass { path, matched: unmatched.matched },
                _ => DataError::AmbiguousClass { path, classes: unmatched.classes },
            }
        })?;
        for label in self.labels.iter_mut().flatten() {
            *label = classes[*label as usize];
        }
        self.classes = Some(names.to_vec());
        Ok(())
    }

    /// Image `index` in its own size.
    ///
    /// # Errors
    ///
    /// [`DataError::Index`], and [`DataError::Io`] or [`DataError::Format`] for an
    /// image file that cannot be decoded.
    pub fn image(&self, index: usize) -> Result<Image, DataError> {
        match &self.images {
            Images::Files(files) => match files.get(index) {
                Some(file) => picture::read(file, &self.limits),
                None => Err(self.no_such(index)),
            },
            Images::Planar(images) => images.image(index).ok_or_else(|| self.no_such(index)),
        }
    }

    /// The file that image `index` is in.
    pub fn file(&self, index: usize) -> &Path {
        match &self.images {
            Images::Files(files) => files.get(index).unwrap_or(&self.path),
            Images::Planar(_) => &self.path,
        }
    }

    fn no_such(&self, index: usize) -> DataError {
        DataError::Index { path: self.path.clone(), index, len: self.len() }
    }
}
