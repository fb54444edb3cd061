//! Takes the fused nodes of ONNX Runtime (`com.microsoft`) apart into ONNX's own.
//!
//! A node in a form that is not known here stays for the walk to refuse, or to import.

use super::attention;
use super::parts::{Transposes, inside, like};
use crate::error::OnnxError;
use crate::model::{Array, Attribute, Model, Node};
use crate::reader::{Ignored, Reader};

/// What replaces a fused node; none in a form that is not known.
type Parts = fn(&Reader, &mut Model, &Transposes) -> Option<Vec<Node>>;

/// An operator of `com.microsoft` that is taken apart.
pub(crate) struct Fused {
    /// Its name.
    pub(crate) name: &'static str,
    parts: Parts,
    /// What of it is taken apart.
    pub(crate) accepts: &'static str,
    /// Attributes that its result does not depend on.
    pub(crate) ignored: &'static [Ignored],
}

impl Fused {
    /// The same with attributes that its result does not depend on.
    const fn ignoring(self, ignored: &'static [Ignored]) -> Self {
        Self { ignored, ..self }
    }
}

const fn fused(name: &'static str, parts: Parts, accepts: &'static str) -> Fused {
    Fused { name, parts, accepts, ignored: &[] }
}

const MASKED: Ignored = Ignored::new("mask_filter_value", "masks are refused");

/// The operators that are taken apart.
pub(crate) const OPS: &[Fused] = &[
    fused(
        "Attention",
        |node, model, _| attention::packed(node, model),
        "packed weights, with a constant bias of the scores or none; no mask, past keys or rotation; all heads of one size",
    )
    .ignoring(&[
        MASKED,
        Ignored::new("past_present_share_buffer", "past keys are refused"),
        Ignored::new("rotary_embedding_dim", "rotation is refused"),
    ]),
    fused("BiasGelu", |node, _, _| gelu(node, "none"), "all of it"),
    fused("FastGelu", |node, _, _| gelu(node, "tanh"), "all of it"),
    fused("FusedMatMul", matmul, "either side transposed, times `alpha`; no transposed batches"),
    fused("Gelu", |node, _, _| gelu(node, "none"), "all of it"),
    fused("LayerNormalization", |node, _, _| Some(own(node)), "as ONNX's own"),
    fused(
        "MultiHeadAttention",
        attention::separate,
        "operands of three dimensions with a constant bias or none, or packed into one or two, or keys and values by head; a \
         constant bias of the scores or none; no mask, past keys or rotation",
    )
    .ignoring(&[MASKED]),
    fused("QuickGelu", |node, _, _| quick_gelu(node), "factors of 1 and 1.702"),
    fused(
        "RotaryEmbedding",
        |node, _, _| rotary(node),
        "constant cosines, sines and positions; all channels of a head, `scale` of 1",
    ),
    fused(
        "SkipLayerNormalization",
        |node, _, _| skip_norm(node, true),
        "of a sum, which may be an output too; mean and deviation may not",
    ),
    fused(
        "SkipSimplifiedLayerNormalization",
        |node, _, _| skip_norm(node, false),
        "`RMSNormalization` of a sum, which may be an output too; mean and deviation may not",
    ),
    fused("TransposeMatMul", matmul, "as `FusedMatMul`, where the rank of the transposed side is known"),
];

/// Replaces the nodes of `com.microsoft` that are known.
///
/// # Errors
///
/// [`OnnxError::Unsupported`] for an attribute or input of one that is not read.
pub(super) fn expand(model: &mut Model) -> Result<(), OnnxError> {
    let mut transposes = Transposes::new();
    for node in std::mem::take(&mut model.nodes) {
        if let (true, Some(source), Some(perm)) = (node.is("Transpose"), node.input(0), node.ints("perm")) {
            transposes.insert(node.output().into(), (source.into(), perm.to_vec()));
        }
        let row = OPS.iter().find(|row| node.domain == "com.microsoft" && node.op == row.name);
        let reader = Reader::new(&node);
        match row.and_then(|row| Some((row, (row.parts)(&reader, model, &transposes)?))) {
            Some((row, parts)) => {
                reader.check(row.ignored)?;
                model
                    .nodes
                    .extend(parts.into_iter().map(|part| Node { guards: node.guards.clone(), ..part }));
            }
            None => model.nodes.push(node),
        }
    }
    Ok(())
}

/// The same node of ONNX's own operator set.
fn own(node: &Reader) -> Vec<Node> {
    vec![Node { domain: String::new(), ..node.pass_on() }]
}

fn quick_gelu(node: &Reader) -> Option<Vec<Node>> {
    let op = match node.float("alpha", 1.702) {
        1.702 => "QuickGelu",
        1.0 => "Silu",
        _ => return None,
    };
    Some(vec![like(node, op, vec![node.input(0)?.into()], node.output())])
}

/// ONNX's own, which has the positions last.
fn rotary(node: &Reader) -> Option<Vec<Node>> {
    if node.int("is_packed_batching", 0) != 0 || node.float("scale", 1.0) != 1.0 {
        return None;
    }
    let inputs = [0, 2, 3, 1].map(|at| node.input(at).map(String::from));
    let inputs = inputs.into_iter().collect::<Option<Vec<String>>>()?;
    let turned = like(node, "RotaryEmbedding", inputs, node.output());
    let copied = |turned: Node, name| turned.with(name, Attribute::Int(node.int(name, 0)));
    let names = ["interleaved", "num_heads", "rotary_embedding_dim"];
    Some(vec![names.into_iter().fold(turned, copied)])
}

/// GELU after a bias, if there is one.
fn gelu(node: &Reader, approximate: &str) -> Option<Vec<Node>> {
    let mut parts = Vec::new();
    let mut x = node.input(0)?.to_string();
    if let Some(bias) = node.input(1) {
        let sum = inside(node, "sum");
        parts.push(like(node, "Add", vec![x, bias.into()], &sum));
        x = sum;
    }
    let gelu = like(node, "Gelu", vec![x], node.output());
    parts.push(gelu.with("approximate", Attribute::String(approximate.into())));
    Some(parts)
}

/// LayerNorm, or RMSNorm where it is not `centred`, of a sum of two or three; the sum may be an
/// output too.
fn skip_norm(node: &Reader, centred: bool) -> Option<Vec<Node>> {
    let wanted = |index: usize| node.outputs.get(index).filter(|name| !name.is_empty());
    if wanted(1).or(wanted(2)).is_some() {
        return None;
    }
    let sum = wanted(3).cloned().unwrap_or_else(|| inside(node, "sum"));
    let (x, skip) = (node.input(0)?.to_string(), node.input(1)?.to_string());
    let mut parts = Vec::new();
    match node.input(if centred { 4 } else { 3 }) {
        None => parts.push(like(node, "Add", vec![x, skip], &sum)),
        Some(bias) => {
            let biased = inside(node, "biased");
            parts.push(like(node, "Add", vec![x, bias.into()], &biased));
            parts.push(like(node, "Add", vec![biased, skip], &sum));
        }
    }
    let mut inputs = vec![sum, node.input(2)?.to_string()];
    inputs.extend(node.input(3).filter(|_| centred).map(String::from));
    let op = if centred { "LayerNormalization" } else { "RMSNormalization" };
    let norm = like(node, op, inputs, node.output());
    let epsilon = Attribute::Float(node.float("epsilon", 1e-12));
    parts.push(norm.with("axis", Attribute::Int(-1)).with("epsilon", epsilon));
    Some(parts)
}

/// `alpha · A·B` with either transposed, where the rank of the transposed one is known.
fn matmul(node: &Reader, model: &mut Model, transposes: &Transposes) -> Option<Vec<Node>> {
    let batches = ["transBatchA", "transBatchB"].map(|flag| node.int(flag, 0));
    if batches != [0, 0] {
        return None;
    }
    let mut parts = Vec::new();
    let mut operands = Vec::new();
    for (index, flag) in ["transA", "transB"].into_iter().enumerate() {
        let operand = node.input(index)?;
        if node.int(flag, 0) == 0 {
            operands.push(operand.to_string());
            continue;
        }
        let turned = inside(node, flag);
        let (source, perm) = swapped(operand, model, transposes)?;
        parts.push(like(node, "Transpose", vec![source], &turned).with("perm", Attribute::Ints(perm)));
        operands.push(turned);
    }
    let alpha = node.float("alpha", 1.0);
    if alpha == 1.0 {
        parts.push(like(node, "MatMul", operands, node.output()));
        return Some(parts);
    }
    let (product, factor) = (inside(node, "product"), inside(node, "alpha"));
    parts.push(like(node, "MatMul", operands, &product));
    parts.push(like(node, "Mul", vec![product, factor.clone()], node.output()));
    model.constants.insert(factor, Array::scalar(alpha));
    Some(parts)
}

/// What to transpose, and how, to swap the last two dimensions of `value`.
fn swapped(value: &str, model: &Model, transposes: &Transposes) -> Option<(String, Vec<i64>)> {
    let (source, mut perm) = match model.constant(value) {
        Some(array) => (value.to_string(), (0..array.rank() as i64).collect()),
        None => transposes.get(value)?.clone(),
    };
    let [.., row, column] = perm.as_mut_slice() else { return None };
    std::mem::swap(row, column);
    Some((source, perm))
}
