//! The quantized graph: what importers and calibration produce and lowering consumes.
//!
//! Every tensor is `rows × width` integers with one real scale. Nodes hold real
//! parameters (scales, γ, β); the integers of instructions are made in lowering.

mod node;
mod weights;

use runtime::{Ending, Image, OutputKind};

pub use float::{Geometry, Pairs, Strided, TensorId};
pub use node::Node;
pub use weights::{BinaryWeights, Sums, Weights};

/// Integer width of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// int8.
    I8,
    /// int16.
    I16,
    /// int32.
    I32,
    /// Signs: bit rows, 1 for +1.
    Sign,
    /// −1, 0 or 1: signs, and bit rows of what is not 0.
    Ternary,
}

impl Width {
    /// Bits of an element.
    pub fn bits(self) -> u8 {
        match self {
            Width::I8 => 8,
            Width::I16 => 16,
            Width::I32 => 32,
            Width::Sign => 1,
            Width::Ternary => 2,
        }
    }

    /// Least and largest integer.
    pub fn limits(self) -> [i32; 2] {
        match self {
            Width::I8 => [-128, 127],
            Width::I16 => [-32768, 32767],
            Width::I32 => [i32::MIN, i32::MAX],
            Width::Sign | Width::Ternary => [-1, 1],
        }
    }
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
    /// The integer that stands for zero. Nodes are made for it already (it is in biases and
    /// tables); it is kept for those who read values.
    pub zero: i32,
    /// Elements of each bit row of signs (a head); the width for integers.
    pub group: u32,
}

/// A part of a concatenation.
#[derive(Clone, Debug)]
pub enum Part {
    /// All rows of a tensor of the output's type and scale.
    Tensor(TensorId),
    /// Constant rows.
    Constant(Vec<i32>),
}

/// How a softmax takes its exponential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpBits {
    /// Fraction bits at most.
    pub bits: u8,
    /// The largest sum that a row may reach.
    pub limit: u32,
    /// Rounded exponentials rather than I-ViT's shift-exp; for int8 scores.
    pub exact: bool,
}

/// An output of the program.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// The tensor; logits are int32.
    pub tensor: TensorId,
    /// What it means.
    pub kind: OutputKind,
    /// Dimensions, outermost first, padded with 1.
    pub shape: [u32; 4],
    /// What the model computes behind it.
    pub ending: Option<Ending>,
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
    /// The outputs.
    pub outputs: Vec<Output>,
    /// Names of the classes, by index; those that are empty or missing are unknown.
    pub labels: Vec<String>,
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
            zero: 0,
            group: image.channels.into(),
        };
        Self { tensors: vec![frame], nodes: Vec::new(), image, outputs: Vec::new(), labels: Vec::new() }
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
        self.tensors.push(Tensor { name: name.into(), rows, width, bits, scale, zero: 0, group: width });
        self.tensors.len() - 1
    }

    /// Whether any layer has weights or activations of one bit.
    pub fn is_binarized(&self) -> bool {
        let binary = |node: &Node| {
            matches!(node, Node::Binarize { .. } | Node::BinaryLinear { .. } | Node::BinaryAttention { .. })
        };
        self.nodes.iter().any(binary)
    }

    /// Makes `tensor`, one row, the logits of the program.
    pub fn set_logits(&mut self, tensor: TensorId) {
        let shape = [self.tensors[tensor].width, 1, 1, 1];
        let (name, kind) = ("logits".into(), OutputKind::Logits);
        self.outputs.push(Output { name, tensor, kind, shape, ending: None });
    }
}
