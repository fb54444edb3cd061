//! Evaluation of nodes whose inputs are constants, with NumPy's broadcasting.
//!
//! Floats are computed in 32 bits and integers in 64 whatever their width in the model:
//! nothing is rounded to 16 bits, and narrow integers do not wrap.

mod args;
mod create;
mod elementwise;
mod indexed;
mod layout;
mod matmul;
mod op;
mod order;
mod quantized;
mod reduce;
mod resize;
mod slice;
#[cfg(test)]
mod tests;
mod view;

use super::model::{Array, Node};
#[cfg(test)]
use super::reader::Ignored;
use super::reader::Reader;
use args::{Args, Folded};
use op::FoldOp;

pub use args::axis_of;
pub use view::{MAX_ELEMENTS, View, broadcast, broadcast_to};

/// The outputs of `node` for constant `inputs` (none where one is absent); none if its op
/// is not one that is evaluated here. Trailing outputs that the op computes but the
/// importer never needs are missing.
///
/// # Errors
///
/// [`OnnxError::Node`](super::OnnxError::Node) if the inputs break the rules of the op, [`OnnxError::Unsupported`](super::OnnxError::Unsupported) for
/// an attribute or input that is not read, and [`OnnxError::Limit`](super::OnnxError::Limit) if an output would exceed
/// [`MAX_ELEMENTS`].
pub fn evaluate(node: &Node, inputs: &[Option<&Array>], opset: i64) -> Folded<Option<Vec<Array>>> {
    match find(node) {
        Some(op) => op.run(&Args::new(&Reader::new(node), inputs, opset)),
        None => Ok(None),
    }
}

/// The operators that are evaluated, by family.
const FAMILIES: &[&[FoldOp]] = &[
    create::OPS,
    elementwise::OPS,
    indexed::OPS,
    layout::OPS,
    matmul::OPS,
    order::OPS,
    quantized::OPS,
    reduce::OPS,
    resize::OPS,
    slice::OPS,
];

fn find(node: &Node) -> Option<&'static FoldOp> {
    FAMILIES.iter().copied().flatten().find(|op| node.is(op.name))
}

/// Whether the node's operator is one that is evaluated.
pub(super) fn folds(node: &Node) -> bool {
    find(node).is_some()
}

/// Elementary steps of evaluating `node` for each element of its inputs.
pub(super) fn steps(node: &Node, inputs: &[Option<&Array>]) -> u64 {
    match (find(node), inputs.get(1)) {
        (Some(op), Some(Some(b))) if op.product => b.shape.iter().copied().max().unwrap_or(1) as u64,
        _ => 1,
    }
}

/// The names of the operators that are evaluated, with the attributes that no result depends on.
#[cfg(test)]
pub(super) fn rows() -> impl Iterator<Item = (&'static str, &'static [Ignored])> {
    FAMILIES.iter().copied().flatten().map(|op| (op.name, op.ignored))
}
