//! What no output depends on.

use crate::graph::{Graph, Node, Part};
use crate::layout::TensorId;

/// Removes nodes and tensors that no output depends on.
pub(super) fn remove(graph: &mut Graph) {
    let mut wanted = vec![false; graph.tensors.len()];
    wanted[0] = true;
    for output in &graph.outputs {
        wanted[output.tensor] = true;
    }
    for node in graph.nodes.iter().rev() {
        if wanted[node.output()] {
            node.inputs().into_iter().for_each(|id| wanted[id] = true);
        }
    }
    graph.nodes.retain(|node| wanted[node.output()]);
    let mut next = 0;
    let renamed: Vec<TensorId> = wanted
        .iter()
        .map(|&wanted| {
            next += usize::from(wanted);
            next.saturating_sub(1)
        })
        .collect();
    let mut keep = wanted.iter();
    graph.tensors.retain(|_| keep.next() == Some(&true));
    for node in &mut graph.nodes {
        rename(node, &renamed);
    }
    for output in &mut graph.outputs {
        output.tensor = renamed[output.tensor];
    }
}

fn rename(node: &mut Node, renamed: &[TensorId]) {
    let set = |id: &mut TensorId| *id = renamed[*id];
    match node {
        Node::Add { x, y, out } => [x, y, out].into_iter().for_each(set),
        Node::MatMul { a, b, out, .. } => {
            [&mut a.tensor, &mut b.tensor, &mut out.tensor].into_iter().for_each(set);
        }
        Node::Attention { q, k, v, out, .. } | Node::BinaryAttention { q, k, v, out, .. } => {
            [&mut q.tensor, &mut k.tensor, &mut v.tensor, out].into_iter().for_each(set);
        }
        Node::Concat { parts, out } => {
            for part in parts {
                if let Part::Tensor(id) = part {
                    set(id);
                }
            }
            set(out);
        }
        Node::Pixels { x, out, .. }
        | Node::Conv { x, out, .. }
        | Node::Linear { x, out, .. }
        | Node::Affine { x, out, .. }
        | Node::LayerNorm { x, out, .. }
        | Node::Activate { x, out, .. }
        | Node::AddConstant { x, out, .. }
        | Node::Softmax { x, out, .. }
        | Node::Select { x, out, .. }
        | Node::Mean { x, out }
        | Node::Rows { x, out, .. }
        | Node::Permute { x, out, .. }
        | Node::Gather { x, out, .. } => [x, out].into_iter().for_each(set),
    }
}
