//! What reads a tensor.

use float::{Graph, Node, TensorId};

/// What reads a tensor, directly or through nodes that are followed.
#[derive(Default)]
pub(super) struct Readers {
    /// Convolutions, and dense layers whose columns are those of the tensor and can be rescaled.
    pub(super) layers: Vec<usize>,
    /// Nodes that were followed.
    pub(super) followed: Vec<usize>,
    /// Other nodes.
    pub(super) others: Vec<usize>,
    pub(super) is_output: bool,
}

impl Readers {
    /// The readers of `tensor`, and those of what the nodes that `follow` tells make of it.
    pub(super) fn of(model: &Graph, tensor: TensorId, follow: impl Fn(&Node, TensorId) -> bool) -> Self {
        let mut found = Self::default();
        let mut open = vec![tensor];
        while let Some(id) = open.pop() {
            found.is_output |= model.outputs.iter().any(|output| output.tensor == id);
            for (index, node) in model.nodes.iter().enumerate() {
                if !node.inputs().contains(&id) {
                    continue;
                }
                match node {
                    // Columns of binary weights cannot be rescaled.
                    Node::Linear { dense, .. }
                        if dense.k == model.tensors[tensor].width && !dense.is_binary() =>
                    {
                        found.layers.push(index);
                    }
                    Node::Conv { .. } => found.layers.push(index),
                    _ if follow(node, id) => {
                        found.followed.push(index);
                        open.push(node.output());
                    }
                    _ => found.others.push(index),
                }
            }
        }
        found
    }
}
