//! What every output gives, in NumPy's formats.

use std::io::Cursor;
use std::path::Path;

use conversion::write_file;
use shiftformer::OutputInfo;
use shiftformer::runtime::OutputKind;

use crate::failure::Failure;

/// Writes `rows` of `classes` logits.
pub fn logits(path: &Path, rows: &[Vec<i32>], classes: usize) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    data::npy::write(&mut bytes, &[rows.len(), classes], &rows.concat())
        .map_err(Failure::io("cannot write", path))?;
    write_file(path, &bytes)
}

/// Writes the images' `rows` of every output: real values under its name, and the integers.
pub fn outputs(path: &Path, outputs: &[OutputInfo<'_>], rows: &[Vec<Vec<i32>>]) -> Result<(), Failure> {
    let mut writer = data::npz::Writer::new(Cursor::new(Vec::new()));
    for (output, rows) in outputs.iter().zip(rows) {
        let shape: Vec<usize> = std::iter::once(rows.len()).chain(dimensions(output)).collect();
        let integers = rows.concat();
        let failed = |error| {
            Failure::io("cannot write", path)(error).help("the outputs of the container need distinct names")
        };
        writer.array(output.name, &shape, &output.real(&integers)).map_err(failed)?;
        writer.array(&format!("{}.int", output.name), &shape, &integers).map_err(failed)?;
    }
    let file = writer.finish().map_err(Failure::io("cannot write", path))?;
    write_file(path, file.get_ref())
}

/// Height, width and channels of a map; of others how many values there are.
fn dimensions(output: &OutputInfo<'_>) -> Vec<usize> {
    match output.kind {
        OutputKind::Dense => output.shape[..3].iter().map(|&len| len as usize).collect(),
        OutputKind::Logits | OutputKind::Embedding | OutputKind::Values => vec![output.len],
    }
}
