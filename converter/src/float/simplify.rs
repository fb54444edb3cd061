//! Rewrites that leave what a float graph computes as it is, and make it smaller.

mod affine;
mod attention;
mod dead;
mod pixels;

use super::{Dense, Graph, Node, TensorId};
use crate::facts::{Change, ChangeKind};

pub use pixels::fold_pixels;

/// Folds per-channel factors and offsets into layers, joins scores, softmax and weighted sum
/// to attentions, and removes what nothing reads.
pub fn simplify(graph: &mut Graph) -> Vec<Change> {
    let mut changes = Vec::new();
    dead::remove(graph);
    // Each fold may make another possible.
    loop {
        let before = changes.len();
        changes.extend(affine::fold(graph));
        changes.extend(attention::join(graph));
        if changes.len() == before {
            break;
        }
        dead::remove(graph);
    }
    changes
}

fn folded(graph: &Graph, tensor: TensorId, what: &str, why: &str) -> Change {
    let layer = graph.tensors[tensor].name.clone();
    Change { kind: ChangeKind::Folded, layer, what: what.to_owned(), why: why.to_owned() }
}

/// The node that makes `tensor`.
fn producer(graph: &Graph, tensor: TensorId) -> Option<usize> {
    graph.nodes.iter().position(|node| node.output() == tensor)
}

/// The only node that reads `tensor`, if that is all that does.
fn only_reader(graph: &Graph, tensor: TensorId) -> Option<usize> {
    if graph.outputs.iter().any(|output| output.tensor == tensor) {
        return None;
    }
    let mut readers = (0..graph.nodes.len()).filter(|&i| graph.nodes[i].inputs().contains(&tensor));
    let first = readers.next()?;
    let twice = graph.nodes[first].inputs().iter().filter(|&&x| x == tensor).count() > 1;
    if readers.next().is_some() || twice { None } else { Some(first) }
}

/// Makes `node` write `tensor` instead.
fn redirect(node: &mut Node, tensor: TensorId) {
    *node.tensors_mut().1 = tensor;
}

/// `W·(scale·x + offset) + b` as a layer on `x`; `channel` tells which input channel a
/// column of the weights meets.
fn scale_inputs(dense: &mut Dense, scale: &[f32], offset: &[f32], channel: impl Fn(usize, usize) -> usize) {
    for (row, (weights, bias)) in dense.weights.chunks_exact_mut(dense.k).zip(&mut dense.bias).enumerate() {
        let mut moved = f64::from(*bias);
        for (column, w) in weights.iter_mut().enumerate() {
            let c = channel(row, column);
            moved += f64::from(*w) * f64::from(offset[c]);
            *w *= scale[c];
        }
        *bias = moved as f32;
    }
}

/// `scale·(W·x + b) + offset` as a layer.
fn scale_outputs(dense: &mut Dense, scale: &[f32], offset: &[f32]) {
    for (row, weights) in dense.weights.chunks_exact_mut(dense.k).enumerate() {
        for w in weights {
            *w *= scale[row];
        }
        dense.bias[row] = dense.bias[row] * scale[row] + offset[row];
    }
}
