//! Tensors of which only the positive part is read.

use crate::graph::{Function, Graph, Node};

impl Graph {
    /// For each tensor whether only ReLUs read it, so that what is below 0 is as good as 0.
    pub fn rectified(&self) -> Vec<bool> {
        let relu =
            |&index: &usize| matches!(self.nodes[index], Node::Activate { function: Function::Relu, .. });
        let mut rectified: Vec<bool> =
            self.readers().iter().map(|readers| !readers.is_empty() && readers.iter().all(relu)).collect();
        self.outputs.iter().for_each(|output| rectified[output.tensor] = false);
        rectified
    }
}
