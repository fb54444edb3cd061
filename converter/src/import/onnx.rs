//! ONNX models from files and memory.

use std::path::Path;

use bytes::Bytes;
use onnx::{Normalisation, OnnxError, parse, read};

use super::options::ImportOptions;
use crate::error::ConvertError;

/// Reads the ONNX model at `path`, with external data from its directory.
///
/// # Errors
///
/// [`ConvertError::Read`] if the file cannot be read, [`ConvertError::Onnx`] and
/// [`ConvertError::Value`] naming the tensor or node that cannot be imported.
pub fn import(path: &Path, options: &ImportOptions) -> Result<float::Graph, ConvertError> {
    let unread = |source| ConvertError::Read { path: path.display().to_string(), source };
    let len = std::fs::metadata(path).map_err(unread)?.len();
    parse::check_file_len(len)?;
    let bytes = std::fs::read(path).map_err(unread)?;
    let directory =
        path.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
    import_bytes(bytes.into(), directory, options)
}

/// Reads an ONNX model from memory; external data comes from `directory`, if one is given.
///
/// # Errors
///
/// As [`import()`], and [`OnnxError::ExternalData`] for tensors outside the file if there
/// is no directory.
pub fn import_bytes(
    bytes: Bytes,
    directory: Option<&Path>,
    options: &ImportOptions,
) -> Result<float::Graph, ConvertError> {
    let normalisation = Normalisation { mean: &options.mean, std: &options.std };
    read(bytes, directory, normalisation).map_err(|error| match error {
        OnnxError::NotFinite { tensor: name, index, value } => {
            ConvertError::Value { name, index, value, expected: "a finite number" }
        }
        error => error.into(),
    })
}
