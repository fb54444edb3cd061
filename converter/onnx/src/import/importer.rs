//! The walk's state, and what handlers of nodes ask of it.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use float::{Graph, TensorId};

use super::names::{self, Names};
use super::outputs::LeftOut;
use super::view::View;
use crate::constants::Budget;
use crate::error::OnnxError;
use crate::fold::axis_of;
use crate::model::{Array, Element, Model, Node};
use crate::reader::Reader;

/// Most elements of a tensor.
pub(super) const MAX_ELEMENTS: usize = 1 << 26;

/// Most elements of all constants that are brought into another layout.
pub(super) const MAX_WORK: usize = 1 << 29;

pub(super) type Result<T> = std::result::Result<T, OnnxError>;

/// A value of the model.
#[derive(Clone, Debug)]
pub(super) enum Value {
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

/// The walk: what is known so far.
pub(super) struct Importer<'a> {
    pub(super) model: &'a Model,
    /// The node at hand, for errors.
    pub(super) node: &'a Reader<'a>,
    /// Base of the names of the tensors that it makes.
    pub(super) name: String,
    pub(super) graph: Graph,
    /// The node that makes each tensor.
    pub(super) producers: Vec<Option<usize>>,
    /// Tensors named after weights.
    pub(super) named: HashSet<TensorId>,
    /// The signs of tensors.
    pub(super) signs: HashMap<TensorId, TensorId>,
    pub(super) values: HashMap<String, Value>,
    /// How often each value is read, outputs included; `Shape` does not count.
    pub(super) reads: HashMap<&'a str, usize>,
    /// The last node that reads each value.
    pub(super) readers: HashMap<&'a str, &'a Node>,
    /// Computed values that hold integers.
    pub(super) integers: HashSet<String>,
    /// The initializer that a computed constant is a rearrangement of.
    pub(super) origins: HashMap<String, String>,
    /// Zero rows and columns that the convolution reading a value adds to its own.
    pub(super) paddings: HashMap<String, [usize; 4]>,
    /// Nodes at the end that only rescale an answer.
    pub(super) endings: HashSet<usize>,
    /// What of them is left out in front of each value.
    pub(super) left_out: HashMap<String, LeftOut>,
    pub(super) names: Names,
    pub(super) folding: Budget,
    pub(super) work: Cell<usize>,
    /// Constants as tensors, for handlers that want those of a node on constants.
    pub(super) lifted: HashMap<String, View>,
}

impl<'a> Importer<'a> {
    /// Before the first node; `live` are the nodes that an output depends on.
    pub(super) fn new(
        model: &'a Model,
        live: &[bool],
        nodes: &'a [Reader<'a>],
        endings: HashSet<usize>,
        graph: Graph,
    ) -> Result<Self> {
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
        let Some(node) = nodes.first() else {
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
        let integers = model.inputs.iter().filter(|input| match input.element {
            Element::U8 | Element::Int => true,
            Element::Float | Element::Bool => false,
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
            integers: integers.map(|input| input.name.clone()).collect(),
            origins: HashMap::new(),
            paddings: HashMap::new(),
            endings,
            left_out: HashMap::new(),
            names,
            folding: Budget::new(stored),
            work: Cell::new(
                MAX_WORK.saturating_add(usize::try_from(stored).unwrap_or(usize::MAX).saturating_mul(8)),
            ),
            lifted: HashMap::new(),
        })
    }

    /// The constant at input `at`, if it is one.
    pub(super) fn constant(&self, at: usize) -> Option<Array> {
        self.known(self.node.input(at)?)
    }

    /// The constant called `name`, if it is one.
    pub(super) fn known(&self, name: &str) -> Option<Array> {
        match self.values.get(name) {
            Some(Value::Constant(array)) => Some(array.clone()),
            Some(Value::View(_)) => None,
            None => self.model.constant(name).cloned(),
        }
    }

    /// The constant at input `at`, which must be one.
    pub(super) fn weights(&self, at: usize, what: &str) -> Result<Array> {
        let Some(array) = self.constant(at) else {
            let hint = format!("its {what} must be constant (export in evaluation mode)");
            return Err(self.node.unsupported(hint));
        };
        self.spend(array.len())?;
        Ok(array)
    }

    pub(super) fn value(&self, at: usize) -> Result<Value> {
        match self.constant(at) {
            Some(array) => Ok(array.into()),
            None => self.view(at).map(Value::View),
        }
    }

    /// The view at input `at`, which must be one.
    pub(super) fn view(&self, at: usize) -> Result<View> {
        let Some(name) = self.node.input(at) else {
            return Err(self.node.invalid(format!("input {at} is missing")));
        };
        match self.values.get(name) {
            Some(Value::View(view)) => {
                let mut view = view.clone();
                view.exclusive &= self.reads.get(name) == Some(&1);
                Ok(view)
            }
            _ if self.lifted.contains_key(name) => Ok(self.lifted[name].clone()),
            Some(Value::Constant(_)) => Err(self.not_computed(name)),
            None if self.model.constant(name).is_some() => Err(self.not_computed(name)),
            None => Err(self.node.invalid(format!("input `{name}` is not made before it is read"))),
        }
    }

    /// Integers from an attribute, or else from input `at`.
    pub(super) fn integers(&self, attribute: &str, at: usize) -> Result<Option<Vec<i64>>> {
        if let Some(list) = self.node.ints(attribute) {
            return Ok(Some(list.to_vec()));
        }
        match self.node.input(at) {
            None => Ok(None),
            Some(_) => self.weights(at, attribute).map(|array| Some(array.to_i64s())),
        }
    }

    /// An axis of `rank`, counted from the end if negative.
    pub(super) fn axis(&self, axis: i64, rank: usize) -> Result<usize> {
        axis_of(axis, rank).ok_or_else(|| self.node.invalid(format!("axis {axis} of {rank} dimensions")))
    }

    /// Pays for `elements` of a constant.
    pub(super) fn spend(&self, elements: usize) -> Result<()> {
        let left = self.work.get().checked_sub(elements).ok_or_else(|| OnnxError::Limit {
            what: format!("elements of constants in all, at node `{}`", self.node.name),
            found: elements as u64,
            limit: self.work.get() as u64,
        })?;
        self.work.set(left);
        Ok(())
    }

    /// Refuses products of rows that are longer than any instruction takes.
    pub(super) fn check_inner(&self, k: usize) -> Result<()> {
        let limit = quant::ops::MAX_K as usize;
        if k <= limit {
            return Ok(());
        }
        Err(self.node.unsupported(format!(
            "each of its outputs is a sum over {k} inputs, at most {limit} are supported; average or pool the features \
             first, or use a smaller image"
        )))
    }

    pub(super) fn too_large(&self) -> OnnxError {
        OnnxError::Limit {
            what: format!("elements of a tensor, at node `{}`", self.node.name),
            found: u64::MAX,
            limit: MAX_ELEMENTS as u64,
        }
    }

    /// Names the tensors of the node after the weights at input `at`, if their name is a
    /// chosen one, else after its module.
    pub(super) fn name_after(&mut self, at: usize) {
        let origin = self.node.peek(at).map(|name| self.origin(name)).unwrap_or_default();
        self.name = match names::stem(&origin) {
            Some(stem) => stem.to_string(),
            None => names::clean(self.node.name, self.node.op, true),
        };
    }

    pub(super) fn origin(&self, name: &str) -> String {
        self.origins.get(name).cloned().unwrap_or_else(|| name.to_string())
    }

    pub(super) fn note_origin(&mut self, inputs: &[Option<Array>]) {
        let movement = ["Transpose", "Reshape", "Cast", "Identity", "Squeeze", "Unsqueeze"];
        if inputs.first().is_some_and(Option::is_some)
            && movement.contains(&self.node.op)
            && let Some(name) = self.node.peek(0)
        {
            let origin = self.origin(name);
            self.origins.insert(self.node.output().to_string(), origin);
        }
    }

    fn not_computed(&self, name: &str) -> OnnxError {
        self.node.unsupported(format!("its input `{name}` is constant, and must be computed from the image"))
    }

    /// The error for inputs that the node's handler has no way to compute.
    pub(super) fn unknown(&self) -> OnnxError {
        self.node.unsupported("inputs of these shapes, or in this order, are not supported")
    }
}

pub(super) fn interface(what: &'static str, name: &str, reason: impl Into<String>) -> OnnxError {
    OnnxError::Interface { what, name: name.into(), reason: reason.into() }
}
