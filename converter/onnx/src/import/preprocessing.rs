//! What the first arithmetic of a model shows about the pixels that it expects.

use float::Preprocessing;

use crate::model::{Model, Node};

/// A mean above this is of bytes: pixels in 0..=1 have none beyond 1, and the mean byte of dark
/// images is larger.
const BYTE_MEAN: f32 = 8.0;
/// A standard deviation above this is of bytes: that of their whole range is 255, that of usual
/// images 60 to 80.
const BYTE_STD: f32 = 32.0;

/// Ops that leave the elements as they are, or most of them.
const MOVEMENT: &[&str] = &[
    "Cast",
    "CastLike",
    "Concat",
    "Flatten",
    "Gather",
    "Identity",
    "Pad",
    "Reshape",
    "Resize",
    "Slice",
    "Split",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

/// What the nodes behind `input` do with it, up to the first that is not element-wise.
pub(super) fn preprocessing(model: &Model, input: &str) -> Preprocessing {
    let mut name = input;
    let mut found = Affine { scale: vec![1.0], offset: vec![0.0] };
    for node in &model.nodes {
        if !node.inputs.iter().any(|read| read == name) || node.is("Shape") {
            continue;
        }
        // What picks rows of a table by the pixels reads them elsewhere.
        let subject = node.input(0) == Some(name) || node.is("Concat");
        let moved = subject && MOVEMENT.iter().any(|op| node.is(op));
        if !moved && !found.then(model, node, name) {
            break;
        }
        name = node.output();
    }
    found.preprocessing()
}

/// `x · scale + offset`, for every channel or for all.
struct Affine {
    scale: Vec<f32>,
    offset: Vec<f32>,
}

impl Affine {
    /// Takes in what `node` does with `name`; false where that is not affine.
    fn then(&mut self, model: &Model, node: &Node, name: &str) -> bool {
        if !node.domain.is_empty() {
            return false;
        }
        let first = node.input(0) == Some(name);
        let at = |at: usize| model.constant(node.input(at)?).map(|array| array.to_f32s());
        let other = || at(usize::from(first)).filter(|values| !values.is_empty());
        match (node.op.as_str(), first) {
            ("BatchNormalization", true) => {
                let parameters = (at(1), at(2), at(3), at(4));
                let (Some(gamma), Some(beta), Some(mean), Some(variance)) = parameters else { return false };
                let epsilon = node.float("epsilon", 1e-5);
                let factor = gamma.iter().zip(&variance).map(|(g, v)| g / (v + epsilon).sqrt());
                let factor: Vec<f32> = factor.collect();
                let shift = beta.iter().zip(&mean).zip(&factor).map(|((b, m), f)| b - m * f).collect();
                self.scale(factor);
                self.shift(shift);
            }
            (op @ ("Add" | "Sub" | "Mul" | "Div"), first) => {
                let Some(values) = other() else { return false };
                match (op, first) {
                    ("Add", _) => self.shift(values),
                    ("Mul", _) => self.scale(values),
                    ("Sub", true) => self.shift(values.iter().map(|value| -value).collect()),
                    ("Sub", false) => {
                        self.scale(vec![-1.0]);
                        self.shift(values);
                    }
                    ("Div", true) => self.scale(values.iter().map(|value| 1.0 / value).collect()),
                    _ => return false,
                }
            }
            ("Neg", _) => self.scale(vec![-1.0]),
            _ => return false,
        }
        true
    }

    fn scale(&mut self, factors: Vec<f32>) {
        self.scale = together(&self.scale, &factors, |a, b| a * b);
        self.offset = together(&self.offset, &factors, |a, b| a * b);
    }

    fn shift(&mut self, values: Vec<f32>) {
        self.offset = together(&self.offset, &values, |a, b| a + b);
    }

    fn preprocessing(&self) -> Preprocessing {
        let std: Vec<f32> = self.scale.iter().map(|scale| 1.0 / scale).collect();
        let mean = together(&self.offset, &std, |offset, std| -offset * std);
        let of_bytes =
            mean.iter().all(|&mean| mean > BYTE_MEAN) || std.iter().all(|std| std.abs() > BYTE_STD);
        // A change of sign says nothing about the values that training used.
        let unchanged = mean.iter().all(|&mean| mean == 0.0) && std.iter().all(|&std| std.abs() == 1.0);
        match (of_bytes, unchanged) {
            (true, _) => Preprocessing::Bytes,
            (false, true) => Preprocessing::Absent,
            (false, false) => Preprocessing::Unit,
        }
    }
}

/// Both lists value by value; one value stands for all. Lists of different lengths (a mean of
/// every pixel) count by their averages.
fn together(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> Vec<f32> {
    let average = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
    match (a, b) {
        (&[a], b) => b.iter().map(|&b| f(a, b)).collect(),
        (a, &[b]) => a.iter().map(|&a| f(a, b)).collect(),
        (a, b) if a.len() == b.len() => a.iter().zip(b).map(|(&a, &b)| f(a, b)).collect(),
        (a, b) => vec![f(average(a), average(b))],
    }
}
