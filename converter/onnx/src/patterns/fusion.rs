//! What a pattern finds.

use crate::model::{Array, Node};

/// Several nodes that one replaces.
pub(super) struct Fusion {
    /// The node whose output stays.
    pub(super) root: usize,
    /// The others.
    pub(super) interior: Vec<usize>,
    /// What replaces them; it has the root's outputs.
    pub(super) node: Node,
    /// Constants that it needs.
    pub(super) constants: Vec<(String, Array)>,
}
