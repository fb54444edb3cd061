//! The state dict of I-ViT's quantization-aware training, as validation left it.
//!
//! Activation scales are frozen, so no calibration data is needed. Scales are combined
//! in single precision, as the authors' code does, so that multipliers come out the same.

use float::math;

use super::config::{VitConfig, pixel_tables};
use super::options::ImportOptions;
use super::tensors::{Tensors, channels_last};
use super::unread;
use crate::error::ConvertError;
use crate::graph::{ExpBits, Geometry, Graph, Node, Part, Strided, TensorId, Weights, Width};

/// Largest magnitude of a bias.
const MAX_BIAS: f32 = quant::ops::MAX_BIAS as f32;
/// Fraction bits of the authors' exponentials.
const SOFTMAX_BITS: u8 = 15;
const GELU_BITS: u8 = 23;

/// Builds the quantized graph of an I-ViT checkpoint.
pub fn import(tensors: &Tensors<'_>, options: &ImportOptions) -> Result<Graph, ConvertError> {
    let config = VitConfig::read(tensors, options)?;
    let image = config.image(tensors, options)?;
    let mut importer = Importer { tensors, config, graph: Graph::new(image) };
    let embedded = importer.embedding()?;
    let mut stream = embedded;
    for block in 0..importer.config.depth {
        stream = importer.block(&format!("blocks.{block}"), stream)?;
    }
    importer.head(stream)?;
    tensors.finish(&[unread::IVIT])?;
    Ok(importer.graph)
}

struct Importer<'a> {
    tensors: &'a Tensors<'a>,
    config: VitConfig,
    graph: Graph,
}

impl Importer<'_> {
    /// The frozen scale of the activation quantizer `name`.
    fn act_scale(&self, name: &str) -> Result<f32, ConvertError> {
        self.tensors.scale(&format!("{name}.act_scaling_factor"))
    }

    /// A new tensor whose scale is that of the activation quantizer of the same name.
    fn tensor(&mut self, name: &str, rows: u32, width: u32, bits: Width) -> Result<TensorId, ConvertError> {
        let scale = self.act_scale(name)?;
        Ok(self.graph.tensor(name, rows, width, bits, scale.into()))
    }

    fn scale_of(&self, id: TensorId) -> f32 {
        self.graph.tensors[id].scale as f32
    }

    /// Integer weights of `layer` with `shape` (output channels first), whose input has scale `x`.
    fn weights(
        &self,
        layer: &str,
        shape: &[u32],
        scales: &str,
        x: f32,
        bias: bool,
    ) -> Result<Weights, ConvertError> {
        let n = shape[0];
        let values = self.tensors.integers(&format!("{layer}.weight_integer"), shape, 127.0)?;
        let scales = self.tensors.scales(&format!("{layer}.{scales}"), &[n])?;
        let bias = match bias {
            true => self.tensors.integers(&format!("{layer}.bias_integer"), &[n], MAX_BIAS)?,
            false => vec![0; n as usize],
        };
        Ok(Weights {
            k: shape[1..].iter().product(),
            n,
            values: values.into_iter().map(|w| w as i8).collect(),
            bias,
            accumulator_scales: scales.into_iter().map(|s| f64::from(s * x)).collect(),
        })
    }

    fn linear(&mut self, layer: &str, x: TensorId, out: TensorId, bias: bool) -> Result<(), ConvertError> {
        let (n, k) = (self.graph.tensors[out].width, self.graph.tensors[x].width);
        let weights = self.weights(layer, &[n, k], "fc_scaling_factor", self.scale_of(x), bias)?;
        self.graph.nodes.push(Node::Linear { x, out, weights });
        Ok(())
    }

    fn layer_norm(&mut self, layer: &str, x: TensorId, out: TensorId) -> Result<(), ConvertError> {
        let width = self.config.embed_dim;
        let read = |part: &str| -> Result<Vec<f64>, ConvertError> {
            let values = self.tensors.floats(&format!("{layer}.{part}"), &[width])?;
            Ok(values.into_iter().map(f64::from).collect())
        };
        let (gamma, beta) = (read("weight")?, read("bias")?);
        self.graph.nodes.push(Node::LayerNorm { x, out, gamma, beta, eps: 0.0, centred: true });
        Ok(())
    }

    /// Patches, class token and position: the start of the residual stream.
    fn embedding(&mut self) -> Result<TensorId, ConvertError> {
        let VitConfig { img_size, patch_size: patch, in_chans, embed_dim: width, .. } = self.config;
        let (grid, tokens) = (self.config.grid(), self.config.tokens());
        let pixels = self.tensor("qact_input", img_size * img_size, in_chans, Width::I8)?;
        let tables = pixel_tables(&self.graph.image, self.scale_of(pixels));
        self.graph.nodes.push(Node::QuantizeImage { x: 0, out: pixels, tables });

        let patches = self.tensor("patch_embed.qact", grid * grid, width, Width::I16)?;
        let layer = "patch_embed.proj";
        let shape = [width, in_chans, patch, patch];
        let mut weights = self.weights(layer, &shape, "conv_scaling_factor", self.scale_of(pixels), true)?;
        weights.values = channels_last(&weights.values, in_chans as usize, (patch * patch) as usize);
        let geometry = Geometry::patches(img_size, patch, in_chans);
        self.graph.nodes.push(Node::Conv { x: pixels, out: patches, geometry, weights });

        let patch_scale = self.scale_of(patches);
        let joined = self.graph.tensor("cls_token", tokens, width, Width::I16, patch_scale.into());
        let token = self.quantized("cls_token", &[1, 1, width], |v| v / patch_scale)?;
        let token = token.into_iter().map(i32::from).collect();
        self.graph
            .nodes
            .push(Node::Concat { parts: vec![Part::Constant(token), Part::Tensor(patches)], out: joined });

        let position_scale = self.act_scale("qact_pos")?;
        let values = self.quantized("pos_embed", &[1, tokens, width], |v| 1.0 / position_scale * v)?;
        let embedded = self.tensor("qact1", tokens, width, Width::I16)?;
        self.graph.nodes.push(Node::AddConstant {
            x: joined,
            out: embedded,
            values,
            scale: position_scale.into(),
        });
        Ok(embedded)
    }

    /// A float tensor in units of a scale, halves to even as the authors' framework rounds.
    fn quantized(
        &self,
        name: &str,
        shape: &[u32],
        units: impl Fn(f32) -> f32,
    ) -> Result<Vec<i16>, ConvertError> {
        let values = self.tensors.floats(name, shape)?;
        Ok(values.into_iter().map(|v| units(v).round_ties_even().clamp(-32768.0, 32767.0) as i16).collect())
    }

    fn block(&mut self, name: &str, stream: TensorId) -> Result<TensorId, ConvertError> {
        let (tokens, width) = (self.config.tokens(), self.config.embed_dim);
        let of = |part: &str| format!("{name}.{part}");

        let normed = self.tensor(&of("qact1"), tokens, width, Width::I8)?;
        self.layer_norm(&of("norm1"), stream, normed)?;
        let qkv = self.tensor(&of("attn.qact1"), tokens, 3 * width, Width::I8)?;
        self.linear(&of("attn.qkv"), normed, qkv, self.config.qkv_bias)?;
        let mixed = self.attention(name, qkv)?;
        let branch = self.tensor(&of("attn.qact3"), tokens, width, Width::I16)?;
        self.linear(&of("attn.proj"), mixed, branch, true)?;
        let attended = self.tensor(&of("qact2"), tokens, width, Width::I16)?;
        self.graph.nodes.push(Node::Add { x: stream, y: branch, out: attended });

        let normed = self.tensor(&of("qact3"), tokens, width, Width::I8)?;
        self.layer_norm(&of("norm2"), attended, normed)?;
        let hidden = self.tensor(&of("mlp.qact_gelu"), tokens, self.config.hidden(), Width::I8)?;
        self.linear(&of("mlp.fc1"), normed, hidden, true)?;
        let active = self.tensor(&of("mlp.qact1"), tokens, self.config.hidden(), Width::I8)?;
        self.graph.nodes.push(Node::ShiftGelu { x: hidden, out: active, bits: GELU_BITS });
        let branch = self.tensor(&of("mlp.qact2"), tokens, width, Width::I16)?;
        self.linear(&of("mlp.fc2"), active, branch, true)?;
        let out = self.tensor(&of("qact4"), tokens, width, Width::I16)?;
        self.graph.nodes.push(Node::Add { x: attended, y: branch, out });
        Ok(out)
    }

    fn attention(&mut self, block: &str, qkv: TensorId) -> Result<TensorId, ConvertError> {
        let VitConfig { embed_dim: width, num_heads: heads, .. } = self.config;
        let head_scale = math::pow(f64::from(width / heads), -0.5) as f32;
        let score_scale = self.act_scale(&format!("{block}.attn.qact_attn1"))?;
        let product = self.scale_of(qkv) * self.scale_of(qkv) * head_scale;
        let mixed = self.tensor(&format!("{block}.attn.qact2"), self.config.tokens(), width, Width::I8)?;
        let head_dim = width / heads;
        let part = |index| Strided::packed(qkv, index, width as usize, head_dim as usize);
        self.graph.nodes.push(Node::Attention {
            q: part(0),
            k: part(1),
            v: part(2),
            keys: self.config.tokens(),
            out: mixed,
            heads,
            head_dim,
            product_scales: vec![product.into(); heads as usize],
            score_scale: score_scale.into(),
            exponential: ExpBits { bits: SOFTMAX_BITS, limit: i32::MAX as u32, exact: false },
        });
        Ok(mixed)
    }

    /// The final norm of the class token, and the classifier.
    fn head(&mut self, stream: TensorId) -> Result<(), ConvertError> {
        let width = self.config.embed_dim;
        let normed = self.tensor("qact2", self.config.tokens(), width, Width::I8)?;
        self.layer_norm("norm", stream, normed)?;
        let scale = self.graph.tensors[normed].scale;
        let token = self.graph.tensor("norm.cls", 1, width, Width::I8, scale);
        self.graph.nodes.push(Node::Rows { x: normed, out: token, start: 0 });
        let shape = [self.config.num_classes, width];
        let weights = self.weights("head", &shape, "fc_scaling_factor", scale as f32, true)?;
        let logits = self.graph.tensor(
            "logits",
            1,
            self.config.num_classes,
            Width::I32,
            weights.logit_scale(Width::I8),
        );
        self.graph.nodes.push(Node::Linear { x: token, out: logits, weights });
        self.graph.set_logits(logits);
        Ok(())
    }
}
