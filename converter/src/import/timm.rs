//! The state dict of timm's `VisionTransformer`, DeiT included, in floating point.
//!
//! Dimensions come from the shapes of the tensors. What shapes cannot tell (heads, pooling,
//! activation) comes from the configuration as JSON, with timm's names and defaults.

use float::{Dense, Function, Geometry, Graph, Node, Output, Part, Strided, TensorId};
use runtime::OutputKind;
use serde::Deserialize;

use super::config::VitConfig;
use super::options::ImportOptions;
use super::tensors::{Tensors, channels_last};
use super::unread;
use crate::error::ConvertError;

/// Share of the largest probability of a row from which on a key is attended to, in BiViT.
const ATTENDED: f32 = 0.25;
/// timm's epsilon of LayerNorm in a vision transformer.
const EPS: f32 = 1e-6;
/// Channels of a head in the models whose configuration is known by their width.
const HEAD_DIM: usize = 64;

/// What shapes cannot tell; all of it optional.
#[derive(Debug, Default, Deserialize)]
struct Config {
    num_heads: Option<usize>,
    img_size: Option<usize>,
    global_pool: Option<String>,
    act_layer: Option<String>,
    #[serde(default)]
    no_embed_class: bool,
}

/// Builds the float graph of a timm checkpoint.
///
/// # Errors
///
/// [`ConvertError`] naming the tensor that is missing or of another shape, or the part of
/// the configuration that is needed.
pub fn import(tensors: &Tensors<'_>, options: &ImportOptions) -> Result<Graph, ConvertError> {
    let json = options.config.as_deref().or_else(|| tensors.metadata("config"));
    let config: Config = match json {
        Some(json) => serde_json::from_str(json).map_err(|e| wrong(format!("not the expected JSON: {e}")))?,
        None => Config::default(),
    };
    let dims = Dims::read(tensors, &config)?;
    let image = dims.vit.image(tensors, options)?;
    let mut importer = Importer { tensors, config, dims, graph: Graph::new(image) };
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

fn wrong(reason: String) -> ConvertError {
    ConvertError::Config { reason }
}

/// Dimensions from the tensors.
struct Dims {
    vit: VitConfig,
    width: usize,
    hidden: usize,
    /// Class, distillation and register tokens before the patches.
    prefix: usize,
    /// Rows of the position embedding.
    positions: usize,
}

impl Dims {
    fn read(tensors: &Tensors<'_>, config: &Config) -> Result<Self, ConvertError> {
        let shape = |name: &str| {
            tensors.shape(name).ok_or_else(|| ConvertError::MissingTensor { name: name.to_owned() })
        };
        let patch = shape("patch_embed.proj.weight")?;
        let &[width, in_chans, patch_size, _] = patch.as_slice() else {
            return Err(wrong(format!(
                "`patch_embed.proj.weight` has shape {patch:?}, expected four dimensions"
            )));
        };
        let hidden = shape("blocks.0.mlp.fc1.weight")?.first().copied().unwrap_or(0);
        let positions = shape("pos_embed")?.get(1).copied().unwrap_or(0);
        let tokens = |name: &str| tensors.shape(name).and_then(|s| s.get(1).copied()).unwrap_or(0);
        let prefix = tokens("cls_token") + tokens("dist_token") + tokens("reg_token");
        let embedded = if config.no_embed_class { 0 } else { prefix };
        let depth = (0..256).take_while(|b| tensors.contains(&format!("blocks.{b}.norm1.weight"))).count();
        let num_heads = match config.num_heads {
            Some(heads) => heads,
            None if width.is_multiple_of(HEAD_DIM) => width / HEAD_DIM,
            None => {
                return Err(wrong(format!(
                    "the number of heads of a model {width} wide is not known; give {{\"num_heads\": N}} with \
                     --config FILE.json"
                )));
            }
        };
        let grid = positions.saturating_sub(embedded).isqrt();
        if width == 0 || in_chans == 0 || hidden == 0 || depth == 0 || grid == 0 {
            return Err(wrong("a tensor of the checkpoint is empty, or it has no blocks".into()));
        }
        let vit = VitConfig {
            img_size: small(config.img_size.unwrap_or(grid.saturating_mul(patch_size)))?,
            patch_size: small(patch_size)?,
            in_chans: small(in_chans)?,
            num_classes: small(shape("head.weight")?.first().copied().unwrap_or(0))?,
            embed_dim: small(width)?,
            depth: small(depth)?,
            num_heads: small(num_heads)?,
            mlp_ratio: hidden as f64 / width as f64,
            qkv_bias: true,
        };
        vit.check()?;
        let patches = (vit.grid() * vit.grid()) as usize;
        if patches + embedded != positions {
            return Err(wrong(format!(
                "`pos_embed` has {positions} rows, an image of {0}×{0} gives {patches} patches and {embedded} other \
                 tokens; the configuration may need `img_size` or `no_embed_class`",
                vit.img_size
            )));
        }
        Ok(Self { width, hidden, prefix, positions, vit })
    }
}

fn small(value: usize) -> Result<u32, ConvertError> {
    u32::try_from(value).map_err(|_| wrong(format!("a dimension of {value} is too large")))
}

struct Importer<'a> {
    tensors: &'a Tensors<'a>,
    config: Config,
    dims: Dims,
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
        self.graph.nodes.push(Node::LayerNorm { x, out, gamma, beta, eps: EPS });
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
        if self.config.no_embed_class {
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
        for name in ["cls_token", "dist_token", "reg_token"] {
            if let Some(count) = self.tensors.shape(name).and_then(|shape| shape.get(1).copied()) {
                parts.push(Part::Constant(self.floats(name, &[1, count, width])?));
            }
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

    fn block(&mut self, name: &str, stream: TensorId) -> Result<TensorId, ConvertError> {
        let of = |part: &str| format!("{name}.{part}");
        let normed = self.norm(&of("norm1"), stream)?;
        let mixed = match self.has(&of("attn.qkv.scaling_factor")) {
            true => self.binary_attention(name, normed)?,
            false => {
                let qkv = self.linear(&of("attn.qkv"), normed, 3 * self.dims.width)?;
                self.attention(name, qkv)?
            }
        };
        let branch = self.linear(&of("attn.proj"), mixed, self.dims.width)?;
        let branch = self.layer_scale(&of("ls1"), branch)?;
        let attended = self.add(&of("add1"), stream, branch);
        let normed = self.norm(&of("norm2"), attended)?;
        let hidden = self.linear(&of("mlp.fc1"), normed, self.dims.hidden)?;
        let function = self.function()?;
        let active = self.tensor_like(&of("mlp.act"), hidden);
        self.graph.nodes.push(Node::Activate { x: hidden, out: active, function });
        let branch = self.linear(&of("mlp.fc2"), active, self.dims.width)?;
        let branch = self.layer_scale(&of("ls2"), branch)?;
        Ok(self.add(&of("add2"), attended, branch))
    }

    fn function(&self) -> Result<Function, ConvertError> {
        match self.config.act_layer.as_deref() {
            None | Some("gelu") => Ok(Function::Gelu),
            Some("gelu_tanh") => Ok(Function::GeluTanh),
            Some("quick_gelu") => Ok(Function::QuickGelu),
            Some("relu") => Ok(Function::Relu),
            Some("silu" | "swish") => Ok(Function::Silu),
            Some(other) => Err(wrong(format!(
                "act_layer `{other}` is not known; gelu, gelu_tanh, quick_gelu, relu and silu are"
            ))),
        }
    }

    fn layer_scale(&mut self, name: &str, x: TensorId) -> Result<TensorId, ConvertError> {
        let gamma = format!("{name}.gamma");
        if !self.has(&gamma) {
            return Ok(x);
        }
        let width = self.dims.width;
        let scale = self.floats(&gamma, &[width])?;
        let out = self.tensor_like(name, x);
        self.graph.nodes.push(Node::Affine { x, out, scale, offset: vec![0.0; width] });
        Ok(out)
    }

    /// Queries and keys are normalised head by head where the model does so.
    fn attention(&mut self, block: &str, qkv: TensorId) -> Result<TensorId, ConvertError> {
        let (width, heads) = (self.dims.width, self.dims.vit.num_heads as usize);
        let (rows, head_dim) = (self.graph.tensors[qkv].rows, width / heads);
        let part = |index| Strided::packed(qkv, index, width, head_dim);
        let (mut q, mut k) = (part(0), part(1));
        for (index, place, name) in [(0, &mut q, "q_norm"), (1, &mut k, "k_norm")] {
            let layer = format!("{block}.attn.{name}");
            if self.has(&format!("{layer}.weight")) {
                let copy = self.graph.tensor(format!("{layer}.in"), rows, width);
                let (shape, strides) = ([rows, 1, 1, width], [3 * width, 0, 0, 1]);
                let offset = index * width;
                self.graph.nodes.push(Node::Permute { x: qkv, out: copy, offset, shape, strides });
                let gamma = self.floats(&format!("{layer}.weight"), &[head_dim])?;
                let beta = self.floats(&format!("{layer}.bias"), &[head_dim])?;
                let tensor = self.graph.tensor(&layer, rows, width);
                self.graph.nodes.push(Node::LayerNorm { x: copy, out: tensor, gamma, beta, eps: EPS });
                *place = Strided { tensor, offset: 0, batch: head_dim, row: width };
            }
        }
        let out = self.graph.tensor(format!("{block}.attn.mix"), rows, width);
        let scales = vec![(head_dim as f32).sqrt().recip(); heads];
        let v = part(2);
        self.graph.nodes.push(Node::Attention { q, k, v, keys: rows, heads, head_dim, scales, out });
        Ok(out)
    }

    fn sign(&mut self, name: &str, x: TensorId) -> TensorId {
        let out = self.tensor_like(name, x);
        self.graph.nodes.push(Node::Activate { x, out, function: Function::Sign });
        out
    }

    /// Attention whose layers read signs, up to the signs that its projection reads.
    fn binary_attention(&mut self, block: &str, normed: TensorId) -> Result<TensorId, ConvertError> {
        let (width, heads) = (self.dims.width, self.dims.vit.num_heads as usize);
        let (rows, head_dim) = (self.graph.tensors[normed].rows, width / heads);
        let of = |part: &str| format!("{block}.attn.{part}");
        let signs = self.sign(&of("sign"), normed);
        let qkv = self.linear(&of("qkv"), signs, 3 * width)?;
        let tensor = self.sign(&of("qkv.sign"), qkv);
        let part = |index| Strided::packed(tensor, index, width, head_dim);
        let (q, k, v) = (part(0), part(1), part(2));
        let out = self.graph.tensor(of("mix"), rows, width);
        let scales = vec![(head_dim as f32).sqrt().recip(); heads];
        let (keys, ratio) = (rows, ATTENDED);
        self.graph.nodes.push(Node::BinaryAttention { q, k, v, keys, heads, head_dim, scales, ratio, out });
        Ok(self.sign(&of("mix.sign"), out))
    }

    /// Final norm, pooling and classifier.
    fn head(&mut self, stream: TensorId) -> Result<(), ConvertError> {
        if self.has("head_dist.weight") {
            let reason = "a second head `head_dist` (distillation) is only read from ONNX: export the model";
            return Err(wrong(reason.into()));
        }
        let pool = self.config.global_pool.as_deref();
        let mean = match pool {
            Some("avg") => true,
            None | Some("token") if self.has("cls_token") => false,
            None => true,
            Some(other) => {
                return Err(wrong(format!(
                    "global_pool `{other}` is not known for this model; token and avg are"
                )));
            }
        };
        let mut x = if self.has("norm.weight") { self.norm("norm", stream)? } else { stream };
        let (rows, width) = (self.graph.tensors[x].rows, self.dims.width);
        let (start, count) = if mean { (self.dims.prefix, rows - self.dims.prefix) } else { (0, 1) };
        if count < rows {
            let out = self.graph.tensor("pool.tokens", count, width);
            self.graph.nodes.push(Node::Rows { x, out, start });
            x = out;
        }
        if mean {
            let out = self.graph.tensor("pool", 1, width);
            self.graph.nodes.push(Node::Mean { x, out });
            x = out;
        }
        if self.has("fc_norm.weight") {
            x = self.norm("fc_norm", x)?;
        }
        let classes = self.dims.vit.num_classes as usize;
        let tensor = self.linear("head", x, classes)?;
        let shape = [classes, 1, 1, 1];
        self.graph.outputs.push(Output { name: "logits".into(), tensor, kind: OutputKind::Logits, shape });
        Ok(())
    }
}
