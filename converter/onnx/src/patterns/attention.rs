//! Takes the fused attention of ONNX Runtime (`com.microsoft`) apart.
//!
//! Only what vision transformers need: no masks but what is added to the scores, no caches, no
//! rotation, three-dimensional operands.

use super::parts::{Transposes, inside, like};
use crate::model::{Array, Attribute, Model, Node};
use crate::reader::Reader;

/// The input that is added to the scores.
const BIAS: usize = 5;

/// `Attention`: queries, keys and values of one product with packed weights.
pub(super) fn packed(node: &Reader, model: &mut Model) -> Option<Vec<Node>> {
    let &[_, columns] = model.constant(node.input(1)?)?.shape.as_slice() else { return None };
    let flags = ["unidirectional", "do_rotary"].map(|flag| node.int(flag, 0));
    let plain = flags == [0, 0] && node.ints("qkv_hidden_sizes").is_none();
    let heads = node.int("num_heads", 0);
    let others = (3..node.count()).filter(|&at| at != BIAS).any(|at| node.input(at).is_some());
    if !plain || others || columns % 3 != 0 {
        return None;
    }
    let product = inside(node, "qkv_product");
    let mut parts = vec![like(node, "MatMul", vec![node.input(0)?.into(), node.input(1)?.into()], &product)];
    let mut joined = product;
    if let Some(bias) = node.input(2) {
        let sum = inside(node, "qkv");
        parts.push(like(node, "Add", vec![joined, bias.into()], &sum));
        joined = sum;
    }
    let names = ["q", "k", "v"].map(|part| inside(node, part));
    let mut split = like(node, "Split", vec![joined], &names[0]);
    split = split.with("axis", Attribute::Int(-1));
    if model.opset >= 18 {
        split = split.with("num_outputs", Attribute::Int(3));
    }
    split.outputs = names.to_vec();
    parts.push(split);
    attend(node, names, node.input(BIAS), heads, parts)
}

/// `MultiHeadAttention`: queries, keys and values side by side, with a packed bias.
pub(super) fn separate(node: &Reader, model: &mut Model, transposes: &Transposes) -> Option<Vec<Node>> {
    let heads = node.int("num_heads", 0);
    let others = (4..node.count()).filter(|&at| at != BIAS).any(|at| node.input(at).is_some());
    if node.int("unidirectional", 0) != 0 || others {
        return None;
    }
    let mut parts = Vec::new();
    let mut names = [node.input(0)?, node.input(1)?, node.input(2)?].map(String::from);
    // Keys and values of a transpose are apart by head already, with four dimensions.
    if names.iter().any(|name| transposes.contains_key(name)) {
        return None;
    }
    if let Some(bias) = node.input(3) {
        let values = model.constant(bias)?.f32s()?.to_vec();
        let width = values.len() / 3;
        if width == 0 || values.len() != 3 * width {
            return None;
        }
        for ((name, part), values) in names.iter_mut().zip(["q", "k", "v"]).zip(values.chunks_exact(width)) {
            let (bias, sum) = (inside(node, &format!("{part}_bias")), inside(node, part));
            model.constants.insert(bias.clone(), Array::vector(values.to_vec()));
            parts.push(like(node, "Add", vec![name.clone(), bias], &sum));
            *name = sum;
        }
    }
    attend(node, names, node.input(BIAS), heads, parts)
}

/// Attention of each head, as ONNX's own operator, appended to `parts`.
fn attend(
    node: &Reader,
    operands: [String; 3],
    bias: Option<&str>,
    heads: i64,
    mut parts: Vec<Node>,
) -> Option<Vec<Node>> {
    let mut attention = like(node, "Attention", operands.into(), node.output());
    attention.inputs.extend(bias.map(String::from));
    for name in ["q_num_heads", "kv_num_heads"] {
        attention = attention.with(name, Attribute::Int(heads));
    }
    let scale = node.float("scale", 0.0);
    if scale != 0.0 {
        attention = attention.with("scale", Attribute::Float(scale));
    }
    parts.push(attention);
    (heads > 0 && scale >= 0.0).then_some(parts)
}
