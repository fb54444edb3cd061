//! Casts: what is computed is float, and stays so.

use super::importer::{Importer, Result, Value};
use super::op::{Handler, OnnxOp};
use super::view::View;
use crate::cast;
use crate::error::OnnxError;
use crate::model::{Array, Data, Element};

pub(super) const OPS: &[OnnxOp] = &[
    OnnxOp::new(
        "Cast",
        Handler::View(|i| i.cast()),
        "to float types; to integers only of an image of integers, and never to truth values",
    )
    .ignoring(cast::IGNORED),
    OnnxOp::new(
        "CastLike",
        Handler::Value(|i| i.cast_like()),
        "like a tensor of floats, or a constant like any computed tensor",
    )
    .ignoring(cast::IGNORED),
];

/// `DataType.INT8`, which does not hold every byte of an image.
const INT8: i64 = 3;

/// Operators whose outputs hold elements of their first input.
const MOVEMENT: &[&str] = &[
    "Cast",
    "DepthToSpace",
    "Expand",
    "Flatten",
    "Gather",
    "Identity",
    "Reshape",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
];

impl Importer<'_> {
    /// `Cast` of a computed tensor: nothing between float types.
    fn cast(&mut self) -> Result<View> {
        let code = self.node.int("to", 0);
        let Some(target) = cast::target(code) else {
            return Err(self.node.unsupported(format!("to element type {code}")));
        };
        match target {
            Element::Float => self.view(0),
            Element::U8 | Element::Int if self.holds_integers(0) && code != INT8 => self.view(0),
            Element::U8 | Element::Int | Element::Bool => Err(self.changes(target)),
        }
    }

    /// `CastLike`: nothing for a computed tensor like one of floats.
    fn cast_like(&mut self) -> Result<Value> {
        let target = match self.value(1)? {
            Value::View(_) if self.holds_integers(1) => Element::Int,
            Value::View(_) => Element::Float,
            Value::Constant(like) => match like.data {
                Data::F32(_) => Element::Float,
                Data::I64(_) => Element::Int,
                Data::Bool(_) => Element::Bool,
            },
        };
        match (self.value(0)?, target) {
            (Value::Constant(array), _) => {
                self.spend(array.len())?;
                let shape = array.shape.clone();
                Ok(match target {
                    Element::Float => Array { shape, data: array.to_f32s().into() },
                    Element::U8 | Element::Int | Element::Bool => {
                        Array { shape, data: array.to_i64s().into() }
                    }
                }
                .into())
            }
            (view, Element::Float) => Ok(view),
            (_, Element::U8 | Element::Int | Element::Bool) => Err(self.changes(target)),
        }
    }

    /// The error for a cast of computed floats to `target`.
    fn changes(&self, target: Element) -> OnnxError {
        self.node.unsupported(match target {
            Element::Bool => {
                "it makes truth values of computed numbers, which is not supported; only casts to float types are: \
                 export the model without it"
            }
            Element::Float | Element::U8 | Element::Int => {
                "it makes integers of computed floats and so drops their fractions, which is not supported; only \
                 casts to float types are: export the model without it"
            }
        })
    }

    fn holds_integers(&self, at: usize) -> bool {
        self.node.peek(at).is_some_and(|name| self.integers.contains(name))
    }

    /// Notes which outputs of the node at hand hold integers: elements of the image, if it does.
    pub(super) fn note_integers(&mut self) {
        let moves = self.node.is_own() && MOVEMENT.contains(&self.node.op);
        let cast = self.node.is("Cast") && cast::target(self.node.int("to", 0)) == Some(Element::Float);
        if moves && !cast && self.holds_integers(0) {
            self.integers.extend(self.node.outputs.iter().cloned());
        }
    }
}
