//! Scores, softmax, the choice of keys where there is one, and weighted sum to one attention.

use facts::Change;

use super::edit::{folded, only_reader};
use crate::graph::{Graph, Node};
use crate::layout::{Strided, TensorId};

/// Joins every chain of `MatMul → Softmax → MatMul` that an attention computes, or a binarized
/// one with `Select` before the last.
pub(super) fn join(graph: &mut Graph) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut index = 0;
    while index < graph.nodes.len() {
        if let Some(change) = one(graph, index) {
            changes.push(change);
        }
        index += 1;
    }
    changes
}

/// Tries the chain that begins at node `first`.
fn one(graph: &mut Graph, first: usize) -> Option<Change> {
    let Node::MatMul { a: q, b: k, transpose_b: true, out: scores, batch, m, n, k: dim, ref scales } =
        graph.nodes[first]
    else {
        return None;
    };
    let scales = scales.clone();
    let (soft, factor, uniform) = through_factor(graph, scores.tensor)?;
    let Node::Softmax { out: probabilities, width, .. } = graph.nodes[soft] else { return None };
    let Weights { tensor: weights, reader: second, choice } = weights(graph, probabilities, width)?;
    let Node::MatMul {
        a,
        b: v,
        transpose_b: false,
        out,
        batch: heads,
        m: rows,
        n: columns,
        k: keys,
        scales: ref ones,
    } = graph.nodes[second]
    else {
        return None;
    };
    let same = (heads, rows, columns, keys) == (batch, m, dim, n)
        && width == n
        && ones.iter().all(|&one| one == 1.0);
    // Scores and probabilities lie alike, the output has its heads side by side.
    let inside = a == Strided { tensor: weights, ..scores };
    let side_by_side = out == Strided { tensor: out.tensor, offset: 0, batch: columns, row: heads * columns };
    if !(same && inside && side_by_side && groups_are_rows(scores, batch, n)) {
        return None;
    }
    let (head_dim, out) = (dim, out.tensor);
    let scales = scales.into_iter().map(|scale| scale * factor).collect();
    graph.nodes[second] = match choice {
        None => Node::Attention { q, k, v, keys, heads, head_dim, scales, out },
        Some((_, ratio)) => Node::BinaryAttention { q, k, v, keys, heads, head_dim, scales, ratio, out },
    };
    let mut removed = vec![first, soft];
    removed.extend(uniform);
    removed.extend(choice.map(|(index, _)| index));
    removed.sort_unstable();
    for index in removed.into_iter().rev() {
        graph.nodes.remove(index);
    }
    Some(folded(
        graph,
        out,
        "scores, softmax and weighted sum are one attention",
        "scores need no memory of their own",
    ))
}

/// The softmax that reads `scores`, behind at most one uniform factor, which is taken along.
fn through_factor(graph: &Graph, scores: TensorId) -> Option<(usize, f32, Option<usize>)> {
    let reader = only_reader(graph, scores)?;
    let Node::Affine { out, scale: factors, offset, .. } = &graph.nodes[reader] else {
        return Some((reader, 1.0, None));
    };
    let factor = *factors.first()?;
    // An offset that is the same for all keys changes no softmax.
    let uniform = factors.iter().all(|&f| f == factor) && offset.windows(2).all(|w| w[0] == w[1]);
    uniform.then_some((only_reader(graph, *out)?, factor, Some(reader)))
}

/// What the values are weighted with: probabilities, or a choice of keys.
struct Weights {
    tensor: TensorId,
    /// The only node that reads it.
    reader: usize,
    /// The node that chooses keys, and its ratio.
    choice: Option<(usize, f32)>,
}

/// The weights made of `probabilities` in groups of `keys`.
fn weights(graph: &Graph, probabilities: TensorId, keys: usize) -> Option<Weights> {
    let reader = only_reader(graph, probabilities)?;
    let &Node::Select { out, width, ratio, .. } = &graph.nodes[reader] else {
        return Some(Weights { tensor: probabilities, reader, choice: None });
    };
    let choice = Some((reader, ratio));
    (width == keys).then_some(Weights { tensor: out, reader: only_reader(graph, out)?, choice })
}

/// Whether a row of one head's scores is one of the groups that a softmax normalises.
fn groups_are_rows(scores: Strided, heads: usize, keys: usize) -> bool {
    let starts = scores.offset.is_multiple_of(keys) && scores.row.is_multiple_of(keys);
    starts && (heads == 1 || scores.batch.is_multiple_of(keys))
}
