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

/// `MultiHeadAttention`: queries, keys and values side by side, with a packed bias, or packed into
/// one or two operands, or keys and values apart by head.
pub(super) fn separate(node: &Reader, model: &mut Model, transposes: &Transposes) -> Option<Vec<Node>> {
    let heads = node.int("num_heads", 0);
    let others = (4..node.count()).filter(|&at| at != BIAS).any(|at| node.input(at).is_some());
    if node.int("unidirectional", 0) != 0 || others {
        return None;
    }
    let operands = [node.input(0), node.input(1), node.input(2)];
    let [Some(q), Some(k), Some(v)] = operands else {
        return interleaved(node, model, operands);
    };
    let mut parts = Vec::new();
    let mut names = [q, k, v].map(String::from);
    // Of a transpose, keys and values are apart by head already, with four dimensions.
    let apart = names.iter().any(|name| transposes.contains_key(name));
    if let Some(bias) = node.input(3) {
        let values = model.constant(bias)?.f32s()?.to_vec();
        let width = values.len() / 3;
        if width == 0 || values.len() != 3 * width || apart {
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

/// Attention whose values, or whose keys and values too, are in another operand: image, row,
/// head, operand, channel.
fn interleaved(node: &Reader, model: &mut Model, operands: [Option<&str>; 3]) -> Option<Vec<Node>> {
    let (packed, count) = match operands {
        [Some(all), None, None] => (all, 3),
        [Some(_), Some(keys_values), None] => (keys_values, 2),
        _ => return None,
    };
    if node.input(3).is_some() {
        return None;
    }
    let (axis, width) = (inside(node, "axis"), inside(node, "width"));
    model.constants.insert(axis.clone(), Array::vector(vec![3_i64]));
    model.constants.insert(width.clone(), Array::vector(vec![0_i64, 0, -1]));
    let names: Vec<String> = ["q", "k", "v"][3 - count..].iter().map(|part| inside(node, part)).collect();
    let pieces: Vec<String> = names.iter().map(|name| format!("{name}_operand")).collect();
    let mut split = like(node, "Split", vec![packed.into()], &pieces[0]).with("axis", Attribute::Int(3));
    if model.opset >= 18 {
        split = split.with("num_outputs", Attribute::Int(count as i64));
    }
    split.outputs.clone_from(&pieces);
    let mut parts = vec![split];
    for (piece, name) in pieces.into_iter().zip(&names) {
        let heads = format!("{name}_heads");
        parts.push(like(node, "Squeeze", vec![piece, axis.clone()], &heads));
        parts.push(like(node, "Reshape", vec![heads, width.clone()], name));
    }
    let mut names = names.into_iter();
    let q = if count == 3 { names.next()? } else { operands[0]?.into() };
    attend(node, [q, names.next()?, names.next()?], node.input(BIAS), node.int("num_heads", 0), parts)
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
