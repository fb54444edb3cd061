//! What no output depends on.

use crate::graph::Graph;
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
        let (read, made) = node.tensors_mut();
        read.into_iter().chain([made]).for_each(|id| *id = renamed[*id]);
    }
    for output in &mut graph.outputs {
        output.tensor = renamed[output.tensor];
    }
}
