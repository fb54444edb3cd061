//! The quantized graph: what importers and calibration produce and lowering consumes.
//!
//! Every tensor is `rows × width` integers with one real scale. Nodes hold real
//! parameters (scales, γ, β); the integers of instructions are made in lowering.

use runtime::Image;

/// Index of a tensor in its graph.
pub type TensorId = usize;

/// Integer width of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// int8.
    I8,
    /// int16.
    I16,
    /// int32.
    I32,
}

/// A quantized activation.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Its name in the model.
    pub name: String,
    /// Rows (tokens, pixels).
    pub rows: u32,
    /// Elements of each row.
    pub width: u32,
    /// Integer width.
    pub bits: Width,
    /// Real value of one unit.
    pub scale: f64,
}

/// Quantized weights of a dense or convolutional layer.
#[derive(Clone, Debug)]
pub struct Weights {
    /// `n × k` integers, −127..=127.
    pub values: Vec<i8>,
    /// Output channels.
    pub n: u32,
    /// Inputs of each channel.
    pub k: u32,
    /// In units of the accumulator's scale, |bias| ≤ 2³⁰.
    pub bias: Vec<i32>,
    /// Real value of one unit of each channel's accumulator (weight scale × input scale).
    pub accumulator_scales: Vec<f64>,
}

impl Weights {
    /// A scale for logits made by these weights: up to 256 times finer than the finest
    /// accumulator, as far as the largest possible logit stays below 2³⁰.
    pub fn logit_scale(&self) -> f64 {
        let finest = self.accumulator_scales.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = self
            .values
            .chunks(self.k as usize)
            .zip(self.bias.iter().zip(&self.accumulator_scales))
            .map(|(row, (&bias, scale))| {
                let sum: f64 = row.iter().map(|&w| 128.0 * f64::from(w).abs()).sum();
                (sum + f64::from(bias).abs()) * scale
            })
            .fold(0.0, f64::max);
        (finest / 256.0).max(largest / f64::from(1 << 30))
    }
}

/// Geometry of a convolution over a height × width × channel image.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    /// Input height, width and channels.
    pub input: [u32; 3],
    /// Kernel height and width.
    pub kernel: [u32; 2],
    /// Vertical and horizontal stride.
    pub stride: [u32; 2],
    /// Zero rows above and columns left.
    pub padding: [u32; 2],
    /// Output height and width.
    pub output: [u32; 2],
    /// Channel groups.
    pub groups: u32,
}

impl Geometry {
    /// Patches without overlap of a square image, `side` pixels each way.
    pub fn patches(side: u32, patch: u32, channels: u32) -> Self {
        let grid = side / patch;
        Self {
            input: [side, side, channels],
            kernel: [patch, patch],
            stride: [patch, patch],
            padding: [0, 0],
            output: [grid, grid],
            groups: 1,
        }
    }
}

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
    /// Prepends a constant row; both parts share the scale.
    ClassToken {
        /// The other rows.
        x: TensorId,
        /// All rows.
        out: TensorId,
        /// The row.
        token: Vec<i16>,
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
    /// Normalisation of each row.
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
    },
    /// Multi-head self-attention over rows of queries, keys and values.
    Attention {
        /// `rows × 3·heads·head_dim`.
        qkv: TensorId,
        /// `rows × heads·head_dim`.
        out: TensorId,
        /// Heads.
        heads: u32,
        /// Real value of one unit of Q·Kᵀ, `1/√head_dim` included.
        product_scale: f64,
        /// Scale of the int8 scores.
        score_scale: f64,
        /// Fraction bits of the exponential at most, and the largest sum it may reach.
        exponential: (u8, u32),
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
    /// One row of a tensor.
    Row {
        /// Input.
        x: TensorId,
        /// Output.
        out: TensorId,
        /// Its index.
        row: u32,
    },
}

impl Node {
    /// The tensors it reads.
    pub fn inputs(&self) -> Vec<TensorId> {
        match self {
            Node::Add { x, y, .. } => vec![*x, *y],
            Node::Attention { qkv, .. } => vec![*qkv],
            Node::QuantizeImage { x, .. }
            | Node::Conv { x, .. }
            | Node::Linear { x, .. }
            | Node::ClassToken { x, .. }
            | Node::AddConstant { x, .. }
            | Node::LayerNorm { x, .. }
            | Node::ShiftGelu { x, .. }
            | Node::Row { x, .. } => vec![*x],
        }
    }

    /// The tensor it makes.
    pub fn output(&self) -> TensorId {
        match self {
            Node::QuantizeImage { out, .. }
            | Node::Conv { out, .. }
            | Node::Linear { out, .. }
            | Node::ClassToken { out, .. }
            | Node::AddConstant { out, .. }
            | Node::Add { out, .. }
            | Node::LayerNorm { out, .. }
            | Node::Attention { out, .. }
            | Node::ShiftGelu { out, .. }
            | Node::Row { out, .. } => *out,
        }
    }
}

/// A quantized model of one image.
#[derive(Clone, Debug)]
pub struct Graph {
    /// Tensors.
    pub tensors: Vec<Tensor>,
    /// Operations in execution order; each tensor is made once.
    pub nodes: Vec<Node>,
    /// The frame: tensor 0.
    pub image: Image,
    /// The logits.
    pub logits: TensorId,
}

impl Graph {
    /// A graph with only its frame.
    pub fn new(image: Image) -> Self {
        let frame = Tensor {
            name: "image".into(),
            rows: u32::from(image.height) * u32::from(image.width),
            width: image.channels.into(),
            bits: Width::I8,
            scale: 1.0 / 255.0,
        };
        Self { tensors: vec![frame], nodes: Vec::new(), image, logits: 0 }
    }

    /// A new tensor.
    pub fn tensor(
        &mut self,
        name: impl Into<String>,
        rows: u32,
        width: u32,
        bits: Width,
        scale: f64,
    ) -> TensorId {
        self.tensors.push(Tensor { name: name.into(), rows, width, bits, scale });
        self.tensors.len() - 1
    }
}
