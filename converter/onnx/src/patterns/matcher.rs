//! Looks at the neighbourhood of a node.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use super::fusion::Fusion;
use crate::cast;
use crate::error::OnnxError;
use crate::model::{Array, Model};
use crate::reader::{Ignored, Reader};

/// Deepest tree of multiplications that is looked at.
const MAX_DEPTH: usize = 8;

/// Attributes that none of the nodes that are joined depends on.
const IGNORED: &[Ignored] = cast::IGNORED;

/// A model whose values know their producer and readers, and whose nodes know what of them is read.
pub(super) struct Matcher<'a> {
    model: &'a Model,
    nodes: Vec<Reader<'a>>,
    /// The nodes that the pattern at hand looks at.
    seen: RefCell<Vec<usize>>,
    producers: HashMap<&'a str, usize>,
    readers: HashMap<&'a str, Vec<usize>>,
    outputs: HashSet<&'a str>,
}

/// A product of scalars and values.
pub(super) struct Product<'a> {
    /// The scalars' product.
    pub(super) constant: f64,
    /// The other factors; a power is repeated.
    pub(super) factors: Vec<&'a str>,
}

impl<'a> Matcher<'a> {
    pub(super) fn new(model: &'a Model) -> Self {
        Self {
            producers: model.producers(),
            readers: model.readers(),
            outputs: model.outputs.iter().map(|output| output.name.as_str()).collect(),
            nodes: model.nodes.iter().map(Reader::new).collect(),
            seen: RefCell::default(),
            model,
        }
    }

    /// What `pattern` finds at node `index`; only what it reads of nodes counts as read.
    pub(super) fn find<T>(&self, pattern: fn(&Self, usize) -> Option<T>, index: usize) -> Option<T> {
        self.seen.take().into_iter().for_each(|node| self.nodes[node].forget());
        pattern(self, index)
    }

    /// Refuses a node of `fusion` of which the pattern leaves something unread.
    pub(super) fn check(&self, fusion: &Fusion) -> Result<(), OnnxError> {
        let nodes = fusion.interior.iter().chain([&fusion.root]).filter_map(|&index| self.nodes.get(index));
        nodes.into_iter().try_for_each(|node| node.check(IGNORED))
    }

    pub(super) fn node(&self, index: usize) -> Option<&Reader<'a>> {
        self.seen.borrow_mut().push(index);
        self.nodes.get(index)
    }

    /// The version of ONNX's own operators.
    pub(super) fn opset(&self) -> i64 {
        self.model.opset
    }

    pub(super) fn constant(&self, value: &str) -> Option<&'a Array> {
        self.model.constant(value)
    }

    /// The node of `op` that makes `value`.
    pub(super) fn made_by(&self, value: &str, op: &str) -> Option<(usize, &Reader<'a>)> {
        let &index = self.producers.get(value)?;
        let node = self.node(index)?;
        (node.is(op) && node.output() == value).then_some((index, node))
    }

    /// The node that makes `value`.
    pub(super) fn maker(&self, value: &str) -> Option<&Reader<'a>> {
        self.node(*self.producers.get(value)?)
    }

    /// The value of a float constant of one element that does not raise the rank of what
    /// it is combined with.
    pub(super) fn scalar(&self, value: &str) -> Option<f64> {
        let array = self.constant(value)?;
        array.f32s().filter(|_| array.rank() <= 1)?;
        array.scalar_f32().map(f64::from)
    }

    /// The operands of `node`, a scalar second if it is one of them.
    pub(super) fn with_scalar(&self, node: &Reader<'a>) -> Option<(&'a str, f64)> {
        let (a, b) = (node.input(0)?, node.input(1)?);
        match (self.scalar(a), self.scalar(b)) {
            (None, Some(b)) => Some((a, b)),
            (Some(a), None) => Some((b, a)),
            _ => None,
        }
    }

    /// The axes that a reduction states and keeps; none if it states or keeps none.
    pub(super) fn kept_axes(&self, reduction: &Reader<'a>) -> Option<&'a [i64]> {
        let axes = match reduction.ints("axes") {
            Some(axes) => axes,
            None => self.constant(reduction.input(1)?)?.i64s()?,
        };
        // It is about axes that are not stated.
        reduction.ignore("noop_with_empty_axes");
        (reduction.int("keepdims", 1) == 1 && !axes.is_empty()).then_some(axes)
    }

    /// The only reader of `value`, which is no output of the model.
    pub(super) fn only_reader(&self, value: &str) -> Option<(usize, &Reader<'a>)> {
        match self.readers.get(value)?.as_slice() {
            &[index] if !self.outputs.contains(value) => Some((index, self.node(index)?)),
            _ => None,
        }
    }

    /// Whether what `interior` makes is read only by it and by `root`.
    pub(super) fn private(&self, interior: &[usize], root: usize) -> bool {
        let inside = |reader: &usize| *reader == root || interior.contains(reader);
        interior.iter().filter_map(|&index| self.node(index)).flat_map(|node| node.outputs).all(|output| {
            !self.outputs.contains(output.as_str())
                && self.readers.get(output.as_str()).is_none_or(|readers| readers.iter().all(inside))
        })
    }

    /// `value` as a product, through multiplications that nobody else reads; the first is
    /// always taken apart. The nodes are added to `nodes`.
    pub(super) fn product(&self, value: &'a str, nodes: &mut Vec<usize>) -> Product<'a> {
        let mut product = Product { constant: 1.0, factors: Vec::new() };
        self.multiply(value, 0, &mut product, nodes);
        product
    }

    /// As [`product`](Self::product), unless `value` is read elsewhere.
    pub(super) fn inner_product(&self, value: &'a str, nodes: &mut Vec<usize>) -> Product<'a> {
        let mut product = Product { constant: 1.0, factors: Vec::new() };
        self.multiply(value, 1, &mut product, nodes);
        product
    }

    fn multiply(&self, value: &'a str, depth: usize, product: &mut Product<'a>, nodes: &mut Vec<usize>) {
        if let Some(scalar) = self.scalar(value) {
            product.constant *= scalar;
            return;
        }
        let open = depth < MAX_DEPTH && (depth == 0 || self.only_reader(value).is_some());
        let maker = self.producers.get(value).filter(|_| open);
        if let Some((&index, node)) = maker.and_then(|index| Some((index, self.node(*index)?)))
            && let (Some(a), Some(b)) = (node.input(0), node.input(1))
        {
            let exponent = self.scalar(b).or_else(|| Some(self.constant(b)?.scalar_i64()? as f64));
            match (exponent, node.op) {
                _ if !node.is_own() => {}
                (_, "Mul") => {
                    nodes.push(index);
                    self.multiply(a, depth + 1, product, nodes);
                    return self.multiply(b, depth + 1, product, nodes);
                }
                (Some(divisor), "Div") if divisor != 0.0 => {
                    nodes.push(index);
                    product.constant /= divisor;
                    return self.multiply(a, depth + 1, product, nodes);
                }
                (Some(exponent), "Pow") if exponent == 2.0 || exponent == 3.0 => {
                    nodes.push(index);
                    return product.factors.extend(std::iter::repeat_n(a, exponent as usize));
                }
                _ => {}
            }
        }
        product.factors.push(value);
    }
}

/// Whether `a` is `b` as far as 16-bit floats can tell.
pub(super) fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-3 * b.abs()
}
