//! A node to evaluate, and what it asks of its inputs.

use super::view::{MAX_ELEMENTS, View};
use crate::error::OnnxError;
use crate::model::{Array, Data, elements};
use crate::reader::Reader;

pub(super) type Folded<T> = Result<T, OnnxError>;

/// A node with its inputs.
pub(super) struct Args<'a> {
    pub(super) node: &'a Reader<'a>,
    pub(super) opset: i64,
    inputs: &'a [Option<&'a Array>],
}

impl<'a> Args<'a> {
    pub(super) fn new(node: &'a Reader<'a>, inputs: &'a [Option<&'a Array>], opset: i64) -> Self {
        Self { node, opset, inputs }
    }

    /// How many inputs there are, absent ones among them.
    pub(super) fn count(&self) -> usize {
        self.inputs.len()
    }

    pub(super) fn optional(&self, index: usize) -> Option<&'a Array> {
        self.node.ignore_input(index);
        self.inputs.get(index).copied().flatten()
    }

    pub(super) fn required(&self, index: usize) -> Folded<&'a Array> {
        self.optional(index).ok_or_else(|| self.invalid(format!("input {index} is missing")))
    }

    /// The integers of input `index`; none if it is absent.
    pub(super) fn integers(&self, index: usize) -> Folded<Option<&'a [i64]>> {
        let Some(array) = self.optional(index) else { return Ok(None) };
        array.i64s().map(Some).ok_or_else(|| self.invalid(format!("input {index} must hold integers")))
    }

    /// The integers of attribute `name` or else of input `index`.
    pub(super) fn list(&self, name: &str, index: usize) -> Folded<Option<&'a [i64]>> {
        match self.node.ints(name) {
            Some(list) => Ok(Some(list)),
            None => self.integers(index),
        }
    }

    /// The floats of input `index`.
    pub(super) fn floats(&self, index: usize) -> Folded<&'a [f32]> {
        let array = self.required(index)?;
        array.f32s().ok_or_else(|| self.invalid(format!("input {index} must hold floats")))
    }

    pub(super) fn invalid(&self, reason: impl Into<String>) -> OnnxError {
        self.node.invalid(reason)
    }

    /// An axis of `rank` dimensions, counted from the end if negative.
    pub(super) fn axis(&self, axis: i64, rank: usize) -> Folded<usize> {
        axis_of(axis, rank).ok_or_else(|| self.invalid(format!("axis {axis} of {rank} dimensions")))
    }

    /// Which of `rank` dimensions `axes` names.
    pub(super) fn axes(&self, axes: &[i64], rank: usize) -> Folded<Vec<bool>> {
        let mut named = vec![false; rank];
        for &axis in axes {
            let axis = self.axis(axis, rank)?;
            if std::mem::replace(&mut named[axis], true) {
                return Err(self.invalid(format!("axis {axis} is named twice")));
            }
        }
        Ok(named)
    }

    /// Checks the shape of an output before it is allocated; returns its elements.
    pub(super) fn check(&self, shape: &[usize]) -> Folded<usize> {
        match elements(shape) {
            Some(len) if len <= MAX_ELEMENTS => Ok(len),
            Some(len) => Err(OnnxError::Limit {
                what: format!("elements of a constant, at node `{}`", self.node.name),
                found: len as u64,
                limit: MAX_ELEMENTS as u64,
            }),
            None => Err(self.invalid(format!("the shape {shape:?} is too large"))),
        }
    }

    /// A dimension from an integer.
    pub(super) fn dim(&self, value: i64) -> Folded<usize> {
        usize::try_from(value).map_err(|_| self.invalid(format!("a dimension of {value}")))
    }

    /// The elements of `array` that `view` shows, as an array of its shape.
    pub(super) fn show(&self, array: &Array, view: &View) -> Folded<Array> {
        self.check(&view.shape)?;
        self.array(view.shape.clone(), view.pick(&array.data))
    }

    /// `array` under another shape.
    pub(super) fn reshaped(&self, array: &Array, shape: Vec<usize>) -> Folded<Array> {
        let reason = || self.invalid(format!("{:?} does not reshape to {shape:?}", array.shape));
        array.reshape(shape.clone()).ok_or_else(reason)
    }

    pub(super) fn array(&self, shape: Vec<usize>, data: impl Into<Data>) -> Folded<Array> {
        Array::new(shape, data).ok_or_else(|| self.invalid("its output has no consistent shape"))
    }
}

/// An axis of `rank` dimensions, counted from the end if negative; none if there is no
/// such axis.
pub fn axis_of(axis: i64, rank: usize) -> Option<usize> {
    let from_start = if axis < 0 { axis.checked_add(rank as i64)? } else { axis };
    usize::try_from(from_start).ok().filter(|&axis| axis < rank)
}
