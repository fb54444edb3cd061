//! Operations.

use super::{Function, Pairs};
use crate::layout::{Geometry, Strided, TensorId};

/// Weights and bias of a dense or convolutional layer.
#[derive(Clone, Debug)]
pub struct Dense {
    /// Output channels.
    pub n: usize,
    /// Inputs of each channel.
    pub k: usize,
    /// `n × k`; of a convolution in (kernel row, kernel column, channel) order.
    pub weights: Vec<f32>,
    /// `n`.
    pub bias: Vec<f32>,
}

/// A part of a concatenation.
#[derive(Clone, Debug)]
pub enum Part {
    /// All rows of a tensor.
    Tensor(TensorId),
    /// Constant rows (a class token).
    Constant(Vec<f32>),
}

/// An operation.
#[derive(Clone, Debug)]
pub enum Node {
    /// `(p / 255 − mean) / std` of the frame, channel by channel.
    Pixels {
        /// The frame (tensor 0), u8 values.
        x: TensorId,
        /// Normalised pixels.
        out: TensorId,
        /// Mean of each channel.
        mean: Vec<f32>,
        /// Standard deviation of each channel.
        std: Vec<f32>,
    },
    /// Convolution over the rows of `x` as an image, channels last.
    Conv {
        /// Input pixels.
        x: TensorId,
        /// Output pixels.
        out: TensorId,
        /// Geometry.
        geometry: Geometry,
        /// `k` is kernel height × kernel width × channels / groups.
        dense: Dense,
    },
    /// Dense layer on every row.
    Linear {
        /// Input rows, `k` wide.
        x: TensorId,
        /// Output rows, `n` wide.
        out: TensorId,
        /// Weights.
        dense: Dense,
    },
    /// `x[c] · scale[c] + offset[c]` in every row.
    Affine {
        /// Input.
        x: TensorId,
        /// Output.
        out: TensorId,
        /// As many as the width.
        scale: Vec<f32>,
        /// As many as the width.
        offset: Vec<f32>,
    },
    /// Normalisation of consecutive groups of `gamma.len()` elements (usually a row).
    LayerNorm {
        /// Input.
        x: TensorId,
        /// Output.
        out: TensorId,
        /// γ.
        gamma: Vec<f32>,
        /// β.
        beta: Vec<f32>,
        /// Added to the variance.
        eps: f32,
        /// Whether the mean is taken away first; without, the variance is the mean of squares
        /// (RMSNorm).
        centred: bool,
    },
    /// Normalisation of groups of consecutive channels, each over all rows.
    GroupNorm {
        /// Input.
        x: TensorId,
        /// Output.
        out: TensorId,
        /// Groups, a divisor of the width.
        groups: usize,
        /// γ, as many as the width.
        gamma: Vec<f32>,
        /// β, as many as the width.
        beta: Vec<f32>,
        /// Added to the variance.
        eps: f32,
    },
    /// Element-wise function.
    Activate {
        /// Input.
        x: TensorId,
        /// Output.
        out: TensorId,
        /// Function.
        function: Function,
    },
    /// Sum of two tensors of one shape.
    Add {
        /// The residual stream, where there is one.
        x: TensorId,
        /// The branch.
        y: TensorId,
        /// Output.
        out: TensorId,
    },
    /// Product of two tensors.
    Mul {
        /// The first factor, of the output's shape.
        x: TensorId,
        /// The second: of that shape, or one row, or one element of each row, or one element.
        y: TensorId,
        /// Output.
        out: TensorId,
    },
    /// Quotient of two tensors.
    Div {
        /// The dividend, of the output's shape.
        x: TensorId,
        /// The divisor: of that shape, or one row, or one element of each row, or one element.
        y: TensorId,
        /// Output.
        out: TensorId,
    },
    /// Euclidean length of each channel over all rows, divided by the mean of the lengths (global
    /// response normalisation, arXiv 2301.00808): one row.
    ResponseNorm {
        /// Input.
        x: TensorId,
        /// Output, one row.
        out: TensorId,
        /// Added to the mean.
        eps: f32,
    },
    /// Adds a constant of the tensor's shape (a position embedding).
    AddConstant {
        /// Input.
        x: TensorId,
        /// Output.
        out: TensorId,
        /// `rows × width`.
        values: Vec<f32>,
    },
    /// Softmax of consecutive groups of `width` elements.
    Softmax {
        /// Input.
        x: TensorId,
        /// Output.
        out: TensorId,
        /// Elements that sum to one.
        width: usize,
    },
    /// `out = scale · A · B` for every batch element, both computed, with a scale of its own.
    MatMul {
        /// `m` rows of `k`.
        a: Strided,
        /// `n` rows of `k` when transposed, else `k` rows of `n`.
        b: Strided,
        /// Whether `b` is stored transposed.
        transpose_b: bool,
        /// `m` rows of `n`; covers its tensor.
        out: Strided,
        /// Batch elements (heads).
        batch: usize,
        /// Rows.
        m: usize,
        /// Columns.
        n: usize,
        /// Inner dimension.
        k: usize,
        /// Factor of each batch element's product.
        scales: Vec<f32>,
    },
    /// Multi-head attention: `softmax(scale · Q·Kᵀ) · V` of each head.
    Attention {
        /// Queries: as many rows as `out`; `batch` is the distance of heads.
        q: Strided,
        /// Keys.
        k: Strided,
        /// Values.
        v: Strided,
        /// Key and value rows.
        keys: usize,
        /// Heads.
        heads: usize,
        /// Channels of each head.
        head_dim: usize,
        /// Factor of each head's scores, `1/√head_dim` in it.
        scales: Vec<f32>,
        /// `rows × (heads · head_dim)`, heads side by side.
        out: TensorId,
    },
    /// Which elements of consecutive groups of `width` are at least `ratio` times the
    /// largest of their group: 1, the others 0.
    Select {
        /// Input.
        x: TensorId,
        /// Output.
        out: TensorId,
        /// Elements of a group.
        width: usize,
        /// Share of the largest, 0 to 1.
        ratio: f32,
    },
    /// Softmax-aware binarized attention of each head (BiViT, arXiv 2211.07091):
    /// `1[p ≥ ratio · max p] · V` with `p = softmax(scale · Q·Kᵀ)`, rows of queries, keys and
    /// values being signs.
    BinaryAttention {
        /// Queries: as many rows as `out`; `batch` is the distance of heads.
        q: Strided,
        /// Keys.
        k: Strided,
        /// Values.
        v: Strided,
        /// Key and value rows.
        keys: usize,
        /// Heads.
        heads: usize,
        /// Channels of each head.
        head_dim: usize,
        /// Factor of each head's scores, `1/√head_dim` in it.
        scales: Vec<f32>,
        /// Share of the largest probability, 0 to 1.
        ratio: f32,
        /// `rows × (heads · head_dim)`, heads side by side.
        out: TensorId,
    },
    /// Mean over rows: one row.
    Mean {
        /// Input.
        x: TensorId,
        /// Output, one row.
        out: TensorId,
    },
    /// Consecutive rows of a tensor.
    Rows {
        /// Input.
        x: TensorId,
        /// Output: as many rows as it has.
        out: TensorId,
        /// The first.
        start: usize,
    },
    /// `out[a, b, c, d] = x[offset + a·s₀ + b·s₁ + c·s₂ + d·s₃]`, contiguous.
    Permute {
        /// Input.
        x: TensorId,
        /// Output.
        out: TensorId,
        /// First element.
        offset: usize,
        /// Dimensions of `out`, outermost first.
        shape: [usize; 4],
        /// Elements of `x` from one index to the next.
        strides: [usize; 4],
    },
    /// Rows picked by constant indices.
    Gather {
        /// Input.
        x: TensorId,
        /// Output.
        out: TensorId,
        /// A row of `x` for every row of `out`.
        rows: Vec<u32>,
    },
    /// Rotary position embedding: `first · cos − second · sin` and `second · cos + first · sin` for the
    /// pairs of channels of every head.
    Rotary {
        /// Input.
        x: TensorId,
        /// Output: as many rows, heads side by side.
        out: TensorId,
        /// The first element; rows are as far apart as those of the input.
        offset: usize,
        /// Channels of each head, even.
        head_dim: usize,
        /// Which channels of a head are a pair.
        pairs: Pairs,
        /// For each row the cosines of a head's pairs, then their sines, −1 to 1: `rows × head_dim`.
        angles: Vec<f32>,
    },
    /// Rows of several tensors or constants of one width, one after the other.
    Concat {
        /// What is joined.
        parts: Vec<Part>,
        /// Output.
        out: TensorId,
    },
}

/// The tensors that a node reads, and the one that it makes: borrowed as the node is.
macro_rules! tensors {
    ($node:expr) => {
        match $node {
            Node::Add { x, y, out } | Node::Mul { x, y, out } | Node::Div { x, y, out } => (vec![x, y], out),
            Node::MatMul {
                a: Strided { tensor: a, .. },
                b: Strided { tensor: b, .. },
                out: Strided { tensor: out, .. },
                ..
            } => (vec![a, b], out),
            Node::Attention {
                q: Strided { tensor: q, .. },
                k: Strided { tensor: k, .. },
                v: Strided { tensor: v, .. },
                out,
                ..
            }
            | Node::BinaryAttention {
                q: Strided { tensor: q, .. },
                k: Strided { tensor: k, .. },
                v: Strided { tensor: v, .. },
                out,
                ..
            } => (vec![q, k, v], out),
            Node::Concat { parts, out } => {
                let mut read = Vec::new();
                for part in parts {
                    if let Part::Tensor(id) = part {
                        read.push(id);
                    }
                }
                (read, out)
            }
            Node::Pixels { x, out, .. }
            | Node::Conv { x, out, .. }
            | Node::Linear { x, out, .. }
            | Node::Affine { x, out, .. }
            | Node::LayerNorm { x, out, .. }
            | Node::GroupNorm { x, out, .. }
            | Node::Activate { x, out, .. }
            | Node::AddConstant { x, out, .. }
            | Node::Softmax { x, out, .. }
            | Node::Select { x, out, .. }
            | Node::Mean { x, out }
            | Node::ResponseNorm { x, out, .. }
            | Node::Rows { x, out, .. }
            | Node::Permute { x, out, .. }
            | Node::Gather { x, out, .. }
            | Node::Rotary { x, out, .. } => (vec![x], out),
        }
    };
}

impl Node {
    /// The tensors it reads.
    pub fn inputs(&self) -> Vec<TensorId> {
        let (read, _): (Vec<&TensorId>, &TensorId) = tensors!(self);
        read.into_iter().copied().collect()
    }

    /// The tensor it makes.
    pub fn output(&self) -> TensorId {
        let (_, out): (Vec<&TensorId>, &TensorId) = tensors!(self);
        *out
    }

    /// What it reads, in the order of [`inputs`](Self::inputs), and what it makes.
    pub(crate) fn tensors_mut(&mut self) -> (Vec<&mut TensorId>, &mut TensorId) {
        tensors!(self)
    }
}
