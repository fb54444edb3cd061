//! Layers of a float graph, made of a file's tensors.

use float::{Dense, Function, Geometry, Graph, Node, Strided, TensorId};
use runtime::FloatBits;

use super::json::small;
use super::tensors::{Tensors, channels_last};
use crate::error::ConvertError;

/// A graph in the making, and the tensors that it is made of.
pub struct Layers<'a> {
    /// What is read.
    pub tensors: &'a Tensors<'a>,
    /// What is made.
    pub graph: Graph,
}

impl Layers<'_> {
    /// Whether there is a tensor of that name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains(name)
    }

    /// The values of a tensor.
    pub fn floats(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, ConvertError> {
        let shape = shape.iter().map(|&d| small(d)).collect::<Result<Vec<_>, _>>()?;
        self.tensors.floats(name, &shape)
    }

    /// A new tensor of the shape of `x`.
    pub fn tensor_like(&mut self, name: &str, x: TensorId) -> TensorId {
        let (rows, width) = (self.graph.tensors[x].rows, self.graph.tensors[x].width);
        self.graph.tensor(name, rows, width)
    }

    /// A layer's weights and bias, `n × k`; a bias that is not there is 0.
    pub fn weights(&self, layer: &str, n: usize, k: usize) -> Result<Dense, ConvertError> {
        let weights = self.floats(&format!("{layer}.weight"), &[n, k])?;
        let bias = format!("{layer}.bias");
        let bias = if self.has(&bias) { self.floats(&bias, &[n])? } else { vec![0.0; n] };
        let scaling = format!("{layer}.scaling_factor");
        Ok(match self.has(&scaling) {
            true => Dense::binarized(&weights, &self.floats(&scaling, &[n, 1])?, bias),
            false => Dense { n, k, weights, bias },
        })
    }

    /// A layer of these weights.
    pub fn dense(&mut self, name: &str, x: TensorId, dense: Dense) -> TensorId {
        let out = self.graph.tensor(name, self.graph.tensors[x].rows, dense.n);
        self.graph.nodes.push(Node::Linear { x, out, dense });
        out
    }

    /// A layer of `n` outputs.
    pub fn linear(&mut self, layer: &str, x: TensorId, n: usize) -> Result<TensorId, ConvertError> {
        let dense = self.weights(layer, n, self.graph.tensors[x].width)?;
        Ok(self.dense(layer, x, dense))
    }

    /// LayerNorm of every row.
    pub fn norm(&mut self, layer: &str, x: TensorId, eps: f32) -> Result<TensorId, ConvertError> {
        let width = self.graph.tensors[x].width;
        let gamma = self.floats(&format!("{layer}.weight"), &[width])?;
        let beta = self.floats(&format!("{layer}.bias"), &[width])?;
        let out = self.tensor_like(layer, x);
        self.graph.nodes.push(Node::LayerNorm { x, out, gamma, beta, eps, centred: true });
        Ok(out)
    }

    /// A sum.
    pub fn add(&mut self, name: &str, x: TensorId, y: TensorId) -> TensorId {
        let out = self.tensor_like(name, x);
        self.graph.nodes.push(Node::Add { x, y, out });
        out
    }

    /// An element-wise function.
    pub fn activate(&mut self, name: &str, x: TensorId, function: Function) -> TensorId {
        let out = self.tensor_like(name, x);
        self.graph.nodes.push(Node::Activate { x, out, function });
        out
    }

    /// Normalised pixels, and their patches of `patch × patch` by a layer of `width` outputs.
    pub fn patches(&mut self, patch: u32, width: usize) -> Result<TensorId, ConvertError> {
        let (image, frame) = (self.graph.image, self.graph.tensors[0].clone());
        let values = |bits: &[FloatBits]| {
            bits[..frame.width].iter().map(|bits| f32::from_bits(bits.0)).collect::<Vec<_>>()
        };
        let (mean, std) = (values(&image.mean), values(&image.std));
        let pixels = self.graph.tensor("pixels", frame.rows, frame.width);
        self.graph.nodes.push(Node::Pixels { x: 0, out: pixels, mean, std });
        let (channels, positions) = (frame.width, (patch * patch) as usize);
        let sides = [width, channels, patch as usize, patch as usize];
        let weights = self.floats("patch_embed.proj.weight", &sides)?;
        let bias = match self.has("patch_embed.proj.bias") {
            true => self.floats("patch_embed.proj.bias", &[width])?,
            false => vec![0.0; width],
        };
        let geometry = Geometry::patches(image.height.into(), patch, image.channels.into());
        let rows = geometry.output.map(|side| side as usize);
        let out = self.graph.tensor("patch_embed.proj", rows[0] * rows[1], width);
        let weights = channels_last(&weights, channels, positions);
        let dense = Dense { n: width, k: channels * positions, weights, bias };
        self.graph.nodes.push(Node::Conv { x: pixels, out, geometry, dense });
        Ok(out)
    }

    /// Attention of `batch` parts of `rows` rows each, with `bias` added to the scores. `mix` is the
    /// output.
    pub fn biased_attention(&mut self, block: &str, parts: Biased, bias: Vec<f32>, mix: Strided) {
        let Biased { q, k, v, batch, rows, head_dim } = parts;
        let of = |part: &str| format!("{block}.attn.{part}");
        let scores = self.graph.tensor(of("scores"), batch * rows, rows);
        let whole = |tensor| Strided { tensor, offset: 0, batch: rows * rows, row: rows };
        let (m, n, scales) = (rows, rows, vec![(head_dim as f32).sqrt().recip(); batch]);
        let out = whole(scores);
        self.graph.nodes.push(Node::MatMul {
            a: q,
            b: k,
            transpose_b: true,
            out,
            batch,
            m,
            n,
            k: head_dim,
            scales,
        });
        let biased = self.tensor_like(&of("bias"), scores);
        self.graph.nodes.push(Node::AddConstant { x: scores, out: biased, values: bias });
        let probabilities = self.tensor_like(&of("softmax"), biased);
        self.graph.nodes.push(Node::Softmax { x: biased, out: probabilities, width: rows });
        let (a, n, k, scales) = (whole(probabilities), head_dim, rows, vec![1.0; batch]);
        self.graph.nodes.push(Node::MatMul { a, b: v, transpose_b: false, out: mix, batch, m, n, k, scales });
    }
}

/// Queries, keys and values of `batch` parts of `rows` rows, `head_dim` wide.
pub struct Biased {
    /// Queries.
    pub q: Strided,
    /// Keys.
    pub k: Strided,
    /// Values.
    pub v: Strided,
    /// Heads, or heads of windows.
    pub batch: usize,
    /// Rows of each.
    pub rows: usize,
    /// Channels of a head.
    pub head_dim: usize,
}
