//! A block: attention and MLP, each with its norm, LayerScale and residual.

use float::{Dense, Function, Node, Strided, TensorId};

use super::Builder;
use crate::error::ConvertError;
use crate::import::json::wrong;
use crate::import::layers::Biased;
use crate::import::relative;

/// Share of the largest probability of a row from which on a key is attended to, in BiViT.
const ATTENDED: f32 = 0.25;

impl Builder<'_> {
    pub(super) fn block(&mut self, name: &str, stream: TensorId) -> Result<TensorId, ConvertError> {
        let of = |part: &str| format!("{name}.{part}");
        let normed = self.norm(&of("norm1"), stream)?;
        let mixed = match self.layers.has(&of("attn.qkv.scaling_factor")) {
            true => self.binary_attention(name, normed)?,
            false => self.attention(name, normed)?,
        };
        let branch = self.layers.linear(&of("attn.proj"), mixed, self.dims.width)?;
        let branch = self.layer_scale(name, "ls1", branch)?;
        let attended = self.layers.add(&of("add1"), stream, branch);
        let normed = self.norm(&of("norm2"), attended)?;
        let (active, last) = match self.blocks_have("mlp.w12.weight") {
            true => (self.gated(name, normed)?, of("mlp.w3")),
            false => {
                let hidden = self.layers.linear(&of("mlp.fc1"), normed, self.dims.hidden)?;
                (self.layers.activate(&of("mlp.act"), hidden, self.config.function), of("mlp.fc2"))
            }
        };
        let branch = self.layers.linear(&last, active, self.dims.width)?;
        let branch = self.layer_scale(name, "ls2", branch)?;
        Ok(self.layers.add(&of("add2"), attended, branch))
    }

    /// SwiGLU: `silu(x·W₁) · (x·W₂)`, both layers in one tensor.
    fn gated(&mut self, block: &str, x: TensorId) -> Result<TensorId, ConvertError> {
        let (n, k) = (self.dims.hidden, self.dims.width);
        let Dense { mut weights, mut bias, .. } =
            self.layers.weights(&format!("{block}.mlp.w12"), 2 * n, k)?;
        let (up, up_bias) = (weights.split_off(n * k), bias.split_off(n));
        let gate = self.layers.dense(&format!("{block}.mlp.w1"), x, Dense { n, k, weights, bias });
        let gate = self.layers.activate(&format!("{block}.mlp.act"), gate, Function::Silu);
        let up = self.layers.dense(&format!("{block}.mlp.w2"), x, Dense { n, k, weights: up, bias: up_bias });
        let out = self.layers.tensor_like(&format!("{block}.mlp.gate"), up);
        self.layers.graph.nodes.push(Node::Mul { x: gate, y: up, out });
        Ok(out)
    }

    /// Whether the blocks have the tensor `part`: all of them, as the first one does.
    fn blocks_have(&self, part: &str) -> bool {
        self.layers.has(&format!("blocks.0.{part}"))
    }

    fn layer_scale(&mut self, block: &str, part: &str, x: TensorId) -> Result<TensorId, ConvertError> {
        if !self.blocks_have(&format!("{part}.gamma")) {
            return Ok(x);
        }
        let (name, gamma) = (&format!("{block}.{part}"), format!("{block}.{part}.gamma"));
        let width = self.dims.width;
        let scale = self.layers.floats(&gamma, &[width])?;
        let out = self.layers.tensor_like(name, x);
        self.layers.graph.nodes.push(Node::Affine { x, out, scale, offset: vec![0.0; width] });
        Ok(out)
    }

    /// Queries and keys are normalised head by head where the model does so.
    fn attention(&mut self, block: &str, normed: TensorId) -> Result<TensorId, ConvertError> {
        let (width, heads) = (self.dims.width, self.config.heads);
        let (rows, head_dim) = (self.layers.graph.tensors[normed].rows, width / heads);
        let [mut q, mut k, v] = self.projections(block, normed)?;
        for (place, name) in [(&mut q, "q_norm"), (&mut k, "k_norm")] {
            let layer = format!("{block}.attn.{name}");
            if self.blocks_have(&format!("attn.{name}.weight")) {
                *place = self.head_norm(&layer, *place, rows)?;
            }
        }
        let bias = self.position_bias(block, rows)?;
        let out = self.layers.graph.tensor(format!("{block}.attn.mix"), rows, width);
        if let Some(bias) = bias {
            let mix = Strided { tensor: out, offset: 0, batch: head_dim, row: width };
            let parts = Biased { q, k, v, batch: heads, rows, head_dim };
            self.layers.biased_attention(block, parts, bias, mix);
            return Ok(out);
        }
        let scales = vec![(head_dim as f32).sqrt().recip(); heads];
        self.layers.graph.nodes.push(Node::Attention { q, k, v, keys: rows, heads, head_dim, scales, out });
        Ok(out)
    }

    /// Queries, keys and values of all heads side by side, by one layer or by three.
    fn projections(&mut self, block: &str, x: TensorId) -> Result<[Strided; 3], ConvertError> {
        let width = self.dims.width;
        let head_dim = width / self.config.heads;
        if !self.blocks_have("attn.q.weight") {
            let qkv = self.layers.linear(&format!("{block}.attn.qkv"), x, 3 * width)?;
            return Ok([0, 1, 2].map(|part| Strided::packed(qkv, part, width, head_dim)));
        }
        let mut one = |part: &str| -> Result<Strided, ConvertError> {
            let tensor = self.layers.linear(&format!("{block}.attn.{part}"), x, width)?;
            Ok(Strided { tensor, offset: 0, batch: head_dim, row: width })
        };
        Ok([one("q")?, one("k")?, one("v")?])
    }

    fn head_norm(&mut self, layer: &str, x: Strided, rows: usize) -> Result<Strided, ConvertError> {
        let width = self.dims.width;
        let head_dim = width / self.config.heads;
        let copy = self.layers.graph.tensor(format!("{layer}.in"), rows, width);
        let (shape, strides) = ([rows, 1, 1, width], [x.row, 0, 0, 1]);
        self.layers.graph.nodes.push(Node::Permute {
            x: x.tensor,
            out: copy,
            offset: x.offset,
            shape,
            strides,
        });
        let gamma = self.layers.floats(&format!("{layer}.weight"), &[head_dim])?;
        let beta = self.layers.floats(&format!("{layer}.bias"), &[head_dim])?;
        let (tensor, eps) = (self.layers.graph.tensor(layer, rows, width), self.config.eps);
        self.layers.graph.nodes.push(Node::LayerNorm {
            x: copy,
            out: tensor,
            gamma,
            beta,
            eps,
            centred: true,
        });
        Ok(Strided { tensor, offset: 0, batch: head_dim, row: width })
    }

    /// What is added to the scores of each head, `heads × rows × rows`: of the block, and shared by
    /// all blocks.
    fn position_bias(&self, block: &str, rows: usize) -> Result<Option<Vec<f32>>, ConvertError> {
        let (heads, grid) = (self.config.heads, self.dims.vit.grid() as usize);
        let own = self.blocks_have("attn.bias_table").then(|| format!("{block}.attn.bias_table"));
        let shared = self.layers.has("bias_table").then(|| "bias_table".to_owned());
        let mut sum: Option<Vec<f32>> = None;
        for name in own.iter().chain(&shared) {
            let table = self.layers.floats(name, &[relative::distances(grid) + 3, heads])?;
            if self.dims.prefix != 1 {
                let name = self.layers.tensors.outward(name);
                return Err(wrong(format!("`{name}` needs one token before the patches, that of the class")));
            }
            relative::check(self.dims.vit.depth as usize * heads, rows)?;
            let bias = relative::bias(&table, &relative::with_class(grid), heads);
            sum = Some(match sum {
                None => bias,
                Some(sum) => sum.iter().zip(&bias).map(|(a, b)| a + b).collect(),
            });
        }
        Ok(sum)
    }

    fn sign(&mut self, name: &str, x: TensorId) -> TensorId {
        self.layers.activate(name, x, Function::Sign)
    }

    /// Attention whose layers read signs, up to the signs that its projection reads.
    fn binary_attention(&mut self, block: &str, normed: TensorId) -> Result<TensorId, ConvertError> {
        let (width, heads) = (self.dims.width, self.config.heads);
        let (rows, head_dim) = (self.layers.graph.tensors[normed].rows, width / heads);
        let of = |part: &str| format!("{block}.attn.{part}");
        let signs = self.sign(&of("sign"), normed);
        let qkv = self.layers.linear(&of("qkv"), signs, 3 * width)?;
        let tensor = self.sign(&of("qkv.sign"), qkv);
        let part = |index| Strided::packed(tensor, index, width, head_dim);
        let (q, k, v) = (part(0), part(1), part(2));
        let out = self.layers.graph.tensor(of("mix"), rows, width);
        let scales = vec![(head_dim as f32).sqrt().recip(); heads];
        let (keys, ratio) = (rows, ATTENDED);
        self.layers.graph.nodes.push(Node::BinaryAttention {
            q,
            k,
            v,
            keys,
            heads,
            head_dim,
            scales,
            ratio,
            out,
        });
        Ok(self.sign(&of("mix.sign"), out))
    }
}
