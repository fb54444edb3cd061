//! Tensors, operations, and the graph that they make.

mod function;
mod node;

use runtime::{Ending, Image, OutputKind};

use crate::layout::TensorId;
use crate::preprocessing::{Preprocessing, StatedPixels};
pub use function::{Function, Pairs};
pub use node::{Dense, Node, Part};

/// An activation.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Its name in the model.
    pub name: String,
    /// Rows (tokens, pixels).
    pub rows: usize,
    /// Elements of each row.
    pub width: usize,
}

impl Tensor {
    /// Elements.
    pub fn len(&self) -> usize {
        self.rows * self.width
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An output of the model.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// The tensor.
    pub tensor: TensorId,
    /// What it means.
    pub kind: OutputKind,
    /// Its dimensions as the container states them, outermost first, padded with 1. Dense
    /// maps are height, width, channels, 1.
    pub shape: [usize; 4],
    /// What the model computes behind it, which is no node of the graph; none where the tensor is
    /// what the model gives.
    pub ending: Option<Ending>,
}

/// A trained model of one image.
#[derive(Clone, Debug)]
pub struct Graph {
    /// Tensors; the first is the frame, u8 pixels as floats.
    pub tensors: Vec<Tensor>,
    /// Operations in execution order; each tensor but the frame is made once.
    pub nodes: Vec<Node>,
    /// The frame.
    pub image: Image,
    /// The outputs.
    pub outputs: Vec<Output>,
    /// Names of the classes, by index: of logits, or of the channels of a map. Those that are
    /// empty or missing are unknown.
    pub labels: Vec<String>,
    /// What the model does with its pixels itself, already part of `nodes`; none where its file
    /// has no place for that.
    pub preprocessing: Option<Preprocessing>,
    /// What its metadata says of its pixels; done where nobody says otherwise, and where the model
    /// does not normalise them itself.
    pub stated: Option<StatedPixels>,
}

impl Graph {
    /// A graph with only its frame.
    pub fn new(image: Image) -> Self {
        let rows = usize::from(image.height) * usize::from(image.width);
        let frame = Tensor { name: "image".into(), rows, width: image.channels.into() };
        Self {
            tensors: vec![frame],
            nodes: Vec::new(),
            image,
            outputs: Vec::new(),
            labels: Vec::new(),
            preprocessing: None,
            stated: None,
        }
    }

    /// A new tensor.
    pub fn tensor(&mut self, name: impl Into<String>, rows: usize, width: usize) -> TensorId {
        self.tensors.push(Tensor { name: name.into(), rows, width });
        self.tensors.len() - 1
    }

    /// The nodes that read each tensor.
    pub fn readers(&self) -> Vec<Vec<usize>> {
        let mut readers = vec![Vec::new(); self.tensors.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            for input in node.inputs() {
                readers[input].push(index);
            }
        }
        readers
    }

    /// The output that a classifier's answer is read from: the first of its kind.
    pub fn logits(&self) -> Option<&Output> {
        self.outputs.iter().find(|output| output.kind == OutputKind::Logits)
    }

    /// Multiply-accumulates of one image.
    pub fn macs(&self) -> u64 {
        let of = |node: &Node| match node {
            Node::Linear { x, dense, .. } => self.tensors[*x].rows * dense.weights.len(),
            Node::Conv { out, dense, .. } => self.tensors[*out].rows * dense.weights.len(),
            Node::MatMul { batch, m, n, k, .. } => batch * m * n * k,
            Node::Attention { keys, heads, head_dim, out, .. }
            | Node::BinaryAttention { keys, heads, head_dim, out, .. } => {
                2 * self.tensors[*out].rows * keys * heads * head_dim
            }
            Node::Pixels { .. }
            | Node::Affine { .. }
            | Node::LayerNorm { .. }
            | Node::GroupNorm { .. }
            | Node::Activate { .. }
            | Node::Add { .. }
            | Node::Mul { .. }
            | Node::Div { .. }
            | Node::ResponseNorm { .. }
            | Node::AddConstant { .. }
            | Node::Softmax { .. }
            | Node::Select { .. }
            | Node::Mean { .. }
            | Node::Rows { .. }
            | Node::Permute { .. }
            | Node::Gather { .. }
            | Node::Rotary { .. }
            | Node::Concat { .. } => 0,
        };
        self.nodes.iter().map(|node| of(node) as u64).sum()
    }
}
