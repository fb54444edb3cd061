//! Readers of trained models.

mod config;
mod foreign;
mod ivit;
mod onnx;
mod options;
mod recipe;
mod tensors;
mod timm;
mod unread;

use std::path::Path;

pub use config::VitConfig;
pub use foreign::Format;
pub use ivit::import as import_ivit;
pub use onnx::{import as import_onnx, import_bytes as import_onnx_bytes};
pub use options::ImportOptions;
pub use recipe::import as import_recipe;
pub use tensors::Tensors;
pub use timm::import as import_timm;
pub use unread::Unused;

use crate::error::ConvertError;
use crate::graph::Graph;

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

/// Reads the model at `path`: an `.onnx` file, or safetensors whose layout is recognised by
/// their tensor names. Where neither the options nor the file have the configuration, it is that
/// of `config.json` beside the file.
pub fn import(path: &Path, options: &ImportOptions) -> Result<Imported, ConvertError> {
    foreign::check(path)?;
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx")) {
        return import_onnx(path, options).map(Imported::Float);
    }
    let read_error = |path: &Path| {
        let path = path.display().to_string();
        move |source| ConvertError::Read { path, source }
    };
    let bytes = std::fs::read(path).map_err(read_error(path))?;
    let name = path.display().to_string();
    let tensors = Tensors::parse(&bytes, &name)?;
    let beside = path.with_file_name("config.json");
    if options.config.is_some() || tensors.metadata("config").is_some() || !beside.is_file() {
        return import_tensors(&tensors, &name, options);
    }
    let config = std::fs::read_to_string(&beside).map_err(read_error(&beside))?;
    let options = ImportOptions { config: Some(config), ..options.clone() };
    import_tensors(&tensors, &name, &options).map_err(|error| match error {
        ConvertError::Config { reason } => {
            ConvertError::Config { reason: format!("{reason} (with {})", beside.display()) }
        }
        other => other,
    })
}

/// Reads the safetensors file `bytes`; `name` is for messages.
pub fn import_safetensors(
    bytes: &[u8],
    name: &str,
    options: &ImportOptions,
) -> Result<Imported, ConvertError> {
    import_tensors(&Tensors::parse(bytes, name)?, name, options)
}

fn import_tensors(
    tensors: &Tensors<'_>,
    name: &str,
    options: &ImportOptions,
) -> Result<Imported, ConvertError> {
    match tensors.metadata("format") {
        Some(recipe::FORMAT) => return import_recipe(tensors, options).map(Imported::Quantized),
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
        return import_ivit(tensors, options).map(Imported::Quantized);
    }
    if tensors.contains("patch_embed.proj.weight") {
        return import_timm(tensors, options).map(Imported::Float);
    }
    Err(ConvertError::UnknownLayout {
        path: name.to_owned(),
        hint: "expected timm's VisionTransformer, with a tensor `patch_embed.proj.weight`, or the I-ViT \
               layout, with `qact_input.act_scaling_factor`"
            .into(),
    })
}
