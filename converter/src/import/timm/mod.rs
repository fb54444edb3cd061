//! The state dict of timm's `VisionTransformer`, DeiT included, in floating point.
//!
//! Dimensions come from the shapes of the tensors. What shapes cannot tell (heads, pooling,
//! activation) comes from the configuration as JSON, with timm's names and defaults; what that
//! leaves open is asked for.

mod block;
mod config;
mod dims;
mod keys;
#[cfg(test)]
mod tests;
mod values;

use float::{Dense, Function, Geometry, Graph, Node, Output, Part, TensorId};
use runtime::OutputKind;

use self::config::Config;
use self::dims::Dims;
use self::values::{Pool, small, wrong};
use super::config::VitConfig;
use super::options::ImportOptions;
use super::tensors::{Tensors, channels_last};
use super::unread;
use crate::error::ConvertError;

/// Builds the float graph of a timm checkpoint.
///
/// # Errors
///
/// [`ConvertError`] naming the tensor that is missing or of another shape, or the part of
/// the configuration that is needed.
pub fn import(tensors: &Tensors<'_>, options: &ImportOptions) -> Result<Graph, ConvertError> {
    let json = options.config.as_deref().or_else(|| tensors.metadata("config"));
    let config = Config::read(json)?;
    let dims = Dims::read(tensors, &config)?;
    let or = |given: &[f32], stated: &[f32]| if given.is_empty() { stated } else { given }.to_vec();
    let (mean, std) = (or(&options.mean, &config.mean), or(&options.std, &config.std));
    let mut image = dims.vit.image(tensors, &ImportOptions { config: None, mean, std })?;
    image.fit = config.fit(image.height)?;
    let (function, eps) = (config.function(tensors)?, config.eps(tensors));
    let mut importer = Importer { tensors, config, dims, function, eps, graph: Graph::new(image) };
    let mean = image.mean.iter().map(|bits| f32::from_bits(bits.0));
    let std = image.std.iter().map(|bits| f32::from_bits(bits.0));
    let channels = usize::from(image.channels);
    let mut stream = importer.embedding(mean.take(channels).collect(), std.take(channels).collect())?;
    if importer.has("norm_pre.weight") {
        stream = importer.norm("norm_pre", stream)?;
    }
    for block in 0..importer.dims.vit.depth {
        stream = importer.block(&format!("blocks.{block}"), stream)?;
    }
    importer.head(stream)?;
    tensors.finish(unread::TIMM)?;
    Ok(importer.graph)
}

struct Importer<'a> {
    tensors: &'a Tensors<'a>,
    config: Config,
    dims: Dims,
    function: Function,
    /// Epsilon of LayerNorm.
    eps: f32,
    graph: Graph,
}

impl Importer<'_> {
    fn has(&self, name: &str) -> bool {
        self.tensors.contains(name)
    }

    fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ConvertError> {
        let shape = shape.iter().map(|&d| small(d)).collect::<Result<Vec<_>, _>>()?;
        self.tensors.floats(name, &shape)
    }

    fn tensor_like(&mut self, name: &str, x: TensorId) -> TensorId {
        let (rows, width) = (self.graph.tensors[x].rows, self.graph.tensors[x].width);
        self.graph.tensor(name, rows, width)
    }

    fn linear(&mut self, layer: &str, x: TensorId, n: usize) -> Result<TensorId, ConvertError> {
        let (rows, k) = (self.graph.tensors[x].rows, self.graph.tensors[x].width);
        let weights = self.floats(&format!("{layer}.weight"), &[n, k])?;
        let bias = format!("{layer}.bias");
        let bias = if self.has(&bias) { self.floats(&bias, &[n])? } else { vec![0.0; n] };
        let scaling = format!("{layer}.scaling_factor");
        let dense = match self.has(&scaling) {
            true => Dense::binarized(&weights, &self.floats(&scaling, &[n, 1])?, bias),
            false => Dense { n, k, weights, bias },
        };
        let out = self.graph.tensor(layer, rows, n);
        self.graph.nodes.push(Node::Linear { x, out, dense });
        Ok(out)
    }

    fn norm(&mut self, layer: &str, x: TensorId) -> Result<TensorId, ConvertError> {
        let width = self.graph.tensors[x].width;
        let gamma = self.floats(&format!("{layer}.weight"), &[width])?;
        let beta = self.floats(&format!("{layer}.bias"), &[width])?;
        let out = self.tensor_like(layer, x);
        self.graph.nodes.push(Node::LayerNorm { x, out, gamma, beta, eps: self.eps });
        Ok(out)
    }

    fn add(&mut self, name: &str, x: TensorId, y: TensorId) -> TensorId {
        let out = self.tensor_like(name, x);
        self.graph.nodes.push(Node::Add { x, y, out });
        out
    }

    /// Pixels, patches, tokens and positions.
    fn embedding(&mut self, mean: Vec<f32>, std: Vec<f32>) -> Result<TensorId, ConvertError> {
        let frame = self.graph.tensors[0].clone();
        let pixels = self.graph.tensor("pixels", frame.rows, frame.width);
        self.graph.nodes.push(Node::Pixels { x: 0, out: pixels, mean, std });
        let VitConfig { img_size, patch_size, in_chans, .. } = self.dims.vit;
        let (width, patch, channels) = (self.dims.width, patch_size as usize, in_chans as usize);
        let weights = self.floats("patch_embed.proj.weight", &[width, channels, patch, patch])?;
        let bias = match self.has("patch_embed.proj.bias") {
            true => self.floats("patch_embed.proj.bias", &[width])?,
            false => vec![0.0; width],
        };
        let k = channels * patch * patch;
        let weights = channels_last(&weights, channels, patch * patch);
        let patches = self.graph.tensor("patch_embed.proj", (self.dims.vit.grid() as usize).pow(2), width);
        let geometry = Geometry::patches(img_size, patch_size, in_chans);
        let dense = Dense { n: width, k, weights, bias };
        self.graph.nodes.push(Node::Conv { x: pixels, out: patches, geometry, dense });
        if self.dims.no_embed_class {
            let placed = self.positions(patches)?;
            return self.tokens(placed);
        }
        let tokens = self.tokens(patches)?;
        self.positions(tokens)
    }

    /// The tokens that every image has, before the patches.
    fn tokens(&mut self, patches: TensorId) -> Result<TensorId, ConvertError> {
        let width = self.dims.width;
        let mut parts = Vec::new();
        for name in ["cls_token", "dist_token"] {
            if self.has(name) {
                parts.push(Part::Constant(self.floats(name, &[1, 1, width])?));
            }
        }
        if let Some(count) = self.tensors.shape("reg_token").and_then(|shape| shape.get(1).copied()) {
            parts.push(Part::Constant(self.floats("reg_token", &[1, count, width])?));
        }
        if parts.is_empty() {
            return Ok(patches);
        }
        parts.push(Part::Tensor(patches));
        let out = self.graph.tensor("tokens", self.graph.tensors[patches].rows + self.dims.prefix, width);
        self.graph.nodes.push(Node::Concat { parts, out });
        Ok(out)
    }

    fn positions(&mut self, x: TensorId) -> Result<TensorId, ConvertError> {
        let values = self.floats("pos_embed", &[1, self.dims.positions, self.dims.width])?;
        let out = self.tensor_like("pos_embed", x);
        self.graph.nodes.push(Node::AddConstant { x, out, values });
        Ok(out)
    }

    /// How tokens become one: as stated, or as the norms tell.
    fn pool(&self) -> Result<Pool, ConvertError> {
        let has = |name: &str| self.has(name);
        let shown = match (has("norm.weight"), has("fc_norm.weight")) {
            (true, true) => None,
            (false, true) => Some(Pool::Mean),
            (_, false) if has("cls_token") => Some(Pool::Token),
            (_, false) => Some(Pool::Mean),
        };
        match self.config.pool.or(shown) {
            Some(Pool::Token) if !has("cls_token") => {
                Err(wrong("global_pool is `token`, but there is no tensor `cls_token`".into()))
            }
            Some(pool) => Ok(pool),
            None => Err(wrong(
                "the model has both `norm` and `fc_norm`; give `global_pool`, token or avg, in the configuration"
                    .into(),
            )),
        }
    }

    /// Final norm, pooling and classifier.
    fn head(&mut self, stream: TensorId) -> Result<(), ConvertError> {
        let pool = self.pool()?;
        let mut x = if self.has("norm.weight") { self.norm("norm", stream)? } else { stream };
        let (rows, width) = (self.graph.tensors[x].rows, self.dims.width);
        let distilled = self.has("dist_token");
        let (start, count) = match pool {
            Pool::Token if distilled => (0, 2),
            Pool::Token => (0, 1),
            Pool::Mean if distilled => {
                return Err(wrong("a model with `dist_token` has global_pool token, not avg".into()));
            }
            Pool::Mean if self.config.pool_prefix => (0, rows),
            Pool::Mean => (self.dims.prefix, rows - self.dims.prefix),
        };
        if count < rows {
            let out = self.graph.tensor("pool.tokens", count, width);
            self.graph.nodes.push(Node::Rows { x, out, start });
            x = out;
        }
        if pool == Pool::Mean {
            let out = self.graph.tensor("pool", 1, width);
            self.graph.nodes.push(Node::Mean { x, out });
            x = out;
        }
        if self.has("fc_norm.weight") {
            x = self.norm("fc_norm", x)?;
        }
        let classes = self.dims.vit.num_classes as usize;
        let tensor = match distilled {
            true => self.two_heads(x, classes)?,
            false => self.linear("head", x, classes)?,
        };
        let shape = [classes, 1, 1, 1];
        let (name, kind) = ("logits".into(), OutputKind::Logits);
        self.graph.outputs.push(Output { name, tensor, kind, shape, ending: None });
        Ok(())
    }

    /// The mean of the classifiers of two tokens, as one layer over both side by side.
    fn two_heads(&mut self, x: TensorId, n: usize) -> Result<TensorId, ConvertError> {
        let width = self.dims.width;
        let both = self.graph.tensor("pool.pair", 1, 2 * width);
        let (shape, strides) = ([1, 1, 1, 2 * width], [0, 0, 0, 1]);
        self.graph.nodes.push(Node::Permute { x, out: both, offset: 0, shape, strides });
        let parts = |part: &str, shape: &[usize]| -> Result<_, ConvertError> {
            let of = |head: &str| self.floats(&format!("{head}.{part}"), shape);
            Ok((of("head")?, of("head_dist")?))
        };
        let (first, second) = parts("weight", &[n, width])?;
        let rows = first.chunks_exact(width).zip(second.chunks_exact(width));
        let weights = rows.flat_map(|(a, b)| a.iter().chain(b).map(|w| w / 2.0)).collect();
        let (first, second) = parts("bias", &[n])?;
        let bias = first.iter().zip(&second).map(|(a, b)| (a + b) / 2.0).collect();
        let out = self.graph.tensor("head", 1, n);
        self.graph.nodes.push(Node::Linear { x: both, out, dense: Dense { n, k: 2 * width, weights, bias } });
        Ok(out)
    }
}
