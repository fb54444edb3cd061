//! Small models against plain evaluation: of the same nodes on a constant image by
//! [`fold`], or of the op's definition written out.

mod attributes;
mod binary;
mod conv;
mod documented;
mod endings;
mod group_norm;
mod masks;
mod matmul;
mod movement;
mod norm;
mod ops;
mod preprocessing;
mod products;
mod rotary;
mod run;
mod transposed;
mod windows;

use std::collections::HashMap;

use float::{Graph, Node as FloatNode};
use proptest::prelude::*;

use super::{Normalisation, build};
use crate::error::OnnxError;
use crate::fold;
use crate::model::{Array, Attribute, Element, Input, Model, Node, Output};

/// A model under construction; its input `x` is an image, its output is the last value.
#[derive(Clone)]
pub struct Sketch {
    pub model: Model,
    shape: [usize; 4],
}

impl Sketch {
    pub fn new(shape: [usize; 4]) -> Self {
        let input = Input { name: "x".into(), shape: shape.map(Some).to_vec(), element: Element::Float };
        let model = Model {
            nodes: Vec::new(),
            constants: HashMap::new(),
            inputs: vec![input],
            outputs: Vec::new(),
            opset: 17,
            metadata: HashMap::new(),
        };
        Self { model, shape }
    }

    /// Adds a constant and returns its name.
    pub fn constant(&mut self, array: Array) -> String {
        let name = format!("c{}", self.model.constants.len());
        self.model.constants.insert(name.clone(), array);
        name
    }

    /// A constant of reproducible values in −1..1.
    pub fn floats(&mut self, shape: &[usize]) -> String {
        let seed = self.model.constants.len();
        let array = noise(shape, seed);
        self.constant(array)
    }

    pub fn ints(&mut self, values: &[i64]) -> String {
        self.constant(Array::vector(values.to_vec()))
    }

    /// Adds a node and returns the name of its output.
    pub fn node(&mut self, op: &str, inputs: &[&str], attributes: &[(&str, Attribute)]) -> String {
        let name = format!("v{}", self.model.nodes.len());
        let mut node = Node::new(op, inputs.iter().map(|name| name.to_string()).collect(), name.clone());
        for (key, value) in attributes {
            node = node.with(key, value.clone());
        }
        self.model.nodes.push(node);
        name
    }

    pub fn reshape(&mut self, x: &str, shape: &[i64]) -> String {
        let shape = self.ints(shape);
        self.node("Reshape", &[x, &shape], &[])
    }

    pub fn transpose(&mut self, x: &str, perm: &[i64]) -> String {
        self.node("Transpose", &[x], &[("perm", Attribute::Ints(perm.to_vec()))])
    }

    /// The graph with `x` flattened as the output.
    pub fn build(&self, x: &str) -> Result<Graph, OnnxError> {
        let mut model = self.model.clone();
        model.constants.insert("flat".into(), Array::vector(vec![1_i64, -1]));
        model.nodes.push(Node::new("Reshape", vec![x.into(), "flat".into()], "embedding"));
        model.outputs = vec![Output { name: "embedding".into(), shape: Vec::new() }];
        build(model, Normalisation::default())
    }

    /// The image that tests use, channels first, values in 0..1.
    pub fn image(&self) -> Array {
        let len = self.shape.iter().product::<usize>();
        let values: Vec<f32> = (0..len).map(|at| ((at * 37 + 11) % 101) as f32 / 101.0).collect();
        Array { shape: self.shape.to_vec(), data: values.into() }
    }

    fn frame(&self) -> Vec<f32> {
        let image = self.image().to_f32s();
        let [_, channels, height, width] = self.shape;
        let mut frame = vec![0.0; image.len()];
        for (at, value) in image.into_iter().enumerate() {
            frame[at % (height * width) * channels + at / (height * width)] = value * 255.0;
        }
        frame
    }

    /// What the float graph makes of the image.
    pub fn run(&self, x: &str) -> Vec<f32> {
        let graph = self.build(x).unwrap();
        run::run(&graph, &self.frame()).remove(0)
    }

    /// What the nodes make of the image as a constant.
    pub fn truth(&self, x: &str) -> Vec<f32> {
        let mut values = self.model.constants.clone();
        values.insert("x".into(), self.image());
        for node in &self.model.nodes {
            let inputs: Vec<Option<&Array>> = node.inputs.iter().map(|name| values.get(name)).collect();
            let outputs = fold::evaluate(node, &inputs, self.model.opset).unwrap().expect("an op that folds");
            for (name, array) in node.outputs.iter().zip(outputs) {
                values.insert(name.clone(), array);
            }
        }
        values[x].to_f32s()
    }

    pub fn check(&self, x: &str) {
        close(&self.run(x), &self.truth(x));
    }
}

pub fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

pub fn noise(shape: &[usize], seed: usize) -> Array {
    let len = shape.iter().product::<usize>();
    let values: Vec<f32> =
        (0..len).map(|at| ((at * 7919 + seed * 104_729 + 13) % 1009) as f32 / 504.5 - 1.0).collect();
    Array { shape: shape.to_vec(), data: values.into() }
}

pub fn close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(1.0_f32, |scale, value| scale.max(value.abs()));
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= 1e-4 * scale, "element {at}: {found}, expected {expected}");
    }
}

/// One random op on value `x` of shape `shape`.
fn random_op(sketch: &mut Sketch, x: &str, shape: &mut Vec<usize>, kind: u8, seed: usize) -> Option<String> {
    let rank = shape.len();
    let axis = seed % rank;
    let int = |value: usize| Attribute::Int(value as i64);
    Some(match kind % 10 {
        0 => {
            let perm: Vec<usize> = (0..rank).map(|at| (at + seed) % rank).collect();
            *shape = perm.iter().map(|&at| shape[at]).collect();
            sketch.transpose(x, &perm.iter().map(|&at| at as i64).collect::<Vec<_>>())
        }
        1 => {
            let total: usize = shape.iter().product();
            let a = (1..=total).filter(|d| total.is_multiple_of(*d)).nth(seed % 6).unwrap_or(1);
            let b = (1..=total / a).filter(|d| (total / a).is_multiple_of(*d)).nth(seed % 4).unwrap_or(1);
            *shape = vec![b, total / a / b, a];
            sketch.reshape(x, &[b as i64, -1, a as i64])
        }
        2 => {
            let start = seed / 5 % shape[axis];
            let end = start + 1 + seed / 3 % (shape[axis] - start);
            shape[axis] = end - start;
            let [start, end, axis] = [start, end, axis].map(|value| sketch.ints(&[value as i64]));
            sketch.node("Slice", &[x, &start, &end, &axis], &[])
        }
        3 => {
            let len = shape[axis];
            let picked: Vec<i64> =
                (0..2 + seed % 3).map(|at| ((seed + at * (1 + seed % 5)) % len) as i64).collect();
            shape[axis] = picked.len();
            let picked = sketch.ints(&picked);
            sketch.node("Gather", &[x, &picked], &[("axis", int(axis))])
        }
        4 if shape.iter().product::<usize>() < 400 => {
            let parts: Vec<usize> = vec![1 + seed % 2, shape[axis]];
            let mut other = shape.clone();
            other[axis] = parts[0];
            let other = sketch.floats(&other);
            shape[axis] += parts[0];
            let inputs = if seed.is_multiple_of(3) { [x, &other] } else { [&other, x] };
            sketch.node("Concat", &inputs, &[("axis", int(axis))])
        }
        5 if shape.iter().product::<usize>() < 400 => {
            shape[axis] *= 2;
            let turned = sketch.node("Neg", &[x], &[]);
            sketch.node("Concat", &[x, &turned], &[("axis", int(axis))])
        }
        6 => {
            let constant = sketch.floats(&shape.clone());
            let sum = sketch.node("Add", &[x, &constant], &[]);
            let half = sketch.constant(Array::scalar(0.5));
            let scaled = sketch.node("Mul", &[x, &half], &[]);
            sketch.node("Sub", &[&sum, &scaled], &[])
        }
        7 => {
            shape[axis] = 1;
            sketch.node("ReduceMean", &[x], &[("axes", Attribute::Ints(vec![axis as i64]))])
        }
        8 => {
            let n = 1 + seed % 4;
            let weights = sketch.floats(&[shape[rank - 1], n]);
            shape[rank - 1] = n;
            sketch.node("MatMul", &[x, &weights], &[])
        }
        9 => {
            let axes = [axis, (axis + seed / 3) % rank].map(|axis| axis as i64);
            let gate = sketch.node("ReduceMean", &[x], &[("axes", Attribute::Ints(vec![axes[0]]))]);
            let gate = match seed % 2 {
                0 => gate,
                _ => sketch.node("ReduceMean", &[&gate], &[("axes", Attribute::Ints(vec![axes[1]]))]),
            };
            let factors = if seed.is_multiple_of(5) { [x, x] } else { [x, &gate] };
            sketch.node("Mul", &factors, &[])
        }
        _ => return None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn chains_of_ops_compute_what_they_do_on_constants(
        size in (1_usize..4, 1_usize..6, 1_usize..6),
        steps in prop::collection::vec((any::<u8>(), 0_usize..1000), 1..8),
    ) {
        let mut shape = vec![1, size.0, size.1, size.2];
        let mut sketch = Sketch::new([1, size.0, size.1, size.2]);
        let mut x = "x".to_string();
        for (kind, seed) in steps {
            x = random_op(&mut sketch, &x, &mut shape, kind, seed).unwrap_or(x);
        }
        sketch.check(&x);
    }

    #[test]
    fn any_numbers_in_nodes_give_an_error_and_no_panic(
        op in prop::sample::select(vec![
            "Reshape", "Slice", "Gather", "Split", "Concat", "Transpose", "Squeeze", "Unsqueeze", "Expand", "Tile",
            "Pad", "ReduceMean", "Softmax", "Flatten", "Conv", "ConvTranspose", "Col2Im", "AveragePool", "Resize",
            "LayerNormalization", "BatchNormalization", "DepthToSpace", "MatMul", "Gemm", "Attention", "Clip",
            "MaxPool", "ReduceMax", "Max", "LpNormalization", "Mul", "RMSNormalization", "RotaryEmbedding",
        ]),
        lists in prop::collection::vec(prop::collection::vec(
            prop_oneof![-3_i64..6, Just(i64::MAX), Just(i64::MIN), Just(1 << 33)], 0..5), 0..5),
        axis in -3_i64..5,
    ) {
        let mut sketch = Sketch::new([1, 2, 4, 4]);
        let names: Vec<String> = lists.iter().enumerate().map(|(at, list)| {
            if at % 2 == 1 && op.ends_with("Normalization") || op == "Conv" {
                let shape: Vec<usize> = list.iter().map(|v| v.clamp(&0, &4).unsigned_abs() as usize).collect();
                sketch.floats(&shape)
            } else {
                sketch.ints(list)
            }
        }).collect();
        let inputs: Vec<&str> = std::iter::once("x").chain(names.iter().map(String::as_str)).collect();
        let list = |at: usize| Attribute::Ints(lists.get(at).cloned().unwrap_or_default());
        let out = sketch.node(op, &inputs, &[
            ("axis", Attribute::Int(axis)), ("perm", list(0)), ("pads", list(1)), ("strides", list(2)),
            ("kernel_shape", list(3)), ("blocksize", Attribute::Int(axis)), ("group", Attribute::Int(axis)),
        ]);
        drop(sketch.build(&out));
    }
}

/// The ops of a graph, in order.
pub fn ops(graph: &Graph) -> Vec<String> {
    let name = |node: &FloatNode| format!("{node:?}").split(' ').next().unwrap_or_default().to_string();
    graph.nodes.iter().map(name).collect()
}
