//! The operators that are imported, by family: what dispatch, the message about an operator that
//! is not among them, and `docs/onnx-operators.md` are made from.

use super::op::{OnnxOp, Refused};
use super::{
    activation, attention, binary, cast, choice, concat, conv, einsum, elementwise, group_norm, matmul,
    maximum, movement, norm, pad, pick, pool, reduce, refused, resize, rotary, scatter, transposed, variadic,
};
use crate::error::OnnxError;
use crate::model::Node;
use crate::{fold, patterns};

/// Operators with something in common.
pub(super) struct Family {
    /// What they have in common.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test compares docs/onnx-operators.md with it"))]
    pub(super) title: &'static str,
    /// Their rows, file by file.
    pub(super) ops: &'static [&'static [OnnxOp]],
}

pub(super) const FAMILIES: &[Family] = &[
    Family { title: "Products", ops: &[matmul::OPS, attention::OPS, einsum::OPS, rotary::OPS] },
    Family { title: "Convolutions", ops: &[conv::OPS, pool::OPS, transposed::OPS] },
    Family { title: "Sums, and products with constants", ops: &[elementwise::OPS, variadic::OPS] },
    Family { title: "Functions of one element", ops: &[activation::OPS] },
    Family { title: "Normalisation and softmax", ops: &[norm::OPS, group_norm::OPS] },
    Family { title: "Means and sums over axes", ops: &[reduce::OPS] },
    Family { title: "Maxima and minima", ops: &[maximum::OPS] },
    Family { title: "Signs and choices", ops: &[binary::OPS, choice::OPS] },
    Family {
        title: "Movement of data",
        ops: &[cast::OPS, movement::OPS, pick::OPS, scatter::OPS, concat::OPS, pad::OPS, resize::OPS],
    },
];

/// Operators of which more can be said than that they are not accepted.
pub(super) const REFUSED: &[&[Refused]] = &[choice::REFUSED, norm::REFUSED, refused::REFUSED];

/// All rows.
pub(super) fn all() -> impl Iterator<Item = &'static OnnxOp> {
    FAMILIES.iter().flat_map(|family| family.ops.iter().copied().flatten())
}

/// The row of the node's operator.
pub(super) fn find(node: &Node) -> Option<&'static OnnxOp> {
    all().find(|op| op.name == node.op && op.domain.name() == node.domain)
}

/// Why `node`, which has no row, is not imported, and what would be accepted.
pub(super) fn refusal(node: &Node) -> OnnxError {
    if let Some(said) = refused::by_domain(node) {
        return node.unsupported(said);
    }
    let refused = REFUSED.iter().copied().flatten().find(|row| row.names.contains(&node.op.as_str()));
    if let Some(refused) = refused.filter(|_| node.domain.is_empty()) {
        return node.unsupported(refused.instead);
    }
    let fused = patterns::FUSED.iter().find(|fused| node.domain == "com.microsoft" && node.op == fused.name);
    if let Some(fused) = fused {
        return node.unsupported(format!("of this operator is accepted: {}", fused.accepts));
    }
    node.unsupported(match fold::folds(node) {
        true => "it is computed of constants and shapes only",
        false => "this operator is not among those that are read; write it with operators that are",
    })
}
