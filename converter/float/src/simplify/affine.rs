//! Factors and offsets of channels: into the layer before, or the layer behind.

use facts::Change;

use super::edit::{folded, only_reader, producer, redirect, scale_inputs, scale_outputs};
use crate::graph::{Graph, Node};

/// Folds every `Affine`, and every `AddConstant` whose rows are alike, that a neighbour can take.
pub(super) fn fold(graph: &mut Graph) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut index = 0;
    while index < graph.nodes.len() {
        as_affine(graph, index);
        match forward(graph, index).or_else(|| backward(graph, index)) {
            Some(change) => changes.push(change),
            None => index += 1,
        }
    }
    changes
}

/// A constant that is the same in every row is an offset of channels.
fn as_affine(graph: &mut Graph, index: usize) {
    let Node::AddConstant { x, out, values } = &graph.nodes[index] else { return };
    let (x, out, width) = (*x, *out, graph.tensors[*x].width);
    let Some(first) = values.get(..width) else { return };
    let tensor = &graph.tensors[x];
    // An infinity belongs to a mask, and is no offset of a layer.
    let finite = first.iter().all(|value| value.is_finite());
    if tensor.rows > 1 && finite && values.chunks_exact(width).all(|row| row == first) {
        let offset = first.to_vec();
        graph.nodes[index] = Node::Affine { x, out, scale: vec![1.0; width], offset };
    }
}

/// Into the node that makes the input, if nothing else reads that.
fn forward(graph: &mut Graph, index: usize) -> Option<Change> {
    let Node::Affine { x, out, scale, offset } = graph.nodes[index].clone() else { return None };
    let before = producer(graph, x)?;
    if only_reader(graph, x) != Some(index) {
        return None;
    }
    match &mut graph.nodes[before] {
        Node::Linear { dense, .. } | Node::Conv { dense, .. } => scale_outputs(dense, &scale, &offset),
        Node::LayerNorm { gamma, beta, .. } if gamma.len() == scale.len() => {
            for (c, (gamma, beta)) in gamma.iter_mut().zip(beta).enumerate() {
                *gamma *= scale[c];
                *beta = *beta * scale[c] + offset[c];
            }
        }
        Node::GroupNorm { gamma: s, beta: o, .. } | Node::Affine { scale: s, offset: o, .. } => {
            for (c, (s, o)) in s.iter_mut().zip(o).enumerate() {
                *s *= scale[c];
                *o = *o * scale[c] + offset[c];
            }
        }
        Node::Pixels { mean, std, .. } if scale.iter().all(|&s| s > 0.0) => {
            // (p − m)/s · f + o = (p − (m − o·s/f)) / (s/f)
            for (c, (mean, std)) in mean.iter_mut().zip(std).enumerate() {
                *std /= scale[c];
                *mean -= offset[c] * *std;
            }
        }
        _ => return None,
    }
    let change =
        folded(graph, x, "took the factors and offsets behind it", "the same function in fewer steps");
    redirect(&mut graph.nodes[before], out);
    // The layer keeps its own name.
    graph.tensors[out].name = graph.tensors[x].name.clone();
    graph.nodes.remove(index);
    Some(change)
}

/// Into the only layer that reads the output.
fn backward(graph: &mut Graph, index: usize) -> Option<Change> {
    let Node::Affine { x, out, scale, offset } = graph.nodes[index].clone() else { return None };
    let reader = only_reader(graph, out)?;
    let made = graph.nodes[reader].output();
    match &mut graph.nodes[reader] {
        Node::Linear { x: input, dense, .. } if dense.k == scale.len() => {
            // Columns of binary weights are only rescaled together.
            if dense.is_binary() && scale.windows(2).any(|w| w[0] != w[1]) {
                return None;
            }
            scale_inputs(dense, &scale, &offset, |_, column| column);
            *input = x;
        }
        Node::Conv { x: input, dense, geometry, .. } => {
            // Padding stands for zeros behind the offset.
            if offset.iter().any(|&o| o != 0.0) && !geometry.is_unpadded() {
                return None;
            }
            let per_group = geometry.input[2] as usize / geometry.groups as usize;
            let rows = dense.n / geometry.groups as usize;
            scale_inputs(dense, &scale, &offset, |row, column| row / rows * per_group + column % per_group);
            *input = x;
        }
        _ => return None,
    }
    graph.nodes.remove(index);
    Some(folded(graph, made, "took the factors and offsets before it", "the same function in fewer steps"))
}
