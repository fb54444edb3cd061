//! Changes of one node, one constant or the input of a model.

use onnx::Model;
use onnx::model::{Array, Attribute, Data, Node};

/// Operators of one computed input.
const UNARY: &[&str] = &[
    "Clip",
    "Elu",
    "Flatten",
    "Gelu",
    "GlobalAveragePool",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "Neg",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceSum",
    "Relu",
    "Sigmoid",
    "Silu",
    "Softmax",
    "Sqrt",
    "Squeeze",
    "Swish",
    "Tanh",
    "Transpose",
    "Abs",
    "Erf",
    "Exp",
    "Shape",
    "Size",
    "Dropout",
    "IsNaN",
];

/// Operators of two inputs.
const BINARY: &[&str] = &[
    "Add",
    "Concat",
    "Conv",
    "ConvTranspose",
    "Div",
    "Expand",
    "Gather",
    "Gemm",
    "MatMul",
    "Max",
    "Min",
    "Mul",
    "Pad",
    "Pow",
    "Reshape",
    "Sub",
    "Tile",
    "Unsqueeze",
    "CastLike",
    "GatherND",
];

/// Attributes of any operator.
const NAMES: &[&str] = &[
    "allowzero",
    "alpha",
    "approximate",
    "auto_pad",
    "axes",
    "axis",
    "batch_dims",
    "beta",
    "blocksize",
    "ceil_mode",
    "coordinate_transformation_mode",
    "count_include_pad",
    "dilations",
    "epsilon",
    "equation",
    "group",
    "is_causal",
    "keepdims",
    "kernel_shape",
    "kv_num_heads",
    "mode",
    "noop_with_empty_axes",
    "num_outputs",
    "pads",
    "perm",
    "q_num_heads",
    "scale",
    "softcap",
    "strides",
    "to",
    "transA",
    "transB",
];

const INTS: &[i64] = &[0, 1, -1, 2, 3, -2, 4, 8, 16, 5, -3, 64, 1 << 40, i64::MAX, i64::MIN];
const FLOATS: &[f32] = &[
    0.0,
    1.0,
    -1.0,
    0.5,
    2.0,
    1e-3,
    100.0,
    -100.0,
    -1e4,
    -1e9,
    f32::MIN,
    f32::NEG_INFINITY,
    f32::INFINITY,
    f32::NAN,
    1e-30,
];
const TEXTS: &[&str] = &[
    "tanh",
    "none",
    "CRD",
    "DCR",
    "SAME_UPPER",
    "VALID",
    "linear",
    "nearest",
    "asymmetric",
    "align_corners",
    "reflect",
    "bij->bji",
];

/// Numbers of a change.
struct Step<'a>(&'a [u8; 4]);

impl Step<'_> {
    fn pick<'t, T>(&self, at: usize, from: &'t [T]) -> Option<&'t T> {
        from.get(usize::from(self.0[at]) % from.len().max(1))
    }

    fn index(&self, at: usize, len: usize) -> usize {
        usize::from(self.0[at]) % len.max(1)
    }
}

/// `model`, changed by each four of `bytes`.
pub(super) fn mutate(model: &mut Model, bytes: &[u8]) {
    for bytes in bytes.as_chunks().0 {
        let step = Step(bytes);
        let at = step.index(1, model.nodes.len());
        match bytes[0] % 10 {
            0 => swap_op(&mut model.nodes[at], &step),
            1 => change_attribute(&mut model.nodes[at], &step),
            2 => change_constant(model, &step),
            3 => change_shape(model, &step),
            4 => drop_input(&mut model.nodes[at], &step),
            5 => rewire(model, at, &step),
            6 => insert(model, at, &step),
            7 => resize_input(model, &step),
            8 => model.nodes[at].inputs.reverse(),
            _ => remove_attribute(&mut model.nodes[at], &step),
        }
    }
}

fn swap_op(node: &mut Node, step: &Step) {
    let ops = if node.inputs.len() == 1 { UNARY } else { BINARY };
    if let Some(op) = step.pick(2, ops) {
        (node.op, node.domain) = ((*op).into(), String::new());
    }
}

fn change_attribute(node: &mut Node, step: &Step) {
    let mut names: Vec<String> = node.attributes.keys().cloned().collect();
    names.sort_unstable();
    // One that it has, or any.
    let own = step.pick(2, &names).filter(|_| !step.0[3].is_multiple_of(4)).cloned();
    let Some(name) = own.or_else(|| step.pick(2, NAMES).map(|name| (*name).into())) else { return };
    let int = step.pick(3, INTS).copied().unwrap_or_default();
    let value = match node.attributes.get(&name) {
        Some(Attribute::Ints(list)) => {
            let mut list = list.clone();
            let at = step.index(3, list.len());
            match (step.0[3] / 16 % 4, list.get_mut(at)) {
                (0, _) => list.push(int),
                (1, Some(_)) => drop(list.remove(at)),
                (2, Some(_)) => list.reverse(),
                (_, Some(value)) => *value = int,
                (_, None) => {}
            }
            Attribute::Ints(list)
        }
        Some(Attribute::Float(_)) => Attribute::Float(step.pick(3, FLOATS).copied().unwrap_or_default()),
        Some(Attribute::String(_)) => Attribute::String(step.pick(3, TEXTS).map_or("", |text| text).into()),
        Some(Attribute::Int(_)) => Attribute::Int(int),
        _ => match step.0[3] % 4 {
            0 => Attribute::Float(step.pick(3, FLOATS).copied().unwrap_or_default()),
            1 => Attribute::Ints(vec![int; 1 + step.index(3, 4)]),
            2 => Attribute::String(step.pick(3, TEXTS).map_or("", |text| text).into()),
            _ => Attribute::Int(int),
        },
    };
    node.attributes.insert(name, value);
}

fn remove_attribute(node: &mut Node, step: &Step) {
    let mut names: Vec<String> = node.attributes.keys().cloned().collect();
    names.sort_unstable();
    if let Some(name) = step.pick(2, &names) {
        node.attributes.remove(name);
    }
}

fn constant_name(model: &Model, step: &Step) -> Option<String> {
    let mut names: Vec<&String> = model.constants.keys().collect();
    names.sort_unstable();
    step.pick(1, &names).map(|name| (*name).clone())
}

/// Another value of one element, or of all.
fn change_constant(model: &mut Model, step: &Step) {
    let Some(name) = constant_name(model, step) else { return };
    let Some(array) = model.constants.get_mut(&name) else { return };
    let all = step.0[3].is_multiple_of(4);
    let at = step.index(3, array.len());
    fn put<T: Copy>(values: &[T], at: usize, all: bool, value: T) -> Vec<T> {
        let place = |(index, &old): (usize, &T)| if all || index == at { value } else { old };
        values.iter().enumerate().map(place).collect()
    }
    let data = match &array.data {
        Data::F32(values) => put(values, at, all, step.pick(2, FLOATS).copied().unwrap_or_default()).into(),
        Data::I64(values) => put(values, at, all, step.pick(2, INTS).copied().unwrap_or_default()).into(),
        Data::Bool(values) => put(values, at, all, step.0[2].is_multiple_of(2)).into(),
    };
    array.data = data;
}

/// Another shape for the same elements.
fn change_shape(model: &mut Model, step: &Step) {
    let Some(name) = constant_name(model, step) else { return };
    let Some(array) = model.constants.get_mut(&name) else { return };
    let mut shape = array.shape.clone();
    let at = step.index(3, shape.len());
    match step.0[2] % 5 {
        0 => shape.reverse(),
        1 => shape.insert(0, 1),
        2 => shape.push(1),
        3 => shape.retain(|&dim| dim != 1),
        _ if at + 1 < shape.len() => {
            let joined = shape[at] * shape.remove(at + 1);
            shape[at] = joined;
        }
        _ => {}
    }
    *array = array.reshape(shape).unwrap_or_else(|| array.clone());
}

fn drop_input(node: &mut Node, step: &Step) {
    let at = step.index(2, node.inputs.len());
    match node.inputs.get_mut(at) {
        Some(input) if step.0[3].is_multiple_of(2) => input.clear(),
        Some(_) => drop(node.inputs.remove(at)),
        None => {}
    }
}

/// Another value that is made before, or a constant, as an input.
fn rewire(model: &mut Model, at: usize, step: &Step) {
    let made = model.nodes[..at].iter().flat_map(|node| node.outputs.iter().cloned());
    let mut values: Vec<String> = made.chain(model.constants.keys().cloned()).collect();
    values.push("x".into());
    values.sort_unstable();
    let input = step.index(2, model.nodes[at].inputs.len());
    if let (Some(value), Some(input)) = (step.pick(3, &values), model.nodes[at].inputs.get_mut(input)) {
        input.clone_from(value);
    }
}

/// A node of one input in front of another.
fn insert(model: &mut Model, at: usize, step: &Step) {
    let name = format!("new{}", model.nodes.len());
    let input = step.index(2, model.nodes[at].inputs.len());
    let (Some(op), Some(input)) = (step.pick(3, UNARY), model.nodes[at].inputs.get_mut(input)) else {
        return;
    };
    let node = Node::new(*op, vec![std::mem::replace(input, name.clone())], name);
    model.nodes.insert(at, node);
}

/// Other dimensions of the image.
fn resize_input(model: &mut Model, step: &Step) {
    let axis = step.index(1, 4);
    let dim = [1, 2, 3, 4, 5, 7, 8, 12][step.index(2, 8)];
    if let Some(place) = model.inputs[0].shape.get_mut(axis) {
        *place = Some(dim);
    }
}

/// A last node that lays the model's output out as one row.
pub(super) fn in_one_row(model: &mut Model) {
    let Some(output) = model.outputs.first_mut() else { return };
    let row = Node::new("Reshape", vec![output.name.clone(), "one row".into()], "row");
    output.name = "row".into();
    model.constants.insert("one row".into(), Array::vector(vec![1_i64, -1]));
    model.nodes.push(row);
}
