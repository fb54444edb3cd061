//! The walk over the nodes of a [`Model`] that makes the float graph.
//!
//! A model is taken op by op, not as a known architecture. A value is either a constant
//! or a `View` of a tensor; movement of data is arithmetic on views for as
//! long as strides can express it, and a copy after that. Batches are of one image.
//!
//! # Accepted ops
//!
//! * products: `MatMul`, `Gemm`, `Einsum` of one or two operands, `FusedMatMul`, `Attention`
//!   (opset 23, without past keys); `Conv`, `ConvTranspose`, `AveragePool`,
//!   `GlobalAveragePool`, all with constant weights;
//! * normalisation: `LayerNormalization`, `SkipLayerNormalization`, `BatchNormalization`;
//! * `Softmax`; `Gelu`, `FastGelu`, `BiasGelu`, `QuickGelu`, `Silu`, `Relu`, `LeakyRelu`,
//!   `Elu`, `Clip`, `Sigmoid`, `Tanh`, `HardSwish`, `HardSigmoid`;
//! * `Sign`, a choice of 1 or −1 by `x ≥ 0`, and a choice of 1 or 0 by `p ≥ ratio · max p` of
//!   a softmax, straight-through estimators around them left out;
//! * `Add`, `Sub`, `Mul`, `Div` with a constant, `Neg`; `Add`, `Sub` and `Mul` of two tensors;
//! * movement: `Reshape`, `Flatten`, `Squeeze`, `Unsqueeze`, `Transpose`, `Slice`, `Split`,
//!   `Gather` with constant indices, `Expand`, `Tile`, `Concat`, `Pad` with a constant,
//!   `DepthToSpace`, `SpaceToDepth`, `Identity`, `Cast`, `CastLike`, `Dropout`, `Where` with a constant
//!   condition that picks one side, `Resize`;
//! * `ReduceMean`, `ReduceSum`; `MaxPool`, `ReduceMax`, `ReduceMin`, `Max` and `Min`;
//! * any op that [`fold`](super::fold) evaluates, where its inputs are constant; `Shape` and
//!   `Size` always are.
//!
//! `Softmax`, `LogSoftmax` and `Sigmoid` at the very end of a classifier, and `ArgMax` at
//! the end of any model, are left out: the output is the logits, whose order is the same.
//! So is the normalisation of an embedding to unit length, which no angle depends on.

mod binary;
mod conv;
mod einsum;
mod elementwise;
mod input;
mod linear;
mod matmul;
mod maximum;
mod movement;
mod names;
mod norm;
mod outputs;
mod product;
mod resize;
mod store;
#[cfg(test)]
mod tests;
mod view;

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use names::Names;
use view::View;

use super::error::OnnxError;
use super::fold::{Budget, axis_of};
use super::model::{Array, Model, Node};
use crate::error::ConvertError;
use crate::float::{Graph, TensorId};
use crate::import::ImportOptions;

/// Most elements of a tensor.
const MAX_ELEMENTS: usize = 1 << 26;

/// Most elements of all constants that are brought into another layout.
const MAX_WORK: usize = 1 << 29;

type Result<T> = std::result::Result<T, ConvertError>;

/// A value of the model.
#[derive(Clone, Debug)]
enum Value {
    /// Known without an image.
    Constant(Array),
    /// Computed from the image.
    View(View),
}

impl From<View> for Value {
    fn from(view: View) -> Self {
        Value::View(view)
    }
}

impl From<Array> for Value {
    fn from(array: Array) -> Self {
        Value::Constant(array)
    }
}

/// Makes the float graph of `model`.
///
/// The frame of the graph is the model's image input in height × width × channel order.
/// `options` give its normalisation; without one the model gets pixels in 0..=1, or in
/// 0..=255 where it takes bytes, divides by 255 itself, or subtracts means above 2.
///
/// # Errors
///
/// [`ConvertError::Onnx`] naming the first node, input or output that cannot be imported,
/// with what would be accepted.
pub fn build(model: Model, options: &ImportOptions) -> Result<Graph> {
    let (graph, image) = input::frame(&model, options)?;
    let live = live_nodes(&model);
    let mut importer = Importer::new(&model, &live, graph)?;
    importer.values.insert(model.inputs[0].name.clone(), image.into());
    for (index, node) in model.nodes.iter().enumerate().filter(|&(index, _)| live[index]) {
        importer.node = node;
        importer.name = names::clean(&node.name, &node.op, false);
        importer.step(index)?;
    }
    importer.finish()
}

/// The nodes that an output depends on.
fn live_nodes(model: &Model) -> Vec<bool> {
    let mut wanted: HashSet<&str> = model.outputs.iter().map(|output| output.name.as_str()).collect();
    let mut live = vec![false; model.nodes.len()];
    for (index, node) in model.nodes.iter().enumerate().rev() {
        if node.outputs.iter().any(|name| !name.is_empty() && wanted.contains(name.as_str())) {
            live[index] = true;
            wanted.extend(node.inputs.iter().map(String::as_str));
        }
    }
    live
}

/// The walk: what is known so far.
struct Importer<'a> {
    model: &'a Model,
    /// The node at hand, for errors.
    node: &'a Node,
    /// Base of the names of the tensors that it makes.
    name: String,
    graph: Graph,
    /// The node that makes each tensor.
    producers: Vec<Option<usize>>,
    /// Tensors named after weights.
    named: HashSet<TensorId>,
    /// The signs of tensors.
    signs: HashMap<TensorId, TensorId>,
    values: HashMap<String, Value>,
    /// How often each value is read, outputs included; `Shape` does not count.
    reads: HashMap<&'a str, usize>,
    /// The last node that reads each value.
    readers: HashMap<&'a str, &'a Node>,
    /// The initializer that a computed constant is a rearrangement of.
    origins: HashMap<String, String>,
    /// Zero rows and columns that the convolution reading a value adds to its own.
    paddings: HashMap<String, [usize; 4]>,
    /// Nodes at the end that only rescale an answer.
    endings: HashSet<usize>,
    names: Names,
    folding: Budget,
    work: Cell<usize>,
}

impl<'a> Importer<'a> {
    fn new(model: &'a Model, live: &[bool], graph: Graph) -> Result<Self> {
        let mut reads: HashMap<&str, usize> = HashMap::new();
        let mut readers = HashMap::new();
        for (node, _) in model.nodes.iter().zip(live).filter(|(node, live)| **live && !node.is("Shape")) {
            for name in &node.inputs {
                *reads.entry(name).or_default() += 1;
                readers.insert(name.as_str(), node);
            }
        }
        for output in &model.outputs {
            *reads.entry(&output.name).or_default() += 1;
        }
        let Some(node) = model.nodes.first() else {
            return Err(interface(
                "output",
                model.outputs.first().map_or("", |o| &o.name),
                "no node makes it",
            ));
        };
        let stored = model.constants.values().map(|array| array.len() as u64).sum();
        let mut names = Names::default();
        graph.tensors.iter().for_each(|tensor| {
            names.unique(&tensor.name);
        });
        let producers = (0..graph.tensors.len()).map(|tensor| tensor.checked_sub(1)).collect();
        Ok(Self {
            model,
            node,
            name: String::new(),
            graph,
            producers,
            named: HashSet::new(),
            signs: HashMap::new(),
            values: HashMap::new(),
            reads,
            readers,
            origins: HashMap::new(),
            paddings: HashMap::new(),
            endings: outputs::endings(model, live),
            names,
            folding: Budget::new(stored),
            work: Cell::new(
                MAX_WORK.saturating_add(usize::try_from(stored).unwrap_or(usize::MAX).saturating_mul(8)),
            ),
        })
    }

    fn step(&mut self, index: usize) -> Result<()> {
        let node = self.node;
        let inputs: Vec<Option<Array>> = (0..node.inputs.len()).map(|at| self.constant(at)).collect();
        let known = node.inputs.iter().zip(&inputs).all(|(name, array)| name.is_empty() || array.is_some());
        let values = if known {
            let arrays: Vec<Option<&Array>> = inputs.iter().map(Option::as_ref).collect();
            let folded = self.folding.evaluate(node, &arrays, self.model.opset)?;
            let Some(arrays) = folded else { return Err(self.unknown()) };
            self.note_origin(&inputs);
            arrays.into_iter().map(Value::Constant).collect()
        } else if self.endings.contains(&index) && outputs::droppable(node, &self.view(0)?) {
            vec![self.view(0)?.into()]
        } else {
            self.dispatch()?
        };
        if let Some(name) =
            node.outputs.iter().skip(values.len()).find(|name| self.reads.contains_key(name.as_str()))
        {
            return Err(
                node.unsupported(format!("its output `{name}` is used, but only the first is computed"))
            );
        }
        for (name, value) in node.outputs.iter().zip(values) {
            if let Value::View(view) = &value
                && view
                    .shape()
                    .iter()
                    .try_fold(1_usize, |n, &len| n.checked_mul(len))
                    .is_none_or(|n| n > MAX_ELEMENTS)
            {
                return Err(self.too_large());
            }
            self.values.insert(name.clone(), value);
        }
        Ok(())
    }

    fn dispatch(&mut self) -> Result<Vec<Value>> {
        let one = match self.node.op.as_str() {
            "MatMul" | "FusedMatMul" => self.matmul()?.into(),
            "Gemm" => self.gemm()?.into(),
            "Einsum" => self.einsum()?.into(),
            "Attention" if self.node.domain.is_empty() => self.attention()?.into(),
            "Conv" => self.conv()?.into(),
            "ConvTranspose" => self.conv_transpose()?.into(),
            "AveragePool" => self.average_pool()?.into(),
            "GlobalAveragePool" => self.global_average_pool()?.into(),
            "BatchNormalization" => self.batch_norm()?.into(),
            "LayerNormalization" => self.layer_norm()?.into(),
            "SkipLayerNormalization" => return self.skip_layer_norm(),
            "Softmax" => self.softmax()?.into(),
            "ReduceMean" => self.reduce_mean()?.into(),
            "ReduceSum" => self.reduce_sum()?.into(),
            "ReduceMax" | "ReduceMin" => self.reduce_max()?.into(),
            "MaxPool" => self.max_pool()?.into(),
            "Max" | "Min" => self.extreme()?.into(),
            "Add" | "Sub" => self.add()?.into(),
            "Mul" | "Div" => self.multiply()?.into(),
            "Neg" => self.negate()?.into(),
            "Sign" => self.sign()?.into(),
            "AtLeast" if self.node.domain.is_empty() => self.at_least()?.into(),
            "Gelu" | "FastGelu" | "BiasGelu" | "QuickGelu" | "Silu" | "Swish" | "Relu" | "LeakyRelu"
            | "Elu" | "Clip" | "Sigmoid" | "Tanh" | "HardSwish" | "HardSigmoid" => self.activate()?.into(),
            "Where" => self.choose()?,
            "IsNaN" | "IsInf" => self.never()?.into(),
            "Concat" => self.concat()?.into(),
            "Pad" => self.pad()?.into(),
            "Gather" => self.gather()?.into(),
            "Slice" => self.slice()?.into(),
            "Split" => return self.split(),
            "Resize" => self.resize()?.into(),
            "CastLike" => self.cast_like()?,
            "Shape" => self.shape_of()?.into(),
            "Size" => Array::integer(self.view(0)?.shape().iter().product::<usize>() as i64).into(),
            _ => match self.movement()? {
                Some(view) => view.into(),
                None => return Err(self.unknown()),
            },
        };
        Ok(vec![one])
    }

    /// The constant at input `at`, if it is one.
    fn constant(&self, at: usize) -> Option<Array> {
        let name = self.node.input(at)?;
        match self.values.get(name) {
            Some(Value::Constant(array)) => Some(array.clone()),
            Some(Value::View(_)) => None,
            None => self.model.constant(name).cloned(),
        }
    }

    /// The constant at input `at`, which must be one.
    fn weights(&self, at: usize, what: &str) -> Result<Array> {
        let Some(array) = self.constant(at) else {
            let hint = format!("its {what} must be constant (export in evaluation mode)");
            return Err(self.node.unsupported(hint));
        };
        self.spend(array.len())?;
        Ok(array)
    }

    fn value(&self, at: usize) -> Result<Value> {
        match self.constant(at) {
            Some(array) => Ok(array.into()),
            None => self.view(at).map(Value::View),
        }
    }

    /// The view at input `at`, which must be one.
    fn view(&self, at: usize) -> Result<View> {
        let Some(name) = self.node.input(at) else {
            return Err(self.node.invalid(format!("input {at} is missing")));
        };
        match self.values.get(name) {
            Some(Value::View(view)) => {
                let mut view = view.clone();
                view.exclusive &= self.reads.get(name) == Some(&1);
                Ok(view)
            }
            Some(Value::Constant(_)) => Err(self.unknown()),
            None if self.model.constant(name).is_some() => Err(self.unknown()),
            None => Err(self.node.invalid(format!("input `{name}` is not made before it is read"))),
        }
    }

    /// Integers from an attribute, or else from input `at`.
    fn integers(&self, attribute: &str, at: usize) -> Result<Option<Vec<i64>>> {
        if let Some(list) = self.node.ints(attribute) {
            return Ok(Some(list.to_vec()));
        }
        match self.node.input(at) {
            None => Ok(None),
            Some(_) => self.weights(at, attribute).map(|array| Some(array.to_i64s())),
        }
    }

    /// An axis of `rank`, counted from the end if negative.
    fn axis(&self, axis: i64, rank: usize) -> Result<usize> {
        axis_of(axis, rank).ok_or_else(|| self.node.invalid(format!("axis {axis} of {rank} dimensions")))
    }

    /// Pays for `elements` of a constant.
    fn spend(&self, elements: usize) -> Result<()> {
        let left = self.work.get().checked_sub(elements).ok_or_else(|| OnnxError::Limit {
            what: format!("elements of constants in all, at node `{}`", self.node.name),
            found: elements as u64,
            limit: self.work.get() as u64,
        })?;
        self.work.set(left);
        Ok(())
    }

    fn too_large(&self) -> ConvertError {
        OnnxError::Limit {
            what: format!("elements of a tensor, at node `{}`", self.node.name),
            found: u64::MAX,
            limit: MAX_ELEMENTS as u64,
        }
        .into()
    }

    /// Names the tensors of the node after the weights at input `at`, if their name is a
    /// chosen one, else after its module.
    fn name_after(&mut self, at: usize) {
        let origin = self.node.input(at).map(|name| self.origin(name)).unwrap_or_default();
        self.name = match names::stem(&origin) {
            Some(stem) => stem.to_string(),
            None => names::clean(&self.node.name, &self.node.op, true),
        };
    }

    fn origin(&self, name: &str) -> String {
        self.origins.get(name).cloned().unwrap_or_else(|| name.to_string())
    }

    fn note_origin(&mut self, inputs: &[Option<Array>]) {
        let movement = ["Transpose", "Reshape", "Cast", "Identity", "Squeeze", "Unsqueeze"];
        if inputs.first().is_some_and(Option::is_some)
            && movement.contains(&self.node.op.as_str())
            && let Some(name) = self.node.input(0)
        {
            let origin = self.origin(name);
            self.origins.insert(self.node.output().to_string(), origin);
        }
    }

    /// The error for an op that is not known, with what to do about the usual ones.
    fn unknown(&self) -> ConvertError {
        let hint = match self.node.op.as_str() {
            "GroupNormalization" | "InstanceNormalization" => {
                "normalisation across pixels is not supported; use LayerNorm over the channels or BatchNorm"
            }
            "LpNormalization" | "ReduceL2" => {
                "the length of a vector is only supported where it divides an output, x / ‖x‖, and is left out there"
            }
            "RMSNormalization" | "SimplifiedLayerNormalization" => "use LayerNorm instead of RMSNorm",
            "Erf" => "the error function is only supported as part of GELU: x · 0.5 · (1 + erf(x / √2))",
            "Pow" | "Sqrt" | "Exp" | "Log" | "Reciprocal" => {
                "element-wise functions are supported as part of LayerNorm, GELU, SiLU and Softmax only"
            }
            "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "Not" => {
                "comparisons are supported as where(x >= 0, 1, -1), the sign of x, and as where(p >= ratio · max, 1, 0) \
                 of a softmax p and its largest element along the same axis, in binarized models"
            }
            "If" | "Loop" | "Scan" => "control flow is not supported; export with fixed shapes, by tracing",
            _ => {
                "accepted are MatMul, Gemm, Conv, ConvTranspose, AveragePool, MaxPool, LayerNormalization, \
                 BatchNormalization, Softmax, Gelu, Relu and other activations, Add, Max, Resize, ReduceMean, Sub, \
                 Mul, Div by constants, and ops that move data"
            }
        };
        self.node.unsupported(hint)
    }
}

fn interface(what: &'static str, name: &str, reason: impl Into<String>) -> ConvertError {
    OnnxError::Interface { what, name: name.into(), reason: reason.into() }.into()
}
