//! Evaluation of nodes whose inputs are constants, with NumPy's broadcasting.
//!
//! Floats are computed in 32 bits and integers in 64 whatever their width in the model:
//! nothing is rounded to 16 bits, and narrow integers do not wrap.

mod args;
mod create;
mod elementwise;
mod layout;
mod matmul;
mod op;
mod reduce;
mod resize;
mod slice;
#[cfg(test)]
mod tests;
mod view;

use super::error::OnnxError;
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
/// [`OnnxError::Node`] if the inputs break the rules of the op, [`OnnxError::Unsupported`] for
/// an attribute or input that is not read, and [`OnnxError::Limit`] if an output would exceed
/// [`MAX_ELEMENTS`].
pub fn evaluate(node: &Node, inputs: &[Option<&Array>], opset: i64) -> Folded<Option<Vec<Array>>> {
    match find(node) {
        Some(op) => op.run(&Args::new(&Reader::new(node), inputs, opset)),
        None => Ok(None),
    }
}

/// The operators that are evaluated, by family.
const FAMILIES: &[&[FoldOp]] =
    &[create::OPS, elementwise::OPS, layout::OPS, matmul::OPS, reduce::OPS, resize::OPS, slice::OPS];

fn find(node: &Node) -> Option<&'static FoldOp> {
    FAMILIES.iter().copied().flatten().find(|op| node.is(op.name))
}

/// Whether the node's operator is one that is evaluated.
pub(super) fn folds(node: &Node) -> bool {
    find(node).is_some()
}

/// The names of the operators that are evaluated, with the attributes that no result depends on.
#[cfg(test)]
pub(super) fn rows() -> impl Iterator<Item = (&'static str, &'static [Ignored])> {
    FAMILIES.iter().copied().flatten().map(|op| (op.name, op.ignored))
}

/// What constants may cost in all, so that a small file cannot ask for hours or for all
/// memory.
#[derive(Clone, Debug)]
pub struct Budget {
    memory: u64,
    work: u64,
}

impl Budget {
    /// For a model that stores `stored` elements: 256 Mi elements of results more than
    /// four times that, and 4 Gi elementary steps more than 64 times that.
    pub fn new(stored: u64) -> Self {
        Self {
            memory: (1_u64 << 28).saturating_add(stored.saturating_mul(4)),
            work: (1_u64 << 32).saturating_add(stored.saturating_mul(64)),
        }
    }

    /// Evaluates as [`evaluate`] does, and charges for it.
    ///
    /// # Errors
    ///
    /// Those of [`evaluate`], and [`OnnxError::Limit`] if the budget is spent.
    pub fn evaluate(
        &mut self,
        node: &Node,
        inputs: &[Option<&Array>],
        opset: i64,
    ) -> Folded<Option<Vec<Array>>> {
        let before = inputs.iter().flatten().map(|array| array.len() as u64).sum::<u64>();
        let columns = match (find(node), inputs.get(1)) {
            (Some(op), Some(Some(b))) if op.product => b.shape.iter().copied().max().unwrap_or(1) as u64,
            _ => 1,
        };
        self.spend(node, before.saturating_mul(columns), 0)?;
        let Some(outputs) = evaluate(node, inputs, opset)? else { return Ok(None) };
        let after = outputs.iter().map(|array| array.len() as u64).sum();
        self.spend(node, after, after)?;
        Ok(Some(outputs))
    }

    fn spend(&mut self, node: &Node, work: u64, memory: u64) -> Result<(), OnnxError> {
        let take = |left: u64, cost: u64, what: &str| {
            left.checked_sub(cost).ok_or_else(|| OnnxError::Limit {
                what: format!("{what}, spent at node `{}`", node.name),
                found: cost,
                limit: left,
            })
        };
        self.work = take(self.work, work, "work of computing constants")?;
        self.memory = take(self.memory, memory, "elements of computed constants")?;
        Ok(())
    }
}
