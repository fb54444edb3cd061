//! Which integer types every activation is needed in, and which share a scale.
//!
//! The residual stream, and what LayerNorm reads, is int16; what products read is int8
//! (or int16 where escalated); logits are int32. An activation is made in the widest type
//! that its readers take and its maker can write, and requantized for the others.

use float::{Function, Graph, Node, TensorId};
use runtime::OutputKind;

use super::bits;
use super::layers::Layers;
use crate::graph::Width;

/// Integer types of every activation.
#[derive(Clone, Debug)]
pub(super) struct WidthPlan {
    /// The type each tensor is made in.
    pub primary: Vec<Width>,
    /// For each tensor, the first of those that share its scale.
    pub group: Vec<TensorId>,
    /// For each first tensor of a group: its int8 integers may have a zero point.
    pub asymmetric: Vec<bool>,
    /// What was decided for layers.
    pub layers: Layers,
}

impl WidthPlan {
    /// The type in which node `index` reads each of its inputs, in the order of `inputs()`.
    pub fn reads(&self, model: &Graph, index: usize) -> Vec<(TensorId, Width)> {
        let node = &model.nodes[index];
        let all = |width: Width| node.inputs().into_iter().map(|id| (id, width)).collect();
        match node {
            Node::Linear { x, .. } => {
                let decided = self.layers.reads.get(&index).copied();
                vec![(*x, bits::signs(model, *x).or(decided).unwrap_or(Width::I8))]
            }
            Node::BinaryAttention { .. } => all(Width::Sign),
            Node::Activate { function: Function::Sign, .. } => all(Width::I16),
            Node::Pixels { .. } | Node::Conv { .. } | Node::Attention { .. } => all(Width::I8),
            Node::Softmax { .. } | Node::Select { .. } => all(Width::I8),
            Node::Add { .. }
            | Node::AddConstant { .. }
            | Node::LayerNorm { .. }
            | Node::GroupNorm { .. }
            | Node::Affine { .. }
            | Node::Div { .. } => all(Width::I16),
            // What is averaged or turned and factors are read as they come.
            Node::Mean { x, .. } | Node::Rotary { x, .. } | Node::ResponseNorm { x, .. } => {
                vec![(*x, factor(self.primary[*x]))]
            }
            Node::Mul { x, y, .. } => [*x, *y].map(|id| (id, factor(self.primary[id]))).to_vec(),
            Node::MatMul { a, b, .. } => {
                let probabilities = makes_probabilities(model, a.tensor);
                let wide = if probabilities { Width::I16 } else { Width::I8 };
                vec![(a.tensor, wide), (b.tensor, Width::I8)]
            }
            Node::Activate { function: Function::Relu, out, .. } => all(self.primary[*out]),
            Node::Activate { out, .. } if self.primary[*out] == Width::I16 => all(Width::I16),
            Node::Activate { .. } => all(Width::I8),
            Node::Rows { out, .. }
            | Node::Permute { out, .. }
            | Node::Gather { out, .. }
            | Node::Concat { out, .. } => all(self.primary[*out]),
        }
    }
}

impl WidthPlan {
    /// Whether a layer was decided to read tensor `id` in int16.
    fn reads_wide(&self, model: &Graph, id: TensorId) -> bool {
        self.layers.reads.iter().any(|(&index, &width)| {
            width == Width::I16 && matches!(model.nodes[index], Node::Linear { x, .. } if x == id)
        })
    }
}

fn makes_probabilities(model: &Graph, tensor: TensorId) -> bool {
    model.nodes.iter().any(|node| matches!(node, Node::Softmax { out, .. } if *out == tensor))
}

/// Types wanted of a tensor.
#[derive(Clone, Copy, Debug, Default)]
struct Wanted {
    i8: bool,
    i16: bool,
    i32: bool,
}

impl Wanted {
    fn add(&mut self, width: Width) {
        match width {
            Width::I8 => self.i8 = true,
            Width::I16 => self.i16 = true,
            Width::I32 => self.i32 = true,
            // Signs are made as signs.
            Width::Sign | Width::Ternary => {}
        }
    }

    fn widest(self) -> Width {
        match self {
            Wanted { i32: true, .. } => Width::I32,
            Wanted { i16: true, .. } => Width::I16,
            _ => Width::I8,
        }
    }
}

/// Decides the types of all activations.
pub(super) fn plan(model: &Graph, layers: Layers) -> WidthPlan {
    let count = model.tensors.len();
    let mut plan = WidthPlan {
        primary: vec![Width::I8; count],
        group: (0..count).collect(),
        asymmetric: vec![true; count],
        layers,
    };
    let mut wanted = vec![Wanted::default(); count];
    let readers = model.readers();
    for output in &model.outputs {
        let width = match output.kind {
            OutputKind::Logits | OutputKind::Values => Width::I32,
            OutputKind::Embedding | OutputKind::Dense => Width::I16,
        };
        wanted[output.tensor].add(width);
    }
    for (index, node) in model.nodes.iter().enumerate().rev() {
        let out = node.output();
        let widest = bits::signs(model, out).unwrap_or_else(|| made(node, wanted[out]));
        plan.primary[out] = match node {
            Node::Activate { .. } if plan.reads_wide(model, out) => Width::I16,
            _ => widest,
        };
        for (id, width) in plan.reads(model, index) {
            wanted[id].add(width);
        }
        // What is only turned is rounded to int8 once, behind that.
        if let Node::Rotary { x, .. } = *node
            && readers[x].iter().all(|&reader| matches!(model.nodes[reader], Node::Rotary { .. }))
        {
            wanted[x].add(Width::I16);
        }
        // A product is as fine as its factors.
        if let Node::Mul { x, y, .. } = *node {
            for id in [x, y] {
                wanted[id].add(factor(plan.primary[out]));
            }
        }
    }
    for node in &model.nodes {
        if moves(node) {
            for x in node.inputs() {
                join(&mut plan.group, x, node.output());
            }
        }
    }
    for id in 0..count {
        plan.group[id] = first(&plan.group, id);
    }
    for id in 0..count {
        if !may_shift(model, &plan, id) {
            plan.asymmetric[plan.group[id]] = false;
        }
    }
    plan
}

/// The type of a factor that is made in `width`.
fn factor(width: Width) -> Width {
    match width {
        Width::I16 | Width::I32 => Width::I16,
        Width::I8 | Width::Sign | Width::Ternary => Width::I8,
    }
}

/// The widest wanted type that `node` can write.
fn made(node: &Node, wanted: Wanted) -> Width {
    let widest = wanted.widest();
    match node {
        Node::Linear { .. } | Node::Conv { .. } | Node::MatMul { .. } | Node::Mean { .. } => widest,
        Node::Affine { .. } => widest,
        Node::Add { .. } | Node::AddConstant { .. } | Node::BinaryAttention { .. } => Width::I16,
        Node::Pixels { .. } | Node::Attention { .. } => Width::I8,
        Node::Activate { function: Function::Relu, .. } if widest != Width::I8 => Width::I16,
        Node::Activate { function, .. } if function.is_steep() => Width::I16,
        Node::Activate { .. } | Node::Select { .. } => Width::I8,
        Node::ResponseNorm { .. } => Width::I16,
        // Probabilities of int8 would be too coarse: 2⁻⁷ a step.
        Node::Softmax { .. } => Width::I16,
        Node::LayerNorm { .. }
        | Node::GroupNorm { .. }
        | Node::Mul { .. }
        | Node::Rotary { .. }
        | Node::Div { .. }
        | Node::Rows { .. }
        | Node::Permute { .. }
        | Node::Gather { .. }
        | Node::Concat { .. } => match widest {
            Width::I32 => Width::I16,
            narrow => narrow,
        },
    }
}

/// Whether `node` only moves values, so that both sides have one scale.
fn moves(node: &Node) -> bool {
    match node {
        Node::Rows { .. } | Node::Permute { .. } | Node::Gather { .. } | Node::Concat { .. } => true,
        Node::Activate { function, .. } => *function == Function::Relu,
        Node::Pixels { .. }
        | Node::Conv { .. }
        | Node::Linear { .. }
        | Node::Affine { .. }
        | Node::LayerNorm { .. }
        | Node::GroupNorm { .. }
        | Node::Add { .. }
        | Node::Mul { .. }
        | Node::Div { .. }
        | Node::AddConstant { .. }
        | Node::Softmax { .. }
        | Node::Select { .. }
        | Node::MatMul { .. }
        | Node::Attention { .. }
        | Node::BinaryAttention { .. }
        | Node::Rotary { .. }
        | Node::Mean { .. }
        | Node::ResponseNorm { .. } => false,
    }
}

fn first(group: &[TensorId], mut id: TensorId) -> TensorId {
    while group[id] != id {
        id = group[id];
    }
    id
}

fn join(group: &mut [TensorId], a: TensorId, b: TensorId) {
    let (a, b) = (first(group, a), first(group, b));
    group[a.max(b)] = a.min(b);
}

/// Whether the int8 integers of `id` may have a zero point: everyone who makes or reads
/// them can take it into a bias or a table.
fn may_shift(model: &Graph, plan: &WidthPlan, id: TensorId) -> bool {
    if model.outputs.iter().any(|output| output.tensor == id) {
        return false;
    }
    let narrow = plan.primary[id] == Width::I8;
    for (index, node) in model.nodes.iter().enumerate() {
        if node.output() == id && narrow && !writes_shifted(node) {
            return false;
        }
        let reads = plan.reads(model, index).contains(&(id, Width::I8));
        if reads && !reads_shifted(node) {
            return false;
        }
    }
    true
}

fn writes_shifted(node: &Node) -> bool {
    match node {
        Node::Linear { .. }
        | Node::Conv { .. }
        | Node::LayerNorm { .. }
        | Node::GroupNorm { .. }
        | Node::Pixels { .. }
        | Node::Affine { .. }
        | Node::Activate { .. } => true,
        Node::Rows { .. } | Node::Permute { .. } | Node::Gather { .. } | Node::Concat { .. } => true,
        Node::Add { .. }
        | Node::Mul { .. }
        | Node::Div { .. }
        | Node::AddConstant { .. }
        | Node::Softmax { .. }
        | Node::Select { .. }
        | Node::MatMul { .. }
        | Node::Attention { .. }
        | Node::BinaryAttention { .. }
        | Node::Rotary { .. }
        | Node::Mean { .. }
        | Node::ResponseNorm { .. } => false,
    }
}

fn reads_shifted(node: &Node) -> bool {
    match node {
        // A softmax reads differences.
        Node::Linear { .. } | Node::Activate { .. } | Node::Softmax { .. } => true,
        Node::Conv { geometry, .. } => geometry.is_unpadded(),
        Node::Rows { .. } | Node::Permute { .. } | Node::Gather { .. } | Node::Concat { .. } => true,
        Node::Pixels { .. }
        | Node::Affine { .. }
        | Node::LayerNorm { .. }
        | Node::GroupNorm { .. }
        | Node::Add { .. }
        | Node::Mul { .. }
        | Node::Div { .. }
        | Node::AddConstant { .. }
        | Node::Select { .. }
        | Node::MatMul { .. }
        | Node::Attention { .. }
        | Node::BinaryAttention { .. }
        | Node::Rotary { .. }
        | Node::Mean { .. }
        | Node::ResponseNorm { .. } => false,
    }
}
