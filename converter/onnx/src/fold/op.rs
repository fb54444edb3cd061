//! What a row about an operator of constants says.

use super::args::{Args, Folded};
use crate::model::Array;
use crate::reader::Ignored;

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
    /// Attributes that its result does not depend on.
    pub(super) ignored: &'static [Ignored],
}

impl FoldOp {
    /// One with `evaluate`.
    pub(super) const fn new(name: &'static str, evaluate: Evaluate) -> Self {
        Self { name, evaluate, product: false, ignored: &[] }
    }

    /// One with one output.
    pub(super) const fn one(name: &'static str, evaluate: fn(&Args) -> Folded<Array>) -> Self {
        Self::new(name, Evaluate::One(evaluate))
    }

    /// The same as a product of matrices.
    pub(super) const fn product(self) -> Self {
        Self { product: true, ..self }
    }

    /// The same with attributes that its result does not depend on.
    pub(super) const fn ignoring(self, ignored: &'static [Ignored]) -> Self {
        Self { ignored, ..self }
    }

    /// The outputs of a node, all of whose attributes and inputs are read.
    pub(super) fn run(&self, args: &Args) -> Folded<Option<Vec<Array>>> {
        let outputs = match self.evaluate {
            Evaluate::One(evaluate) => Some(vec![evaluate(args)?]),
            Evaluate::Maybe(evaluate) => evaluate(args)?.map(|array| vec![array]),
            Evaluate::Many(evaluate) => Some(evaluate(args)?),
        };
        if outputs.is_some() {
            args.node.check(self.ignored)?;
        }
        Ok(outputs)
    }
}
