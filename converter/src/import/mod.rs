//! Readers of trained models.

mod config;
mod ivit;
mod tensors;

use std::path::Path;

pub use config::VitConfig;
pub use ivit::import as import_ivit;
pub use tensors::Tensors;

use crate::error::ConvertError;
use crate::graph::Graph;

/// What a user may override about a model file.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The configuration as JSON, instead of the file's metadata.
    pub config: Option<String>,
    /// Mean of each channel of pixels scaled to \[0, 1\].
    pub mean: Vec<f32>,
    /// Standard deviation of each channel.
    pub std: Vec<f32>,
}

/// Reads the model at `path`, recognising its layout by its tensor names.
pub fn import(path: &Path, options: &ImportOptions) -> Result<Graph, ConvertError> {
    let shown = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|source| ConvertError::Read { path: shown.clone(), source })?;
    let tensors = Tensors::parse(&bytes, &shown)?;
    if tensors.contains("qact_input.act_scaling_factor") {
        return import_ivit(&tensors, options);
    }
    Err(ConvertError::UnknownLayout {
        path: shown,
        hint: "expected the I-ViT layout, with a tensor `qact_input.act_scaling_factor`".into(),
    })
}
