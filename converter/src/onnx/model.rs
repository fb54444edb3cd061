//! A model as the rest of the importer sees it: nodes in execution order and constants,
//! with every size checked.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::OnnxError;

/// Most dimensions of an array.
pub const MAX_RANK: usize = 8;

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

/// A constant tensor in row-major order; cheap to clone.
///
/// It has at most [`MAX_RANK`] dimensions, and as many elements as they say.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Length of every dimension; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements.
    pub data: Data,
}

/// Elements of an [`Array`].
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Floats of any width.
    F32(Arc<[f32]>),
    /// Integers of any width.
    I64(Arc<[i64]>),
    /// Truth values.
    Bool(Arc<[bool]>),
}

impl Data {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Data::F32(values) => values.len(),
            Data::I64(values) => values.len(),
            Data::Bool(values) => values.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Vec<f32>> for Data {
    fn from(values: Vec<f32>) -> Self {
        Data::F32(values.into())
    }
}

impl From<Vec<i64>> for Data {
    fn from(values: Vec<i64>) -> Self {
        Data::I64(values.into())
    }
}

impl From<Vec<bool>> for Data {
    fn from(values: Vec<bool>) -> Self {
        Data::Bool(values.into())
    }
}

/// Elements of an array of shape `shape`; none if they overflow `usize` or the rank
/// exceeds [`MAX_RANK`].
pub fn elements(shape: &[usize]) -> Option<usize> {
    if shape.len() > MAX_RANK {
        return None;
    }
    // A zero anywhere must not hide an overflow of the others: strides are their products.
    let product = shape.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim.max(1)))?;
    if product > isize::MAX as usize {
        return None;
    }
    Some(if shape.contains(&0) { 0 } else { product })
}

impl Array {
    /// An array; none unless `data` has as many elements as `shape` says.
    pub fn new(shape: Vec<usize>, data: impl Into<Data>) -> Option<Self> {
        let data = data.into();
        (elements(&shape) == Some(data.len())).then_some(Self { shape, data })
    }

    /// A vector.
    pub fn vector(data: impl Into<Data>) -> Self {
        let data = data.into();
        Self { shape: vec![data.len()], data }
    }

    /// A float without dimensions.
    pub fn scalar(value: f32) -> Self {
        Self { shape: Vec::new(), data: vec![value].into() }
    }

    /// An integer without dimensions.
    pub fn integer(value: i64) -> Self {
        Self { shape: Vec::new(), data: vec![value].into() }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The elements if they are floats.
    pub fn f32s(&self) -> Option<&[f32]> {
        match &self.data {
            Data::F32(values) => Some(values),
            Data::I64(_) | Data::Bool(_) => None,
        }
    }

    /// The elements if they are integers.
    pub fn i64s(&self) -> Option<&[i64]> {
        match &self.data {
            Data::I64(values) => Some(values),
            Data::F32(_) | Data::Bool(_) => None,
        }
    }

    /// The elements if they are truth values.
    pub fn bools(&self) -> Option<&[bool]> {
        match &self.data {
            Data::Bool(values) => Some(values),
            Data::F32(_) | Data::I64(_) => None,
        }
    }

    /// The elements converted to floats, true as 1.
    pub fn to_f32s(&self) -> Vec<f32> {
        match &self.data {
            Data::F32(values) => values.to_vec(),
            Data::I64(values) => values.iter().map(|&value| value as f32).collect(),
            Data::Bool(values) => values.iter().map(|&value| f32::from(u8::from(value))).collect(),
        }
    }

    /// The elements converted to integers: floats towards zero and saturated (NaN to 0),
    /// true as 1.
    pub fn to_i64s(&self) -> Vec<i64> {
        match &self.data {
            Data::F32(values) => values.iter().map(|&value| value as i64).collect(),
            Data::I64(values) => values.to_vec(),
            Data::Bool(values) => values.iter().map(|&value| i64::from(value)).collect(),
        }
    }

    /// The only element, of any type, as a float; none unless there is exactly one.
    pub fn scalar_f32(&self) -> Option<f32> {
        match &self.data {
            Data::F32(values) if values.len() == 1 => Some(values[0]),
            Data::I64(values) if values.len() == 1 => Some(values[0] as f32),
            Data::Bool(values) if values.len() == 1 => Some(f32::from(u8::from(values[0]))),
            Data::F32(_) | Data::I64(_) | Data::Bool(_) => None,
        }
    }

    /// The only element if it is an integer or a truth value.
    pub fn scalar_i64(&self) -> Option<i64> {
        match &self.data {
            Data::I64(values) if values.len() == 1 => Some(values[0]),
            Data::Bool(values) if values.len() == 1 => Some(i64::from(values[0])),
            Data::F32(_) | Data::I64(_) | Data::Bool(_) => None,
        }
    }

    /// The same elements under another shape; none if it has another number of them.
    pub fn reshape(&self, shape: Vec<usize>) -> Option<Self> {
        (elements(&shape) == Some(self.len())).then(|| Self { shape, data: self.data.clone() })
    }

    /// Refuses NaN and infinite floats.
    ///
    /// # Errors
    ///
    /// [`OnnxError::NotFinite`] with `name` and the first such element.
    pub fn check_finite(&self, name: &str) -> Result<(), OnnxError> {
        let bad = self.f32s().and_then(|values| values.iter().position(|value| !value.is_finite()));
        match bad {
            None => Ok(()),
            Some(index) => Err(OnnxError::NotFinite {
                tensor: name.into(),
                index,
                value: self.f32s().map_or(f64::NAN, |values| f64::from(values[index])),
            }),
        }
    }
}
