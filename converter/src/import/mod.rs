//! Readers of trained models.

mod config;
mod ivit;
mod onnx;
mod options;
mod recipe;
mod tensors;
mod timm;
mod unread;

use std::path::Path;

pub use config::VitConfig;
pub use ivit::import as import_ivit;
pub use onnx::{import as import_onnx, import_bytes as import_onnx_bytes};
pub use options::ImportOptions;
pub use recipe::import as import_recipe;
pub use tensors::Tensors;
pub use timm::import as import_timm;
pub use unread::Unused;
pub(crate) use unread::listed;

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
/// their tensor names.
pub fn import(path: &Path, options: &ImportOptions) -> Result<Imported, ConvertError> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("onnx")) {
        return import_onnx(path, options).map(Imported::Float);
    }
    let shown = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|source| ConvertError::Read { path: shown.clone(), source })?;
    import_safetensors(&bytes, &shown, options)
}

/// Reads the safetensors file `bytes`; `name` is for messages.
pub fn import_safetensors(
    bytes: &[u8],
    name: &str,
    options: &ImportOptions,
) -> Result<Imported, ConvertError> {
    let tensors = Tensors::parse(bytes, name)?;
    match tensors.metadata("format") {
        Some(recipe::FORMAT) => return import_recipe(&tensors, options).map(Imported::Quantized),
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
        return import_ivit(&tensors, options).map(Imported::Quantized);
    }
    if tensors.contains("patch_embed.proj.weight") {
        return import_timm(&tensors, options).map(Imported::Float);
    }
    Err(ConvertError::UnknownLayout {
        path: name.to_owned(),
        hint: "expected timm's VisionTransformer, with a tensor `patch_embed.proj.weight`, or the I-ViT \
               layout, with `qact_input.act_scaling_factor`"
            .into(),
    })
}
