//! What a row about an operator of constants says.

use super::args::{Args, Folded};
use crate::model::Array;

/// What computes the outputs of a node.
#[derive(Clone, Copy)]
pub(super) enum Evaluate {
    /// One output.
    One(fn(&Args) -> Folded<Array>),
    /// One output; none in a form that is not computed here.
    Maybe(fn(&Args) -> Folded<Option<Array>>),
    /// Any number of outputs.
    Many(fn(&Args) -> Folded<Vec<Array>>),
}

/// An operator of ONNX's own that is evaluated where its inputs are constant.
#[derive(Clone, Copy)]
pub(super) struct FoldOp {
    /// Its name.
    pub(super) name: &'static str,
    evaluate: Evaluate,
    /// Whether each element of input 0 meets a whole row of input 1.
    pub(super) product: bool,
}

impl FoldOp {
    /// One with `evaluate`.
    pub(super) const fn new(name: &'static str, evaluate: Evaluate) -> Self {
        Self { name, evaluate, product: false }
    }

    /// One with one output.
    pub(super) const fn one(name: &'static str, evaluate: fn(&Args) -> Folded<Array>) -> Self {
        Self::new(name, Evaluate::One(evaluate))
    }

    /// The same as a product of matrices.
    pub(super) const fn product(self) -> Self {
        Self { product: true, ..self }
    }

    /// The outputs of a node.
    pub(super) fn run(&self, args: &Args) -> Folded<Option<Vec<Array>>> {
        match self.evaluate {
            Evaluate::One(evaluate) => evaluate(args).map(|array| Some(vec![array])),
            Evaluate::Maybe(evaluate) => evaluate(args).map(|array| array.map(|array| vec![array])),
            Evaluate::Many(evaluate) => evaluate(args).map(Some),
        }
    }
}
