//! A block: attention and MLP, each with its norm, LayerScale and residual.

use float::{Function, Node, Strided, TensorId};

use super::Importer;
use crate::error::ConvertError;

/// Share of the largest probability of a row from which on a key is attended to, in BiViT.
const ATTENDED: f32 = 0.25;

impl Importer<'_> {
    pub(super) fn block(&mut self, name: &str, stream: TensorId) -> Result<TensorId, ConvertError> {
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
        let function = self.function;
        let active = self.tensor_like(&of("mlp.act"), hidden);
        self.graph.nodes.push(Node::Activate { x: hidden, out: active, function });
        let branch = self.linear(&of("mlp.fc2"), active, self.dims.width)?;
        let branch = self.layer_scale(&of("ls2"), branch)?;
        Ok(self.add(&of("add2"), attended, branch))
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
                self.graph.nodes.push(Node::LayerNorm { x: copy, out: tensor, gamma, beta, eps: self.eps });
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
}
