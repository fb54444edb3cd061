//! One checked node on values.

use super::product::Size;
use super::rows::Strides;
use super::{conv, dense, movement, rows};
use crate::graph::{Node, Tensor};

/// Appends the output of `node` to the empty `out`. `inputs` are in the order of
/// [`Node::inputs`]; `scratch` is any buffer.
pub(super) fn evaluate(
    tensors: &[Tensor],
    node: &Node,
    inputs: &[&[f32]],
    out: &mut Vec<f32>,
    scratch: &mut Vec<f32>,
) {
    let x = inputs.first().copied().unwrap_or_default();
    let made = &tensors[node.output()];
    match node {
        Node::Pixels { mean, std, .. } => rows::pixels(x, mean, std, out),
        Node::Conv { geometry, dense, .. } => conv::conv(geometry, dense, x, out, scratch),
        Node::Linear { dense, .. } => dense::linear_into(dense, x, out),
        Node::Affine { scale, offset, .. } => rows::affine(x, scale, offset, out),
        Node::LayerNorm { gamma, beta, eps, centred, .. } => {
            rows::layer_norm(x, gamma, beta, *eps, *centred, out);
        }
        Node::GroupNorm { groups, gamma, beta, eps, .. } => {
            rows::group_norm(x, *groups, (gamma, beta), *eps, out);
        }
        Node::Activate { function, .. } => {
            out.extend(x.iter().map(|&v| function.apply(v.into()) as f32));
        }
        Node::Add { .. } => out.extend(x.iter().zip(inputs[1]).map(|(a, b)| a + b)),
        Node::Mul { y, .. } => {
            rows::paired(x, (inputs[1], tensors[*y].rows), made.width, |x, y| x * y, out);
        }
        Node::Div { y, .. } => {
            rows::paired(x, (inputs[1], tensors[*y].rows), made.width, |x, y| x / y, out);
        }
        Node::ResponseNorm { eps, .. } => rows::response_norm(x, made.width, *eps, out),
        Node::AddConstant { values, .. } => out.extend(x.iter().zip(values).map(|(a, b)| a + b)),
        Node::Softmax { width, .. } => {
            out.extend_from_slice(x);
            out.chunks_exact_mut(*width).for_each(rows::softmax);
        }
        Node::Select { width, ratio, .. } => {
            out.extend_from_slice(x);
            out.chunks_exact_mut(*width).for_each(|row| rows::select(row, *ratio));
        }
        Node::MatMul { a, b, transpose_b, out: to, m, n, k, scales, .. } => {
            let size = Size { m: *m, n: *n, k: *k };
            let product = dense::Product { size, scales };
            out.resize(made.len(), 0.0);
            product.run((x, a), (inputs[1], b, *transpose_b), (out, to));
        }
        Node::Attention { q, k, v, keys, heads, head_dim, scales, .. } => {
            let shape = dense::Heads { queries: made.rows, keys: *keys, heads: *heads, width: *head_dim };
            out.resize(made.len(), 0.0);
            shape.run((x, q), (inputs[1], k), (inputs[2], v), scales, out, scratch, rows::softmax);
        }
        Node::BinaryAttention { q, k, v, keys, heads, head_dim, scales, ratio, .. } => {
            let shape = dense::Heads { queries: made.rows, keys: *keys, heads: *heads, width: *head_dim };
            out.resize(made.len(), 0.0);
            let attended = |row: &mut [f32]| {
                rows::softmax(row);
                rows::select(row, *ratio);
            };
            shape.run((x, q), (inputs[1], k), (inputs[2], v), scales, out, scratch, attended);
        }
        Node::Mean { .. } => rows::mean(x, made.width, out),
        Node::Rows { start, .. } => {
            out.extend_from_slice(&x[start * made.width..][..made.len()]);
        }
        Node::Permute { offset, shape, strides, .. } => movement::permute(x, *offset, *shape, *strides, out),
        Node::Gather { rows, .. } => movement::gather(x, rows, made.width, out),
        Node::Rotary { x: from, offset, head_dim, pairs, angles, .. } => {
            let rows = Strides { offset: *offset, stride: tensors[*from].width, width: made.width };
            rows::rotary(x, rows, *pairs, *head_dim, angles, out);
        }
        Node::Concat { parts, .. } => movement::concat(parts, inputs, out),
    }
}
