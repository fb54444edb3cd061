//! The binarized layout of this project's training recipe, `converter/recipes/LAYOUT.md`.
//!
//! Bits, scales, thresholds and distances are those that the model was trained with, so no
//! calibration data is needed. All rounding is half up.

mod activations;
#[cfg(test)]
mod tests;

use std::f64::consts::SQRT_2;

use float::math;
use quant::ops::MAX_BIAS;

use self::activations::{Activations, Gelu, Reads};
use super::config::VitConfig;
use super::options::ImportOptions;
use super::tensors::{Tensors, channels_last};
use super::unread;
use crate::error::ConvertError;
use crate::graph::{BinaryWeights, Geometry, Graph, Node, Part, Strided, Sums, TensorId, Weights, Width};

/// Metadata value of `format`.
pub const FORMAT: &str = "shiftformer-bivit-1";

const EPS: f64 = 1e-6;
/// Fraction bits of the exponentials of ShiftGELU.
const GELU_BITS: u8 = 23;
/// Least scale of a channel of int8 weights, as in training.
const MIN_WEIGHT_SCALE: f64 = 1e-8;

/// Builds the quantized graph of a checkpoint of the recipe.
pub fn import(tensors: &Tensors<'_>, options: &ImportOptions) -> Result<Graph, ConvertError> {
    let config = VitConfig::read(tensors, options)?;
    if config.hidden() == 0 {
        return Err(ConvertError::Config {
            reason: format!("mlp_ratio {} leaves no hidden channel", config.mlp_ratio),
        });
    }
    let activations = Activations::read(tensors)?;
    let image = config.image(tensors, options)?;
    let scale = stream_scale(tensors)?;
    let mut importer = Importer { tensors, config, activations, stream: scale, graph: Graph::new(image) };
    let mut stream = importer.embedding()?;
    for block in 0..importer.config.depth {
        stream = importer.block(&format!("blocks.{block}"), stream)?;
    }
    importer.head(stream)?;
    tensors.finish(&[unread::RECIPE])?;
    Ok(importer.graph)
}

/// A power of two.
fn stream_scale(tensors: &Tensors<'_>) -> Result<f64, ConvertError> {
    let name = "stream.scale";
    let scale = f64::from(tensors.scale(name)?);
    match math::log2(scale).fract() == 0.0 {
        true => Ok(scale),
        false => {
            Err(ConvertError::Value { name: name.into(), index: 0, value: scale, expected: "a power of two" })
        }
    }
}

struct Importer<'a> {
    tensors: &'a Tensors<'a>,
    config: VitConfig,
    activations: Activations,
    /// Scale of the residual stream.
    stream: f64,
    graph: Graph,
}

impl Importer<'_> {
    fn scale(&self, name: &str) -> Result<f64, ConvertError> {
        Ok(self.tensors.scale(&format!("{name}.scale"))?.into())
    }

    fn scale_of(&self, id: TensorId) -> f64 {
        self.graph.tensors[id].scale
    }

    fn doubles(&self, name: &str, shape: &[u32]) -> Result<Vec<f64>, ConvertError> {
        Ok(self.tensors.floats(name, shape)?.into_iter().map(f64::from).collect())
    }

    /// All tokens in the width and at the scale of the stream.
    fn stream_tensor(&mut self, name: String) -> TensorId {
        let (tokens, width) = (self.config.tokens(), self.config.embed_dim);
        self.graph.tensor(name, tokens, width, Width::I16, self.stream)
    }

    /// The values of tensor `name` in units of the stream.
    fn in_stream(&self, name: &str, shape: &[u32]) -> Result<Vec<i16>, ConvertError> {
        let values = self.doubles(name, shape)?;
        Ok(values.into_iter().map(|v| half_up(v / self.stream).clamp(-32768.0, 32767.0) as i16).collect())
    }

    /// The bias of `layer` in units of each channel's accumulator.
    fn bias(&self, layer: &str, units: &[f64]) -> Result<Vec<i32>, ConvertError> {
        let name = format!("{layer}.bias");
        let values = self.doubles(&name, &[units.len() as u32])?;
        let rounded = values.iter().zip(units).map(|(value, unit)| half_up(value / unit));
        let integer = |(index, bias): (usize, f64)| match bias.abs() <= f64::from(MAX_BIAS) {
            true => Ok(bias as i32),
            false => Err(ConvertError::Value {
                name: name.clone(),
                index,
                value: values[index],
                expected: "at most 2^30 units of its accumulator",
            }),
        };
        rounded.enumerate().map(integer).collect()
    }

    /// int8 weights of the float layer `layer`, output channels first, for an input of scale `x`.
    fn int8(&self, layer: &str, shape: &[u32], x: f64) -> Result<Weights, ConvertError> {
        let k: u32 = shape[1..].iter().product();
        let weights = self.doubles(&format!("{layer}.weight"), shape)?;
        let largest = |row: &[f64]| row.iter().fold(0f64, |m, w| m.max(w.abs()));
        let scales = weights.chunks(k as usize).map(|row| (largest(row) / 127.0).max(MIN_WEIGHT_SCALE));
        let scales: Vec<f64> = scales.collect();
        let rows = weights.chunks(k as usize).zip(&scales);
        let values = rows.flat_map(|(row, scale)| row.iter().map(move |w| half_up(w / scale) as i8));
        let values = values.collect();
        let accumulator_scales: Vec<f64> = scales.iter().map(|scale| scale * x).collect();
        let bias = self.bias(layer, &accumulator_scales)?;
        Ok(Weights { values, n: shape[0], k, bias, accumulator_scales })
    }

    /// Patches, class token and position: the start of the residual stream.
    fn embedding(&mut self) -> Result<TensorId, ConvertError> {
        let VitConfig { img_size, patch_size: patch, in_chans, embed_dim: width, .. } = self.config;
        let (grid, tokens) = (self.config.grid(), self.config.tokens());
        let scale = self.scale("input")?;
        let pixels = self.graph.tensor("input", img_size * img_size, in_chans, Width::I8, scale);
        let tables = self.pixel_tables(scale);
        self.graph.nodes.push(Node::QuantizeImage { x: 0, out: pixels, tables });

        let patches = self.graph.tensor("patch_embed", grid * grid, width, Width::I16, self.stream);
        let mut weights = self.int8("patch_embed.proj", &[width, in_chans, patch, patch], scale)?;
        weights.values = channels_last(&weights.values, in_chans as usize, (patch * patch) as usize);
        let geometry = Geometry::patches(img_size, patch, in_chans);
        self.graph.nodes.push(Node::Conv { x: pixels, out: patches, geometry, weights });

        let joined = self.stream_tensor("cls_token".into());
        let token = self.in_stream("cls_token", &[1, 1, width])?.into_iter().map(i32::from).collect();
        let parts = vec![Part::Constant(token), Part::Tensor(patches)];
        self.graph.nodes.push(Node::Concat { parts, out: joined });
        let values = self.in_stream("pos_embed", &[1, tokens, width])?;
        let out = self.stream_tensor("pos_embed".into());
        self.graph.nodes.push(Node::AddConstant { x: joined, out, values, scale: self.stream });
        Ok(out)
    }

    fn pixel_tables(&self, scale: f64) -> Vec<i8> {
        let image = &self.graph.image;
        let channel = |c: usize| {
            let (mean, std) = (f32::from_bits(image.mean[c].0), f32::from_bits(image.std[c].0));
            (0..=255u8).map(move |p| {
                let x = (f64::from(p) / 255.0 - decimal(mean)) / decimal(std);
                half_up(x / scale).clamp(-128.0, 127.0) as i8
            })
        };
        (0..usize::from(image.channels)).flat_map(channel).collect()
    }

    fn block(&mut self, name: &str, stream: TensorId) -> Result<TensorId, ConvertError> {
        let branch = self.attention(&format!("{name}.attn"), name, stream)?;
        let attended = self.stream_tensor(format!("{name}.attended"));
        self.graph.nodes.push(Node::Add { x: stream, y: branch, out: attended });
        let branch = self.mlp(&format!("{name}.mlp"), name, attended)?;
        let out = self.stream_tensor(format!("{name}.out"));
        self.graph.nodes.push(Node::Add { x: attended, y: branch, out });
        Ok(out)
    }

    /// What the layer behind the LayerNorm `norm` of `x` reads: int8 or signs.
    fn normed(&mut self, norm: &str, signs: bool, x: TensorId) -> Result<TensorId, ConvertError> {
        let (rows, width) = (self.graph.tensors[x].rows, self.graph.tensors[x].width);
        let gamma = self.doubles(&format!("{norm}.weight"), &[width])?;
        let beta = self.doubles(&format!("{norm}.bias"), &[width])?;
        let bits = if signs { Width::I16 } else { Width::I8 };
        let out = self.graph.tensor(norm, rows, width, bits, self.scale(norm)?);
        self.graph.nodes.push(Node::LayerNorm { x, out, gamma, beta, eps: EPS, centred: true });
        if !signs {
            return Ok(out);
        }
        let bits = self.graph.tensor(format!("{norm}.sign"), rows, width, Width::Sign, 1.0);
        self.graph.nodes.push(Node::Binarize { x: out, out: bits, high: vec![0; width as usize] });
        Ok(bits)
    }

    fn attention(&mut self, name: &str, block: &str, stream: TensorId) -> Result<TensorId, ConvertError> {
        let VitConfig { embed_dim: width, num_heads: heads, .. } = self.config;
        let (tokens, head_dim) = (self.config.tokens(), width / heads);
        let layer = format!("{name}.qkv");
        let signs = self.activations.of(&layer)? == Reads::Sign;
        let x = self.normed(&format!("{block}.norm1"), signs, stream)?;
        let qkv = self.signs(&layer, x, 3 * width, head_dim)?;

        let proj = format!("{name}.proj");
        let reads = self.activations.of(&proj)?;
        let bits = if reads == Reads::Ternary { Width::Ternary } else { Width::I16 };
        let sums = self.graph.tensor(format!("{name}.sums"), tokens, width, bits, 1.0);
        if reads == Reads::Ternary {
            self.graph.tensors[sums].group = head_dim;
        }
        let part = |index| Strided::packed(qkv, index, width as usize, head_dim as usize);
        let (q, k, v) = (part(0), part(1), part(2));
        let distance = self.tensors.naturals(&format!("{name}.distance"), &[heads])?;
        self.graph.nodes.push(Node::BinaryAttention {
            q,
            k,
            v,
            keys: tokens,
            out: sums,
            heads,
            head_dim,
            distance,
        });

        let norm = format!("{name}.norm");
        let x = match reads {
            Reads::Sign | Reads::I8 => self.normed(&norm, reads == Reads::Sign, sums)?,
            Reads::Ternary | Reads::I16 => {
                self.absent(&norm, &proj)?;
                sums
            }
        };
        let out = self.stream_tensor(proj.clone());
        self.dense(&proj, x, out)?;
        Ok(out)
    }

    /// No LayerNorm that the program would have to leave out.
    fn absent(&self, norm: &str, proj: &str) -> Result<(), ConvertError> {
        let given = ["weight", "bias", "scale"].map(|part| format!("{norm}.{part}"));
        match given.into_iter().find(|name| self.tensors.contains(name)) {
            Some(layer) => Err(ConvertError::Layer {
                layer,
                reason: format!("`{proj}` reads the attention sums; a LayerNorm goes with `sign` or `i8`"),
            }),
            None => Ok(()),
        }
    }

    fn mlp(&mut self, name: &str, block: &str, stream: TensorId) -> Result<TensorId, ConvertError> {
        let (tokens, hidden) = (self.config.tokens(), self.config.hidden());
        let (fc1, fc2) = (format!("{name}.fc1"), format!("{name}.fc2"));
        let signs = self.activations.of(&fc1)? == Reads::Sign;
        let x = self.normed(&format!("{block}.norm2"), signs, stream)?;
        let x = if self.activations.of(&fc2)? == Reads::Sign {
            self.signs(&fc1, x, hidden, hidden)?
        } else {
            let before = self.graph.tensor(fc1.clone(), tokens, hidden, Width::I8, self.scale(&fc1)?);
            self.dense(&fc1, x, before)?;
            let act = format!("{name}.act");
            let after = self.graph.tensor(act.clone(), tokens, hidden, Width::I8, self.scale(&act)?);
            self.gelu(before, after);
            after
        };
        let out = self.stream_tensor(fc2.clone());
        self.dense(&fc2, x, out)?;
        Ok(out)
    }

    fn gelu(&mut self, x: TensorId, out: TensorId) {
        let (before, after) = (self.scale_of(x), self.scale_of(out));
        let entry = |x: i32| {
            let x = f64::from(x) * before;
            let y = 0.5 * x * (1.0 + math::erf(x / SQRT_2));
            half_up(y / after).clamp(-128.0, 127.0) as i8
        };
        self.graph.nodes.push(match self.activations.gelu {
            Gelu::Erf => Node::Table { x, out, table: (-128..128).map(entry).collect() },
            Gelu::Shift => Node::ShiftGelu { x, out, bits: GELU_BITS },
        });
    }

    /// The weights of binary layer `layer`, and the real value of one unit of each sum.
    fn binary(&self, layer: &str, x: TensorId, n: u32) -> Result<(Vec<bool>, Vec<f64>), ConvertError> {
        let positive = self.tensors.bits(&format!("{layer}.weight_bits"), n, self.graph.tensors[x].width)?;
        let scales = self.tensors.scales(&format!("{layer}.scaling_factor"), &[n, 1])?;
        let scale = self.scale_of(x);
        Ok((positive, scales.into_iter().map(|s| f64::from(s) * scale).collect()))
    }

    /// A binary layer that makes the integers `out`.
    fn dense(&mut self, layer: &str, x: TensorId, out: TensorId) -> Result<(), ConvertError> {
        let (n, k) = (self.graph.tensors[out].width, self.graph.tensors[x].width);
        let (positive, accumulator_scales) = self.binary(layer, x, n)?;
        let bias = self.bias(layer, &accumulator_scales)?;
        let weights = BinaryWeights { positive, n, k, sums: Sums::Dense { up: 0, bias, accumulator_scales } };
        self.graph.nodes.push(Node::BinaryLinear { x, out, weights });
        Ok(())
    }

    /// A binary layer and the sign behind it, in bit rows of `group` elements.
    fn signs(&mut self, layer: &str, x: TensorId, n: u32, group: u32) -> Result<TensorId, ConvertError> {
        let (rows, k) = (self.graph.tensors[x].rows, self.graph.tensors[x].width);
        let (positive, units) = self.binary(layer, x, n)?;
        let bias = self.doubles(&format!("{layer}.bias"), &[n])?;
        // A cast saturates.
        let high = bias.iter().zip(&units).map(|(bias, unit)| (-bias / unit).ceil() as i32).collect();
        let out = self.graph.tensor(layer, rows, n, Width::Sign, 1.0);
        self.graph.tensors[out].group = group;
        let weights = BinaryWeights { positive, n, k, sums: Sums::Signs { high } };
        self.graph.nodes.push(Node::BinaryLinear { x, out, weights });
        Ok(out)
    }

    /// The final norm of the class token, and the classifier.
    fn head(&mut self, stream: TensorId) -> Result<(), ConvertError> {
        let (width, classes) = (self.config.embed_dim, self.config.num_classes);
        let normed = self.normed("norm", false, stream)?;
        let scale = self.scale_of(normed);
        let token = self.graph.tensor("norm.cls", 1, width, Width::I8, scale);
        self.graph.nodes.push(Node::Rows { x: normed, out: token, start: 0 });
        let weights = self.int8("head", &[classes, width], scale)?;
        let logits = self.graph.tensor("head", 1, classes, Width::I32, weights.logit_scale(Width::I8));
        self.graph.nodes.push(Node::Linear { x: token, out: logits, weights });
        self.graph.set_logits(logits);
        Ok(())
    }
}

/// `⌊x + 1/2⌋`.
fn half_up(x: f64) -> f64 {
    (x + 0.5).floor()
}

/// The double nearest to the shortest decimal of `x`: what the metadata says, not its single.
fn decimal(x: f32) -> f64 {
    x.to_string().parse().unwrap_or_else(|_| x.into())
}
