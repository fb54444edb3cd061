//! What the tests of the command line share.

pub mod elf;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

/// The program in `folder`, which keeps nothing of a GPU for later processes.
pub fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shiftformer"));
    command.current_dir(folder).args(args).env("SHIFTFORMER_GPU_CACHE", "off");
    command
}

/// Runs the program in `folder`.
pub fn run(folder: &Path, args: &[&str]) -> Output {
    command(folder, args).output().unwrap()
}

/// Runs the program, which must succeed, and parses its JSON.
pub fn json(folder: &Path, args: &[&str]) -> serde_json::Value {
    let output = run(folder, args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs the program, which must exit with `code` and say every one of `words`.
pub fn fails(folder: &Path, code: i32, args: &[&str], words: &[&str]) {
    let output = run(folder, args);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{args:?}: expected {word:?} in: {said}");
    }
}

/// What the program said.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A file of the repository's data folder.
pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data").join(name)
}

/// The bundled checkpoint.
pub fn checkpoint() -> String {
    data("vit_fmnist_ivit_qat.safetensors").display().to_string()
}

/// The bundled test images; their labels lie beside them.
pub fn images() -> String {
    data("fmnist-test-1000-images-idx3-ubyte.gz").display().to_string()
}

/// The bundled model, converted to `model.shf` in `folder`.
pub fn model(folder: &Path) -> String {
    let output = run(folder, &["convert", &checkpoint(), "-o", "model.shf", "--format", "ivit"]);
    assert!(output.status.success(), "{}", stderr(&output));
    folder.join("model.shf").display().to_string()
}

/// A tensor of floats.
#[derive(Clone)]
pub struct Floats {
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its values.
    pub values: Vec<f32>,
}

/// Writes the bundled checkpoint, changed by `edit`, to `path`.
pub fn edited(path: &Path, edit: impl FnOnce(&mut BTreeMap<String, Floats>)) {
    let file = std::fs::read(checkpoint()).unwrap();
    let (_, header) = SafeTensors::read_metadata(&file).unwrap();
    let read = SafeTensors::deserialize(&file).unwrap();
    let mut tensors: BTreeMap<String, Floats> = BTreeMap::new();
    for (name, view) in read.tensors() {
        let (words, _) = view.data().as_chunks::<4>();
        let values = words.iter().map(|w| f32::from_le_bytes(*w)).collect();
        tensors.insert(name, Floats { shape: view.shape().to_vec(), values });
    }
    edit(&mut tensors);
    let bytes = |t: &Floats| t.values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let raw: Vec<_> = tensors.iter().map(|(name, t)| (name, t.shape.clone(), bytes(t))).collect();
    let views = raw.iter().map(|(name, shape, bytes)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    std::fs::write(path, safetensors::serialize(views, header.metadata().clone()).unwrap()).unwrap();
}

/// An IDX file of bytes: magic number, dimensions, data.
pub fn idx(dims: &[u32], data: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, dims.len() as u8];
    file.extend(dims.iter().flat_map(|d| d.to_be_bytes()));
    file.extend_from_slice(data);
    file
}
