//! Attention scores: sampled in calibration, and the scale that serves the softmax best.

use float::{Graph, Node, Strided, TensorId, math};

use super::sample::spread;

/// Which tensors attentions read and make.
pub(super) struct Operands {
    /// Whether a tensor holds queries or keys.
    pub is_operand: Vec<bool>,
    /// The attention that makes a tensor.
    pub attention_of: Vec<Option<usize>>,
}

/// Finds the operands of all attentions.
pub(super) fn operands(model: &Graph) -> Operands {
    let count = model.tensors.len();
    let mut operands = Operands { is_operand: vec![false; count], attention_of: vec![None; count] };
    for (index, node) in model.nodes.iter().enumerate() {
        if let Node::Attention { q, k, out, .. } = node {
            operands.is_operand[q.tensor] = true;
            operands.is_operand[k.tensor] = true;
            operands.attention_of[*out] = Some(index);
        }
    }
    operands
}

/// Scores of some queries of every head against all keys, `keys` to a row.
pub(super) fn sampled_scores(
    (queries, q): (&[f32], Strided),
    (key_rows, k): (&[f32], Strided),
    (keys, heads, head_dim): (usize, usize, usize),
    scales: &[f32],
    keep: usize,
    image: usize,
) -> Vec<f32> {
    let rows = (queries.len() - q.offset - (heads - 1) * q.batch - head_dim) / q.row + 1;
    let mut scores = Vec::new();
    for (head, scale) in scales.iter().enumerate() {
        for row in spread(rows, keep, image) {
            let query = &queries[q.offset + head * q.batch + row * q.row..][..head_dim];
            scores.extend((0..keys).map(|key| {
                let key = &key_rows[k.offset + head * k.batch + key * k.row..][..head_dim];
                scale * query.iter().zip(key).map(|(a, b)| a * b).sum::<f32>()
            }));
        }
    }
    scores
}

/// Shares of the largest score that are tried as the end of the int8 range.
const SHARES: [f32; 9] = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2];

/// The scale of int8 scores whose softmax is nearest to that of `scores`.
pub(super) fn score_scale(scores: &[f32], keys: usize) -> f64 {
    let largest = scores.iter().fold(0f32, |m, v| m.max(v.abs())).max(1e-6);
    let error = |share: f32| -> f64 {
        let scale = largest * share / 127.0;
        let rows = scores.chunks_exact(keys);
        rows.map(|row| {
            let rounded = row.iter().map(|v| (v / scale).round().clamp(-128.0, 127.0) * scale);
            softmax_error(row.iter().copied(), rounded)
        })
        .sum()
    };
    let best = SHARES.into_iter().min_by(|&a, &b| error(a).total_cmp(&error(b))).unwrap_or(1.0);
    f64::from(largest * best) / 127.0
}

/// Squared error of the softmax of `rounded` instead of `exact`.
pub(super) fn softmax_error(
    exact: impl Iterator<Item = f32> + Clone,
    rounded: impl Iterator<Item = f32> + Clone,
) -> f64 {
    softmax(exact).iter().zip(&softmax(rounded)).map(|(a, b)| math::square(a - b)).sum()
}

fn softmax(row: impl Iterator<Item = f32> + Clone) -> Vec<f64> {
    let max = row.clone().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = row.map(|v| math::exp(f64::from(v - max))).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|p| p / sum).collect()
}

/// Nodes that read `tensor` as queries, keys or values and nothing else reads it.
pub(super) fn only_attention(model: &Graph, readers: &[usize], tensor: TensorId) -> bool {
    !readers.is_empty()
        && readers.iter().all(|&reader| matches!(model.nodes[reader], Node::Attention { .. }))
        && model.outputs.iter().all(|output| output.tensor != tensor)
}
