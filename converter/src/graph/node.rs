//! Operations.

use super::{BinaryWeights, ExpBits, Geometry, Pairs, Part, Strided, TensorId, Weights};

/// An operation.
#[derive(Clone, Debug)]
pub enum Node {
    /// Pixels to int8 through one 256-entry table for each channel.
    QuantizeImage {
        /// The frame, rows of `channels`.
        x: TensorId,
        /// Quantized pixels.
        out: TensorId,
        /// `channels × 256` values.
        tables: Vec<i8>,
    },
    /// Convolution; weights are in (kernel row, kernel column, channel) order.
    Conv {
        /// Input pixels.
        x: TensorId,
        /// Output pixels.
        out: TensorId,
        /// Geometry.
        geometry: Geometry,
        /// Weights.
        weights: Weights,
    },
    /// Dense layer.
    Linear {
        /// Input rows.
        x: TensorId,
        /// Output rows.
        out: TensorId,
        /// Weights.
        weights: Weights,
    },
    /// Rows of several tensors or constants, one after the other, all of one type and scale.
    Concat {
        /// What is joined.
        parts: Vec<Part>,
        /// Output.
        out: TensorId,
    },
    /// Adds a constant (a position embedding).
    AddConstant {
        /// Input.
        x: TensorId,
        /// Output.
        out: TensorId,
        /// As many values as the input has.
        values: Vec<i16>,
        /// Their scale.
        scale: f64,
    },
    /// Adds two tensors of any scales.
    Add {
        /// The residual stream.
        x: TensorId,
        /// The branch.
        y: TensorId,
        /// Output.
        out: TensorId,
    },
    /// Product of two tensors of any scales, int8 or int16.
    Mul {
        /// The first factor, of the output's shape.
        x: TensorId,
        /// The second: of that shape, or one row, or one element of each row, or one element.
        y: TensorId,
        /// Output.
        out: TensorId,
    },
    /// Quotient of two tensors of any scales, int16.
    Div {
        /// The dividend, of the output's shape.
        x: TensorId,
        /// The divisor: of that shape, or one row, or one element of each row, or one element.
        y: TensorId,
        /// Output, int8 or int16.
        out: TensorId,
    },
    /// Length of each channel over all rows, divided by the mean of the lengths: one row.
    ResponseNorm {
        /// Input, int8 or int16.
        x: TensorId,
        /// Output, one row, int16.
        out: TensorId,
        /// Added to the mean.
        eps: f64,
    },
    /// Normalisation of consecutive groups of `gamma.len()` elements (usually a row).
    LayerNorm {
        /// Input, int16.
        x: TensorId,
        /// Output.
        out: TensorId,
        /// γ.
        gamma: Vec<f64>,
        /// β.
        beta: Vec<f64>,
        /// Added to the variance.
        eps: f64,
        /// Whether the mean is taken away first; without, the variance is the mean of squares
        /// (RMSNorm).
        centred: bool,
    },
    /// Normalisation of groups of consecutive channels, each over all rows.
    GroupNorm {
        /// Input, int16.
        x: TensorId,
        /// Output, int8 or int16.
        out: TensorId,
        /// Groups, a divisor of the width.
        groups: u32,
        /// γ, as many as the width.
        gamma: Vec<f64>,
        /// β, as many as the width.
        beta: Vec<f64>,
        /// Added to the variance.
        eps: f64,
    },
    /// Multi-head attention; int8 in and out.
    Attention {
        /// Queries: as many rows as `out`; `batch` is the distance of heads.
        q: Strided,
        /// Keys.
        k: Strided,
        /// Values.
        v: Strided,
        /// Key and value rows.
        keys: u32,
        /// `rows × (heads · head_dim)`, heads side by side.
        out: TensorId,
        /// Heads.
        heads: u32,
        /// Channels of each head.
        head_dim: u32,
        /// For each head the real value of one unit of Q·Kᵀ, `1/√head_dim` included.
        product_scales: Vec<f64>,
        /// Scale of the int8 scores.
        score_scale: f64,
        /// The exponential.
        exponential: ExpBits,
    },
    /// `out = A · B` for every batch element, both computed.
    MatMul {
        /// `m` rows of `k`, int8 or int16.
        a: Strided,
        /// `n` rows of `k` when transposed, else `k` rows of `n`; int8.
        b: Strided,
        /// Whether `b` is stored transposed.
        transpose_b: bool,
        /// `m` rows of `n`; covers its tensor.
        out: Strided,
        /// Batch elements (heads).
        batch: u32,
        /// Rows.
        m: u32,
        /// Columns.
        n: u32,
        /// Inner dimension.
        k: u32,
        /// For each batch element the real value of one unit of the product.
        product_scales: Vec<f64>,
    },
    /// Shiftmax of consecutive groups of `width` elements, int8 or int16 to int8 or int16.
    Softmax {
        /// Input.
        x: TensorId,
        /// Output: scale 2⁻⁷ of int8, 2⁻¹⁵ of int16.
        out: TensorId,
        /// Elements that sum to one.
        width: u32,
        /// The exponential.
        exponential: ExpBits,
    },
    /// ShiftGELU with the row maximum, int8 to int8.
    ShiftGelu {
        /// Input.
        x: TensorId,
        /// Output.
        out: TensorId,
        /// Fraction bits of the exponential at most.
        bits: u8,
    },
    /// Any function of one int16 value, by its knots.
    Interpolate {
        /// Input, int16.
        x: TensorId,
        /// Output, int16.
        out: TensorId,
        /// Its 513 values.
        table: Vec<i16>,
    },
    /// Signs of integers: +1 from the channel's threshold on.
    Binarize {
        /// Input, int8 or int16.
        x: TensorId,
        /// Output, signs.
        out: TensorId,
        /// The thresholds.
        high: Vec<i32>,
    },
    /// Dense layer of ±1 weights.
    BinaryLinear {
        /// Input rows: signs, ternary, int8 or int16.
        x: TensorId,
        /// Output rows.
        out: TensorId,
        /// Weights.
        weights: BinaryWeights,
    },
    /// Softmax-aware binarized attention.
    BinaryAttention {
        /// Queries, signs: as many rows as `out`.
        q: Strided,
        /// Keys, signs.
        k: Strided,
        /// Values, signs.
        v: Strided,
        /// Key and value rows.
        keys: u32,
        /// `rows × (heads · head_dim)`, ternary, or int16 of scale 1.
        out: TensorId,
        /// Heads.
        heads: u32,
        /// Channels of each head.
        head_dim: u32,
        /// For each head the largest distance from the row maximum of Q·Kᵀ that is attended to.
        distance: Vec<u32>,
    },
    /// Any function of one int8 value: `table[x + 128]`.
    Table {
        /// Input, int8.
        x: TensorId,
        /// Output, int8.
        out: TensorId,
        /// 256 values.
        table: Vec<i8>,
    },
    /// `max(x, 0)` at one scale, int8 or int16.
    Relu {
        /// Input.
        x: TensorId,
        /// Output of the same type and scale.
        out: TensorId,
    },
    /// `round((x + bias[c]) · ratio[c])`: another type, scale or zero point.
    Requantize {
        /// Input.
        x: TensorId,
        /// Output.
        out: TensorId,
        /// Units of the output in one of the input, for each element of a row.
        ratios: Vec<f64>,
        /// In units of the input, for each element of a row.
        bias: Vec<i32>,
    },
    /// Mean over rows, int8 or int16: one row.
    Mean {
        /// Input.
        x: TensorId,
        /// Output, one row.
        out: TensorId,
    },
    /// Consecutive rows of a tensor, at its type and scale.
    Rows {
        /// Input.
        x: TensorId,
        /// Output: as many rows as it has.
        out: TensorId,
        /// The first.
        start: u32,
    },
    /// `out[a, b, c, d] = x[offset + a·s₀ + b·s₁ + c·s₂ + d·s₃]`, at one type and scale.
    Permute {
        /// Input.
        x: TensorId,
        /// Output.
        out: TensorId,
        /// First element.
        offset: u32,
        /// Dimensions of `out`, outermost first.
        shape: [u32; 4],
        /// Elements of `x` from one index to the next.
        strides: [u32; 4],
    },
    /// Rows picked by constant indices, at one type and scale.
    Gather {
        /// Input.
        x: TensorId,
        /// Output.
        out: TensorId,
        /// A row of `x` for every row of `out`.
        rows: Vec<u32>,
    },
    /// Rotary position embedding of int8 or int16: `first · cos − second · sin` and `second · cos + first · sin` for the
    /// pairs of channels of every head.
    Rotary {
        /// Input.
        x: TensorId,
        /// Output: as many rows, heads side by side.
        out: TensorId,
        /// The first element; rows are as far apart as those of the input.
        offset: u32,
        /// Channels of each head, even.
        head_dim: u32,
        /// Which channels of a head are a pair.
        pairs: Pairs,
        /// For each row the cosines of a head's pairs, then their sines, −1 to 1: `rows × head_dim`.
        angles: Vec<f32>,
    },
}

impl Node {
    /// The tensors it reads.
    pub fn inputs(&self) -> Vec<TensorId> {
        match self {
            Node::Add { x, y, .. } | Node::Mul { x, y, .. } | Node::Div { x, y, .. } => vec![*x, *y],
            Node::Attention { q, k, v, .. } | Node::BinaryAttention { q, k, v, .. } => {
                vec![q.tensor, k.tensor, v.tensor]
            }
            Node::MatMul { a, b, .. } => vec![a.tensor, b.tensor],
            Node::Concat { parts, .. } => parts
                .iter()
                .filter_map(|part| match part {
                    Part::Tensor(id) => Some(*id),
                    Part::Constant(_) => None,
                })
                .collect(),
            Node::QuantizeImage { x, .. }
            | Node::Conv { x, .. }
            | Node::Linear { x, .. }
            | Node::AddConstant { x, .. }
            | Node::LayerNorm { x, .. }
            | Node::GroupNorm { x, .. }
            | Node::Softmax { x, .. }
            | Node::ShiftGelu { x, .. }
            | Node::Table { x, .. }
            | Node::Interpolate { x, .. }
            | Node::Binarize { x, .. }
            | Node::BinaryLinear { x, .. }
            | Node::Relu { x, .. }
            | Node::Requantize { x, .. }
            | Node::Mean { x, .. }
            | Node::ResponseNorm { x, .. }
            | Node::Rows { x, .. }
            | Node::Permute { x, .. }
            | Node::Gather { x, .. }
            | Node::Rotary { x, .. } => vec![*x],
        }
    }

    /// The tensor it makes.
    pub fn output(&self) -> TensorId {
        match self {
            Node::MatMul { out, .. } => out.tensor,
            Node::QuantizeImage { out, .. }
            | Node::Conv { out, .. }
            | Node::Linear { out, .. }
            | Node::Concat { out, .. }
            | Node::AddConstant { out, .. }
            | Node::Add { out, .. }
            | Node::Mul { out, .. }
            | Node::Div { out, .. }
            | Node::LayerNorm { out, .. }
            | Node::GroupNorm { out, .. }
            | Node::Attention { out, .. }
            | Node::Softmax { out, .. }
            | Node::ShiftGelu { out, .. }
            | Node::Table { out, .. }
            | Node::Interpolate { out, .. }
            | Node::Binarize { out, .. }
            | Node::BinaryLinear { out, .. }
            | Node::BinaryAttention { out, .. }
            | Node::Relu { out, .. }
            | Node::Requantize { out, .. }
            | Node::Mean { out, .. }
            | Node::ResponseNorm { out, .. }
            | Node::Rows { out, .. }
            | Node::Permute { out, .. }
            | Node::Gather { out, .. }
            | Node::Rotary { out, .. } => *out,
        }
    }
}
