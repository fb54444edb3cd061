//! A model as the rest of the importer sees it: nodes in execution order and constants,
//! with every size checked.

use std::collections::HashMap;

pub use super::array::{Array, Data, MAX_RANK, elements};
use super::error::OnnxError;

/// An ONNX model without its protobuf wrapping.
///
/// Nodes are in topological order: what a node reads is an input, a constant, or an
/// output of an earlier node. Every value is made once.
#[derive(Clone, Debug)]
pub struct Model {
    /// Nodes in execution order.
    pub nodes: Vec<Node>,
    /// Constants by name: initializers, and what was computed from them.
    pub constants: HashMap<String, Array>,
    /// Inputs that are not initializers.
    pub inputs: Vec<Input>,
    /// Outputs.
    pub outputs: Vec<Output>,
    /// Version of the default operator set.
    pub opset: i64,
    /// What exporters say beside the graph.
    pub metadata: HashMap<String, String>,
}

impl Model {
    /// The constant called `name`; none for the empty name.
    pub fn constant(&self, name: &str) -> Option<&Array> {
        self.constants.get(name)
    }

    /// The node that makes each value, by index.
    pub fn producers(&self) -> HashMap<&str, usize> {
        let mut producers = HashMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            for output in node.outputs.iter().filter(|name| !name.is_empty()) {
                producers.insert(output.as_str(), index);
            }
        }
        producers
    }

    /// The nodes that read each value, by index, once for every time they read it.
    pub fn readers(&self) -> HashMap<&str, Vec<usize>> {
        let mut readers: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            for input in node.inputs.iter().filter(|name| !name.is_empty()) {
                readers.entry(input).or_default().push(index);
            }
        }
        readers
    }
}

/// An input of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its dimensions; none where the model leaves it open (a batch dimension).
    pub shape: Vec<Option<usize>>,
    /// Its elements.
    pub element: Element,
}

/// An output of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Its dimensions as far as the model states them; empty if it states none.
    pub shape: Vec<Option<usize>>,
}

/// A type of elements, as far as the importer tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// A float of any width.
    Float,
    /// An unsigned byte.
    U8,
    /// Another integer.
    Int,
    /// A truth value.
    Bool,
}

/// A branch of an `If`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The value that decides.
    pub condition: String,
    /// What it is where the branch counts.
    pub holds: bool,
}

/// An operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name, never empty: that of its first output where the model gives none.
    pub name: String,
    /// Its op.
    pub op: String,
    /// The operator set of its op; empty for ONNX's own.
    pub domain: String,
    /// Names of the values it reads; empty where an optional one is absent.
    pub inputs: Vec<String>,
    /// Names of the values it makes; empty where one is not wanted.
    pub outputs: Vec<String>,
    /// Its attributes.
    pub attributes: HashMap<String, Attribute>,
    /// The branches that it is in, outermost first: where one does not count, it has no outputs.
    pub guards: Vec<Guard>,
}

impl Node {
    /// A node of ONNX's own operator set, without attributes, named after its output.
    pub fn new(op: impl Into<String>, inputs: Vec<String>, output: impl Into<String>) -> Self {
        let output = output.into();
        Self {
            name: output.clone(),
            op: op.into(),
            domain: String::new(),
            inputs,
            outputs: vec![output],
            attributes: HashMap::new(),
            guards: Vec::new(),
        }
    }

    /// The same node with an attribute.
    #[must_use]
    pub fn with(mut self, name: &str, attribute: Attribute) -> Self {
        self.attributes.insert(name.into(), attribute);
        self
    }

    /// Whether it is `op` of ONNX's own operator set.
    pub fn is(&self, op: &str) -> bool {
        self.domain.is_empty() && self.op == op
    }

    /// Its input at `index`; none if it is absent.
    pub fn input(&self, index: usize) -> Option<&str> {
        self.inputs.get(index).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// Its first output; empty if it has none.
    pub fn output(&self) -> &str {
        self.outputs.first().map_or("", String::as_str)
    }

    /// An integer attribute; `default` if it is absent or of another type.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        match self.attributes.get(name) {
            Some(Attribute::Int(value)) => *value,
            _ => default,
        }
    }

    /// A float attribute; `default` if it is absent or of another type.
    pub fn float(&self, name: &str, default: f32) -> f32 {
        match self.attributes.get(name) {
            Some(Attribute::Float(value)) => *value,
            _ => default,
        }
    }

    /// A text attribute; `default` if it is absent or of another type.
    pub fn string<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        match self.attributes.get(name) {
            Some(Attribute::String(value)) => value,
            _ => default,
        }
    }

    /// A list of integers; none if it is absent or of another type.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.attributes.get(name) {
            Some(Attribute::Ints(values)) => Some(values),
            _ => None,
        }
    }

    /// A list of floats; none if it is absent or of another type.
    pub fn floats(&self, name: &str) -> Option<&[f32]> {
        match self.attributes.get(name) {
            Some(Attribute::Floats(values)) => Some(values),
            _ => None,
        }
    }

    /// A tensor attribute; none if it is absent or of another type.
    pub fn tensor(&self, name: &str) -> Option<&Array> {
        match self.attributes.get(name) {
            Some(Attribute::Tensor(array)) => Some(array),
            _ => None,
        }
    }

    /// Its op with the operator set, as errors show it.
    pub fn full_op(&self) -> String {
        if self.domain.is_empty() { self.op.clone() } else { format!("{}::{}", self.domain, self.op) }
    }

    /// The error that it breaks the rules of its op.
    pub fn invalid(&self, reason: impl Into<String>) -> OnnxError {
        OnnxError::Node { node: self.name.clone(), op: self.full_op(), reason: reason.into() }
    }

    /// The error that it cannot be imported; `hint` says what would be accepted.
    pub fn unsupported(&self, hint: impl Into<String>) -> OnnxError {
        OnnxError::Unsupported { node: self.name.clone(), op: self.full_op(), hint: hint.into() }
    }
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// An integer.
    Int(i64),
    /// A float.
    Float(f32),
    /// Text.
    String(String),
    /// Integers.
    Ints(Vec<i64>),
    /// Floats.
    Floats(Vec<f32>),
    /// Texts.
    Strings(Vec<String>),
    /// A constant tensor.
    Tensor(Array),
}
