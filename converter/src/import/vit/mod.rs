//! The graph of a vision transformer, whoever named its tensors.
//!
//! Tensors are asked for by the names of timm's `VisionTransformer`, and by names of the same style
//! for parts that it does not have. Dimensions come from the shapes of the tensors, and what shapes
//! cannot tell from a [`Config`].

mod block;
mod config;
mod dims;
mod embedding;
mod head;
mod positions;

use float::{Graph, TensorId};

pub use self::config::{Config, Pool, Stated};
use self::dims::Dims;
use super::config::VitConfig;
use super::layers::Layers;
use super::options::ImportOptions;
use super::tensors::Tensors;
use crate::error::ConvertError;

/// Builds the float graph of a checkpoint; `options` come before what `config` says.
///
/// # Errors
///
/// [`ConvertError`] naming the tensor that is missing or of another shape, or the part of
/// the configuration that is needed.
pub fn build(
    tensors: &Tensors<'_>,
    config: Config,
    options: &ImportOptions,
) -> Result<(Graph, Vec<String>), ConvertError> {
    let dims = Dims::read(tensors, &config)?;
    let VitConfig { img_size, in_chans, depth, .. } = dims.vit;
    let image = config.pictures.image(img_size, in_chans, tensors, options)?;
    let layers = Layers { tensors, graph: Graph::new(image) };
    let mut builder = Builder { config, dims, layers, notes: Vec::new() };
    let mut stream = builder.embedding()?;
    if builder.layers.has("norm_pre.weight") {
        stream = builder.norm("norm_pre", stream)?;
    }
    for block in 0..depth {
        stream = builder.block(&format!("blocks.{block}"), stream)?;
    }
    builder.head(stream)?;
    Ok((builder.layers.graph, builder.notes))
}

struct Builder<'a> {
    config: Config,
    dims: Dims,
    layers: Layers<'a>,
    /// What a user should know of how the model was read.
    notes: Vec<String>,
}

impl Builder<'_> {
    fn norm(&mut self, layer: &str, x: TensorId) -> Result<TensorId, ConvertError> {
        self.layers.norm(layer, x, self.config.eps)
    }
}
