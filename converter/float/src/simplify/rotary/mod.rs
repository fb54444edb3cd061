//! Rotary position embeddings: pairs of channels turned by the angles of their position.
//!
//! Models write them as `x · cos + swapped(x) · sin`, where channels are swapped and half of them
//! negated by slices and concatenations, next to rows that are not turned. However that is
//! spelled, each element of such a sum is made of two elements of one tensor: where they lie, and
//! what they are multiplied by, says whether it is a rotation.

mod rotation;
#[cfg(test)]
mod tests;
mod trace;

use facts::Change;

use self::rotation::{Rotation, permuted};
use self::trace::{Tracer, weighted};
use super::dead;
use super::edit::{folded, only_reader};
use crate::graph::{Graph, Node};
use crate::layout::TensorId;

/// Operations behind the sum that may belong to it.
const MAX_BEHIND: usize = 8;

/// Replaces every sum that turns pairs of channels.
pub(super) fn replace(graph: &mut Graph) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut index = 0;
    while index < graph.nodes.len() {
        if let Some((at, made, rotation)) = found(graph, index) {
            changes.push(put(graph, at, made, rotation));
        }
        index += 1;
    }
    if !changes.is_empty() {
        dead::remove(graph);
    }
    changes
}

/// The rotation whose sum is node `index`, with the last node that belongs to it and its output.
fn found(graph: &Graph, index: usize) -> Option<(usize, TensorId, Rotation)> {
    let Node::Add { x, y, out } = graph.nodes[index] else { return None };
    if !weighted(graph, x) || !weighted(graph, y) {
        return None;
    }
    [(x, y), (y, x)].into_iter().find_map(|(straight, swapped)| {
        let mut tracer = Tracer::new(graph);
        tracer.sum(straight, swapped, out)?;
        let (mut at, mut made, mut last) = (index, out, None);
        for _ in 0..MAX_BEHIND {
            let rotation = tracer.trace(made).and_then(|trace| Rotation::of(graph, &trace, made));
            last = rotation.map(|rotation| (at, made, rotation)).or(last);
            let Some(reader) = only_reader(graph, made) else { break };
            if !trace::moves(&graph.nodes[reader]) {
                break;
            }
            (at, made) = (reader, graph.nodes[reader].output());
        }
        last
    })
}

/// Makes `made`, the output of node `at`, by `rotation`.
fn put(graph: &mut Graph, at: usize, made: TensorId, rotation: Rotation) -> Change {
    let Rotation { source: x, offset, rows, width, head_dim, pairs, angles, places } = rotation;
    let straight = places.iter().copied().eq(0..places.len());
    let shape = (graph.tensors[made].rows, graph.tensors[made].width);
    if straight && shape == (rows, width) {
        graph.nodes[at] = Node::Rotary { x, out: made, offset, head_dim, pairs, angles };
    } else if let Some((shape, strides)) = permuted(&places) {
        let name = format!("{}.rotary", graph.tensors[made].name);
        let out = graph.tensor(name, rows, width);
        graph.nodes[at] = Node::Permute { x: out, out: made, offset: places[0], shape, strides };
        graph.nodes.insert(at, Node::Rotary { x, out, offset, head_dim, pairs, angles });
    }
    folded(
        graph,
        made,
        "products with cosines and sines are one rotation of pairs",
        "the same function in fewer steps, and fewer constants",
    )
}
