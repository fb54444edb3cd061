//! Takes the fused attention of ONNX Runtime (`com.microsoft`) apart.
//!
//! Only what vision transformers need: no masks, no caches, no rotation, three-dimensional
//! operands.

use super::parts::{Transposes, inside, like};
use crate::model::{Array, Attribute, Model, Node};
use crate::reader::Reader;

/// `Attention`: queries, keys and values of one product with packed weights.
pub(super) fn packed(node: &Reader, model: &mut Model) -> Option<Vec<Node>> {
    let &[_, columns] = model.constant(node.input(1)?)?.shape.as_slice() else { return None };
    let flags = ["unidirectional", "do_rotary"].map(|flag| node.int(flag, 0));
    let plain = flags == [0, 0] && node.ints("qkv_hidden_sizes").is_none();
    let heads = node.int("num_heads", 0);
    if !plain || (3..node.count()).any(|at| node.input(at).is_some()) || columns % 3 != 0 {
        return None;
    }
    let scale = scale(node, columns / 3, heads)?;
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
    attend(node, model, names, heads, scale, parts)
}

/// `MultiHeadAttention`: queries, keys and values side by side, with a packed bias.
pub(super) fn separate(node: &Reader, model: &mut Model, transposes: &Transposes) -> Option<Vec<Node>> {
    let heads = node.int("num_heads", 0);
    if node.int("unidirectional", 0) != 0 || (4..node.count()).any(|at| node.input(at).is_some()) {
        return None;
    }
    let bias = match node.input(3) {
        Some(name) => Some(model.constant(name)?.clone()),
        None => None,
    };
    // Without a bias the width is not known here, and with it the usual scale.
    let width = bias.as_ref().map_or(0, |bias| bias.len() / 3);
    let scale = scale(node, width, heads)?;
    let mut parts = Vec::new();
    let mut names = [node.input(0)?, node.input(1)?, node.input(2)?].map(String::from);
    // Keys and values of a transpose are apart by head already, with four dimensions.
    if names.iter().any(|name| transposes.contains_key(name)) {
        return None;
    }
    if let Some(values) = bias.as_ref().map(|bias| bias.f32s().filter(|values| values.len() == 3 * width)) {
        for ((name, part), values) in
            names.iter_mut().zip(["q", "k", "v"]).zip(values?.chunks_exact(width.max(1)))
        {
            let (bias, sum) = (inside(node, &format!("{part}_bias")), inside(node, part));
            model.constants.insert(bias.clone(), Array::vector(values.to_vec()));
            parts.push(like(node, "Add", vec![name.clone(), bias], &sum));
            *name = sum;
        }
    }
    attend(node, model, names, heads, scale, parts)
}

/// The factor of the scores; none unless it is stated or follows from the width.
fn scale(node: &Reader, width: usize, heads: i64) -> Option<f32> {
    let heads = usize::try_from(heads).ok().filter(|&heads| heads > 0)?;
    match node.float("scale", 0.0) {
        0.0 if width > 0 && width.is_multiple_of(heads) => Some(((width / heads) as f32).sqrt().recip()),
        scale => (scale > 0.0).then_some(scale),
    }
}

/// `softmax(scale · Q·Kᵀ) · V` of each head, appended to `parts`.
fn attend(
    node: &Reader,
    model: &mut Model,
    operands: [String; 3],
    heads: i64,
    scale: f32,
    mut parts: Vec<Node>,
) -> Option<Vec<Node>> {
    let shape = |name: &str, dims: Vec<i64>, model: &mut Model| {
        let name = inside(node, name);
        model.constants.insert(name.clone(), Array::vector(dims));
        name
    };
    let apart = shape("heads", vec![0, 0, heads, -1], model);
    let together = shape("width", vec![0, 0, -1], model);
    let factor = inside(node, "scale");
    model.constants.insert(factor.clone(), Array::scalar(scale));
    let mut by_head = Vec::new();
    let perms = [[0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]];
    for (name, perm) in operands.into_iter().zip(perms) {
        let at = by_head.len();
        let (split, turned) = (inside(node, &format!("heads_{at}")), inside(node, &format!("turned_{at}")));
        parts.push(like(node, "Reshape", vec![name, apart.clone()], &split));
        parts
            .push(like(node, "Transpose", vec![split], &turned).with("perm", Attribute::Ints(perm.to_vec())));
        by_head.push(turned);
    }
    let value = by_head.pop()?;
    let [products, scores, weights, mixed, turned] =
        ["products", "scores", "weights", "mixed", "turned"].map(|part| inside(node, part));
    parts.push(like(node, "MatMul", by_head, &products));
    parts.push(like(node, "Mul", vec![products, factor], &scores));
    parts.push(like(node, "Softmax", vec![scores], &weights).with("axis", Attribute::Int(-1)));
    parts.push(like(node, "MatMul", vec![weights, value], &mixed));
    let back = Attribute::Ints(vec![0, 2, 1, 3]);
    parts.push(like(node, "Transpose", vec![mixed], &turned).with("perm", back));
    parts.push(like(node, "Reshape", vec![turned, together], node.output()));
    Some(parts)
}
