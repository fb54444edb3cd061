//! What each binary layer reads, from the file's metadata.

use std::collections::HashMap;

use crate::error::ConvertError;
use crate::import::tensors::Tensors;

/// What a binary layer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// ±1.
    Sign,
    /// int8.
    I8,
    /// Signs of the attention sums, 0 where they are 0.
    Ternary,
    /// The attention sums.
    I16,
}

/// How GELU is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gelu {
    /// A table.
    Erf,
    /// ShiftGELU.
    Shift,
}

/// The metadata `activations` and `gelu`.
pub struct Activations {
    layers: HashMap<String, String>,
    /// The GELU of every MLP.
    pub gelu: Gelu,
}

impl Activations {
    /// From the metadata.
    pub fn read(tensors: &Tensors<'_>) -> Result<Self, ConvertError> {
        let value = |key: &str| {
            let reason = format!("the file's metadata has no `{key}`; export it again with export.py");
            tensors.metadata(key).ok_or(ConvertError::Config { reason })
        };
        let layers = serde_json::from_str(value("activations")?).map_err(|e| ConvertError::Config {
            reason: format!("`activations` in the metadata is not a map of layers: {e}"),
        })?;
        let gelu = match value("gelu")? {
            "erf" => Gelu::Erf,
            "shift" => Gelu::Shift,
            other => {
                let reason = format!("`gelu` in the metadata is `{other}`, expected `erf` or `shift`");
                return Err(ConvertError::Config { reason });
            }
        };
        Ok(Self { layers, gelu })
    }

    /// What `layer` reads.
    pub fn of(&self, layer: &str) -> Result<Reads, ConvertError> {
        let error = |reason: String| ConvertError::Layer { layer: layer.to_owned(), reason };
        let sums = layer.ends_with(".attn.proj");
        match self.layers.get(layer).map(String::as_str) {
            Some("sign") => Ok(Reads::Sign),
            Some("i8") => Ok(Reads::I8),
            Some("ternary") if sums => Ok(Reads::Ternary),
            Some("i16") if sums => Ok(Reads::I16),
            Some(other @ ("ternary" | "i16")) => {
                Err(error(format!("only attn.proj can read `{other}`; this layer reads `sign` or `i8`")))
            }
            Some(other) => {
                Err(error(format!("it reads `{other}`; expected `sign`, `i8`, `ternary` or `i16`")))
            }
            None => Err(error("the metadata `activations` does not say what it reads".into())),
        }
    }
}
