//! Readers of trained models.

mod config;
mod files;
pub mod fit;
mod foreign;
mod hugging_face;
mod ivit;
mod json;
mod labels;
mod layers;
mod layout;
mod onnx;
mod options;
mod pictures;
mod recipe;
mod relative;
mod swin;
mod tensors;
mod timm;
mod torchvision;
mod unread;
mod vit;

use std::path::Path;

pub use config::VitConfig;
pub use files::Files;
pub use foreign::Format;
pub use ivit::import as import_ivit;
pub use onnx::{import as import_onnx, import_bytes as import_onnx_bytes};
pub use options::ImportOptions;
pub use recipe::import as import_recipe;
pub use tensors::Tensors;
pub use unread::Unused;

use self::hugging_face::Preprocessor;
use self::layout::{Family, Layout};
use crate::error::ConvertError;
use crate::graph::Graph;

/// The layouts of safetensors files.
static LAYOUTS: &[&Layout] = &[&timm::LAYOUT, &torchvision::LAYOUT, &hugging_face::LAYOUT];

/// A model as its file has it.
#[derive(Clone, Debug)]
pub enum Imported {
    /// Trained in floating point: to be calibrated.
    Float(float::Graph),
    /// Trained with integers, its scales frozen.
    Quantized(Graph),
}

impl Imported {
    /// The integer model, if it is one.
    pub fn quantized(self) -> Option<Graph> {
        match self {
            Imported::Quantized(graph) => Some(graph),
            Imported::Float(_) => None,
        }
    }
}

/// A model, and how it was read.
#[derive(Clone, Debug)]
pub struct Import {
    /// The model.
    pub model: Imported,
    /// What a user should know of how it was read: sentences without a full stop.
    pub notes: Vec<String>,
}

impl From<Imported> for Import {
    fn from(model: Imported) -> Self {
        Self { model, notes: Vec::new() }
    }
}

/// Reads the model at `path`, as [`read`] does, without what is to be known of it.
pub fn import(path: &Path, options: &ImportOptions) -> Result<Imported, ConvertError> {
    read(path, options).map(|import| import.model)
}

/// Reads the model at `path`: an `.onnx` file, or safetensors whose layout is recognised by
/// their tensor names, or a folder of them as a hub has it ([`Files`]). Where neither the options
/// nor the file have the configuration, it is that of `config.json` beside the file.
pub fn read(path: &Path, options: &ImportOptions) -> Result<Import, ConvertError> {
    // An index of weights is text, and its files are looked at one by one.
    if !files::is_index(path) {
        foreign::check(path)?;
    }
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx")) && !path.is_dir() {
        return import_onnx(path, options).map(|graph| Imported::Float(graph).into());
    }
    let mut files = Files::find(path)?;
    let weights = files.read_weights()?;
    let parts: Vec<_> = weights.iter().map(|(name, bytes)| (bytes.as_slice(), name.as_str())).collect();
    let tensors = Tensors::parse_all(&parts)?;
    if options.config.is_some() || tensors.metadata("config").is_some() {
        files.config = None;
    }
    let [config, preprocessor] = [&files.config, &files.preprocessor].map(Files::read_text);
    let (config, preprocessor) = (options.config.clone().or(config?), preprocessor?);
    let options = ImportOptions { config, ..options.clone() };
    let name = path.display().to_string();
    let mut import =
        import_tensors(&tensors, &name, &options, preprocessor.as_deref()).map_err(|error| match error {
            ConvertError::Config { reason } => ConvertError::Config { reason: files.explain(reason) },
            other => other,
        })?;
    let prepared = match &import.model {
        Imported::Float(graph) => files.preprocessor.as_ref().map(|_| pictures::sentence(&graph.image)),
        Imported::Quantized(_) => {
            files.preprocessor = None;
            None
        }
    };
    import.notes.splice(0..0, files.sentence().into_iter().chain(prepared));
    Ok(import)
}

/// Reads the safetensors file `bytes`; `name` is for messages.
pub fn import_safetensors(
    bytes: &[u8],
    name: &str,
    options: &ImportOptions,
) -> Result<Imported, ConvertError> {
    let import = import_tensors(&Tensors::parse(bytes, name)?, name, options, None)?;
    Ok(import.model)
}

fn import_tensors(
    tensors: &Tensors<'_>,
    name: &str,
    options: &ImportOptions,
    preprocessor: Option<&str>,
) -> Result<Import, ConvertError> {
    match tensors.metadata("format") {
        Some(recipe::FORMAT) => {
            return import_recipe(tensors, options).map(|graph| Imported::Quantized(graph).into());
        }
        Some(other) if other.starts_with("shiftformer-") => {
            return Err(ConvertError::UnknownLayout {
                path: name.to_owned(),
                hint: format!("its format is `{other}`, this version reads `{}`", recipe::FORMAT),
            });
        }
        Some(_) | None => {}
    }
    // A damaged checkpoint of one layout is not taken for the other.
    if ["qact_input", "qact1", "qact_pos"]
        .iter()
        .any(|q| tensors.contains(&format!("{q}.act_scaling_factor")))
    {
        return import_ivit(tensors, options).map(|graph| Imported::Quantized(graph).into());
    }
    let config = options.config.as_deref().or_else(|| tensors.metadata("config"));
    let preprocessor = preprocessor.map(Preprocessor::read).transpose()?;
    match tensors.family() {
        Some(family @ (Family::Timm | Family::Torchvision)) => {
            timm::import(tensors, family, config, preprocessor, options)
        }
        Some(Family::HuggingFace) => hugging_face::import(tensors, config, preprocessor, options),
        None => Err(ConvertError::UnknownLayout { path: name.to_owned(), hint: hint() }),
    }
}

/// What tells each layout.
fn hint() -> String {
    let landmarks: Vec<_> = LAYOUTS
        .iter()
        .map(|layout| format!("`{}` ({})", layout.landmark.trim_start_matches('*'), layout.family.name()))
        .collect();
    format!("expected a tensor {}, or `qact_input.act_scaling_factor` (I-ViT)", landmarks.join(", "))
}
