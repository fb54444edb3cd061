//! Folders of images: one folder for each class, or images without labels.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::DataError;

/// File extensions taken for images, in any case.
const EXTENSIONS: [&str; 9] = ["png", "jpg", "jpeg", "webp", "tif", "tiff", "bmp", "ppm", "pgm"];

/// Names of folders that hold parts of a data set rather than classes.
const SPLITS: [&str; 7] = ["train", "training", "val", "valid", "validation", "test", "testing"];

/// What archives of macOS bring beside their content.
const MACOS: &str = "__MACOSX";

/// The image files of a folder, none decoded yet.
#[derive(Debug)]
pub(super) struct Folder {
    /// Image files, class by class, sorted by name within each.
    pub(super) files: Vec<PathBuf>,
    /// For class folders: the class of every file, and the classes' names.
    pub(super) classes: Option<(Vec<u32>, Vec<String>)>,
}

/// Lists the images of a folder of class folders, or of a folder of images.
pub(super) fn list(path: &Path) -> Result<Folder, DataError> {
    let (folders, files): (Vec<_>, Vec<_>) = entries(path)?.into_iter().partition(|entry| entry.is_dir());
    if folders.is_empty() {
        let files = only_images(files)?;
        let classes = None;
        return Ok(Folder { files, classes });
    }
    if let Some(example) = files.into_iter().find(|file| is_image(file)) {
        let path = path.into();
        return Err(DataError::Mixed { path, example });
    }
    if folders.iter().all(|folder| SPLITS.contains(&file_name(folder).to_lowercase().as_str())) {
        let parts = folders.iter().map(|folder| file_name(folder)).collect::<Vec<_>>().join(", ");
        return Err(DataError::Splits { path: path.into(), parts });
    }
    let (mut files, mut labels, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for (class, folder) in (0_u32..).zip(folders) {
        let images = only_images(entries(&folder)?)?;
        if images.is_empty() {
            return Err(DataError::EmptyClass { path: folder });
        }
        labels.extend(images.iter().map(|_| class));
        files.extend(images);
        names.push(file_name(&folder));
    }
    let classes = Some((labels, names));
    Ok(Folder { files, classes })
}

/// Everything in a folder but hidden files and what archives of macOS add, sorted by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(DataError::io(folder))? {
        let path = entry.map_err(DataError::io(folder))?.path();
        let name = file_name(&path);
        if !name.starts_with('.') && name != MACOS {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn only_images(files: Vec<PathBuf>) -> Result<Vec<PathBuf>, DataError> {
    match files.iter().find(|file| !is_image(file)) {
        Some(stray) => Err(DataError::Stray { path: stray.clone() }),
        None => Ok(files),
    }
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let known = |extension: &str| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension));
    extension.is_some_and(known) && path.is_file()
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
