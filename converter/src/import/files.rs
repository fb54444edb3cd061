//! The files of a model: one of weights with what lies beside it, or a folder as a hub has it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::foreign;
use super::json::{parse, wrong};
use crate::error::ConvertError;

const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const CONFIG: &str = "config.json";
const PREPROCESSOR: &str = "preprocessor_config.json";
/// Bytes of a JSON file at most.
const MAX_JSON: u64 = 1 << 26;
/// Files that weights lie in at most.
const MAX_SHARDS: usize = 1024;

/// Where the parts of a model lie.
#[derive(Clone, Debug)]
pub struct Files {
    /// What was asked for.
    path: PathBuf,
    /// `model.safetensors`, or the shards that `model.safetensors.index.json` names.
    pub weights: Vec<PathBuf>,
    /// The index of the shards, if there are shards.
    pub index: Option<PathBuf>,
    /// `config.json` beside the weights.
    pub config: Option<PathBuf>,
    /// `preprocessor_config.json` beside the weights.
    pub preprocessor: Option<PathBuf>,
}

impl Files {
    /// The files of the model at `path`: a folder, an index of shards, or one file of weights.
    ///
    /// # Errors
    ///
    /// [`ConvertError::Folder`] for a folder without weights that are read, and for an index that
    /// names no files beside it.
    pub fn find(path: &Path) -> Result<Self, ConvertError> {
        let (weights, index) = match path.is_dir() {
            false if is_index(path) => (Vec::new(), Some(path.to_owned())),
            false => (vec![path.to_owned()], None),
            true if path.join(WEIGHTS).is_file() => (vec![path.join(WEIGHTS)], None),
            true if path.join(INDEX).is_file() => (Vec::new(), Some(path.join(INDEX))),
            true => return Err(folder(path, missing(path))),
        };
        let weights = match &index {
            None => weights,
            Some(index) => shards(index)?.into_iter().map(|name| index.with_file_name(name)).collect(),
        };
        let beside = |name: &str| {
            let place = if path.is_dir() { path.join(name) } else { path.with_file_name(name) };
            place.is_file().then_some(place)
        };
        let (config, preprocessor) = (beside(CONFIG), beside(PREPROCESSOR));
        Ok(Self { path: path.to_owned(), weights, index, config, preprocessor })
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Path> {
        let weights = self.weights.iter().chain(&self.index);
        weights.chain(&self.config).chain(&self.preprocessor).map(PathBuf::as_path)
    }

    /// The weights with their names for messages.
    pub(super) fn read_weights(&self) -> Result<Vec<(String, Vec<u8>)>, ConvertError> {
        let one = |path: &PathBuf| {
            foreign::check(path)?;
            Ok((path.display().to_string(), fs::read(path).map_err(unread(path))?))
        };
        self.weights.iter().map(one).collect()
    }

    /// The text of a JSON file, if there is one.
    pub(super) fn read_text(path: &Option<PathBuf>) -> Result<Option<String>, ConvertError> {
        path.as_deref().map(json_text).transpose()
    }

    /// What was read, in one sentence, where it is more than the file that was asked for.
    pub(super) fn sentence(&self) -> Option<String> {
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut parts = match self.weights.as_slice() {
            [one] => vec![name(one)],
            many => vec![format!("{} files of weights", many.len())],
        };
        parts.extend(self.config.iter().chain(&self.preprocessor).map(|path| name(path)));
        let last = parts.pop().filter(|_| !parts.is_empty() || self.path.is_dir())?;
        let all = if parts.is_empty() { last } else { format!("{} and {last}", parts.join(", ")) };
        let folder = if self.path.is_dir() { Some(self.path.as_path()) } else { self.path.parent() };
        let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(format!("{all} of {} were read", folder.display()))
    }

    /// `reason` with the JSON files that it may be about.
    pub(super) fn explain(&self, reason: String) -> String {
        let files: Vec<_> =
            self.config.iter().chain(&self.preprocessor).map(|path| path.display().to_string()).collect();
        if files.is_empty() { reason } else { format!("{reason} (with {})", files.join(" and ")) }
    }
}

/// Whether `path` is named as an index of files of weights.
pub(super) fn is_index(path: &Path) -> bool {
    path.to_string_lossy().ends_with(".index.json")
}

fn unread(path: &Path) -> impl Fn(std::io::Error) -> ConvertError {
    let path = path.display().to_string();
    move |source| ConvertError::Read { path: path.clone(), source }
}

fn folder(path: &Path, reason: String) -> ConvertError {
    ConvertError::Folder { path: path.display().to_string(), reason }
}

fn json_text(path: &Path) -> Result<String, ConvertError> {
    let len = fs::metadata(path).map_err(unread(path))?.len();
    if len > MAX_JSON {
        return Err(wrong(format!("{} has {len} bytes, at most {MAX_JSON} are read", path.display())));
    }
    fs::read_to_string(path).map_err(unread(path))
}

/// Why a folder has no weights, and the way out.
fn missing(path: &Path) -> String {
    let holds = |name: &str| path.join(name).is_file();
    let onnx = ["model.onnx", "onnx/model.onnx"].into_iter().find(|name| holds(name));
    match onnx {
        Some(name) => format!("it has no {WEIGHTS}: give the file {}", path.join(name).display()),
        None if ["pytorch_model.bin", "pytorch_model.bin.index.json"].into_iter().any(holds) => format!(
            "its weights are pickled in pytorch_model.bin, which is not read: load the model and save it again \
             with save_pretrained, which writes {WEIGHTS}"
        ),
        None => format!("it has neither {WEIGHTS} nor {INDEX}"),
    }
}

/// The names of the files that an index lists.
fn shards(index: &Path) -> Result<BTreeSet<String>, ConvertError> {
    let object = parse(&json_text(index)?)?;
    let map = object.get("weight_map").and_then(Value::as_object);
    let names = map.and_then(|map| map.values().map(Value::as_str).collect::<Option<BTreeSet<_>>>());
    let names = names.filter(|names| (1..=MAX_SHARDS).contains(&names.len()));
    let names = names
        .ok_or_else(|| folder(index, format!("its `weight_map` does not name 1 to {MAX_SHARDS} files")))?;
    for name in &names {
        let plain = matches!(
            Path::new(name).components().collect::<Vec<_>>().as_slice(),
            [Component::Normal(only)] if only.to_str() == Some(name)
        );
        if !plain || !name.ends_with(".safetensors") {
            return Err(folder(index, format!("`{name}` is not the name of a safetensors file beside it")));
        }
        if !index.with_file_name(name).is_file() {
            return Err(folder(index, format!("the file `{name}` that it names is not there")));
        }
    }
    Ok(names.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use safetensors::{SafeTensors, serialize};

    use crate::import::{ImportOptions, Imported, read};

    const IVIT: &[u8] = include_bytes!("../../../data/vit_fmnist_ivit_qat.safetensors");

    /// The configuration of integer checkpoints may lie beside them, too.
    #[test]
    fn a_checkpoint_without_metadata_is_read_with_what_lies_beside_it() {
        let folder = std::env::temp_dir().join(format!("shiftformer-beside-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (_, header) = SafeTensors::read_metadata(IVIT).unwrap();
        let tensors = SafeTensors::deserialize(IVIT).unwrap().tensors();
        let path = folder.join("model.safetensors");
        std::fs::write(&path, serialize(tensors, None).unwrap()).unwrap();
        let options = ImportOptions { mean: vec![0.286], std: vec![0.353], ..ImportOptions::default() };
        let without = read(&path, &options).map(drop);
        let config = &header.metadata().as_ref().unwrap()["config"];
        std::fs::write(folder.join("config.json"), config).unwrap();
        let with = read(&path, &options);
        let whole = read(&folder, &options);
        // Where the command states the configuration, what lies beside is not read.
        std::fs::write(folder.join("config.json"), [0xff]).unwrap();
        let stated = ImportOptions { config: Some(config.clone()), ..options };
        let stated = read(&path, &stated).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(without.unwrap_err().to_string().contains("no `config`"));
        assert!(matches!(whole.unwrap().model, Imported::Quantized(_)));
        assert!(with.unwrap().notes[0].starts_with("model.safetensors and config.json of "));
        assert_eq!(stated.notes, Vec::<String>::new());
    }
}
