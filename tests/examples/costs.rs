//! What each part of the integer arithmetic costs in accuracy, on the bundled float model:
//! `cargo run --release -p shiftformer-tests --example costs [IMAGES.idx]`.
//!
//! The upper rows change one thing in the float model. The lower ones are whole integer
//! programs, with the exponentials of post-training conversion or those of the paper.

use std::env::args;
use std::error::Error;
use std::path::Path;

use ::data::{Dataset, open};
use converter::calibrate::{Exponential, QuantizeOptions, Quantized, quantize};
use converter::graph::{self, Node, Width};
use converter::import::{ImportOptions, import_onnx};
use converter::{BuildOptions, ConvertError, build, measure};
use float::{Evaluator, evaluate_node};
use quant::arith::ShiftExp;
use quant::ops::row_statistics;
use rayon::prelude::*;
use shiftformer_tests::data;

/// Fraction bits of the exponential of ShiftGELU in the paper, at most.
const GELU_BITS: u8 = 23;

fn main() -> Result<(), Box<dyn Error>> {
    let images = args().nth(1).map_or_else(
        || data::path("fmnist-test-1000-images-idx3-ubyte.gz"),
        |path| Path::new(&path).to_owned(),
    );
    let test = Test::read(&images)?;
    println!("{} images of {}\n", test.frames.len(), name(&images));
    println!("| | top-1, % | same answer as float, % |\n|---|---|---|");

    let exact = quantized(Exponential::Exact)?;
    let truth = test.classes(|frame| Ok(class(&Evaluator::new(&exact.float)?.run(frame)[0])))?;
    test.row("float", &truth, &truth);
    for (label, parts) in Parts::ROWS {
        let parts = Simulated::new(&exact, parts);
        test.row(label, &test.classes(|frame| parts.class(frame))?, &truth);
    }

    let shift = quantized(Exponential::Shift)?;
    let programs = [
        ("whole program, rounded exponential, GELU as a table", &exact.graph),
        ("whole program, Shiftmax, GELU as a table", &shift.graph),
    ];
    for (label, graph) in programs {
        let container = build(graph, BuildOptions::default())?;
        let compared = measure::compare(&exact.float, &container, &test.frames, Some(&test.labels), "", &())?;
        let percent = |value: Option<f64>| value.unwrap_or(f64::NAN);
        println!("| {label} | {:.2} | {:.2} |", percent(compared.integer_top1), percent(compared.agreement));
    }
    Ok(())
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The bundled model, calibrated with the bundled images.
fn quantized(exponential: Exponential) -> Result<Quantized, Box<dyn Error>> {
    let options = ImportOptions { config: None, mean: vec![0.2860], std: vec![0.3530] };
    let model = import_onnx(&data::path("vit_fmnist_fp32.onnx"), &options)?;
    let calibration = open(&data::path("fmnist-train-128-images-idx3-ubyte.gz"))?;
    let frames = data::frames(&calibration, calibration.len());
    let options = QuantizeOptions { exponential, ..QuantizeOptions::default() };
    Ok(quantize(model, &frames, &options, &())?)
}

struct Test {
    frames: Vec<Vec<u8>>,
    labels: Vec<u32>,
}

impl Test {
    fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        let images: Dataset = open(path)?;
        Ok(Self { frames: data::frames(&images, images.len()), labels: images.labels()?.to_vec() })
    }

    fn classes(
        &self,
        class: impl Fn(&[u8]) -> Result<usize, ConvertError> + Sync,
    ) -> Result<Vec<usize>, ConvertError> {
        self.frames.par_iter().map(|frame| class(frame)).collect()
    }

    fn row(&self, label: &str, classes: &[usize], truth: &[usize]) {
        let percent = |hits: usize| 100.0 * hits as f64 / classes.len() as f64;
        let right = classes.iter().zip(&self.labels).filter(|(c, l)| **c == **l as usize).count();
        let same = classes.iter().zip(truth).filter(|(a, b)| a == b).count();
        println!("| {label} | {:.2} | {:.2} |", percent(right), percent(same));
    }
}

/// The first of the largest.
fn class(logits: &[f32]) -> usize {
    (0..logits.len()).rev().max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap_or(0)
}

/// What is computed in integers.
#[derive(Clone, Copy)]
struct Parts {
    weights: bool,
    activations: bool,
    layer_norm: bool,
    shift_gelu: bool,
}

impl Parts {
    const NONE: Self = Self { weights: false, activations: false, layer_norm: false, shift_gelu: false };
    const ROWS: [(&str, Self); 5] = [
        ("weights int8", Self { weights: true, ..Self::NONE }),
        ("activations int8 and int16", Self { activations: true, ..Self::NONE }),
        ("integer LayerNorm (its input int16)", Self { layer_norm: true, ..Self::NONE }),
        ("ShiftGELU as in the paper (its input int8)", Self { shift_gelu: true, ..Self::NONE }),
        (
            "weights, activations, LayerNorm",
            Self { weights: true, activations: true, layer_norm: true, shift_gelu: false },
        ),
    ];
}

/// A float model, some parts of which are rounded as in its integer program.
struct Simulated<'a> {
    model: float::Graph,
    /// By tensor of the float model.
    integers: Vec<Option<&'a graph::Tensor>>,
    parts: Parts,
}

impl<'a> Simulated<'a> {
    fn new(made: &'a Quantized, parts: Parts) -> Self {
        let mut model = made.float.clone();
        let find = |name: &str| made.graph.tensors.iter().find(|tensor| tensor.name == name);
        let integers = model.tensors.iter().map(|tensor| find(&tensor.name)).collect();
        if parts.weights {
            for node in &mut model.nodes {
                round_weights(node, &made.float.tensors, &made.graph);
            }
        }
        Self { model, integers, parts }
    }

    fn class(&self, frame: &[u8]) -> Result<usize, ConvertError> {
        let tensors = &self.model.tensors;
        let mut values: Vec<Vec<f32>> = vec![Vec::new(); tensors.len()];
        values[0] = frame.iter().map(|&pixel| f32::from(pixel)).collect();
        for node in &self.model.nodes {
            let inputs = node.inputs();
            let inputs: Vec<&[f32]> = inputs.iter().map(|&id| values[id].as_slice()).collect();
            let mut made = match (node, self.integers[node.inputs()[0]]) {
                (float::Node::LayerNorm { gamma, beta, eps, centred: true, .. }, Some(x))
                    if self.parts.layer_norm =>
                {
                    layer_norm(inputs[0], x.scale, gamma, beta, *eps)
                }
                (float::Node::Activate { x, function: float::Function::Gelu, .. }, Some(tensor))
                    if self.parts.shift_gelu =>
                {
                    shift_gelu(inputs[0], tensor, tensors[*x].width)
                }
                _ => evaluate_node(tensors, node, &inputs)?,
            };
            if let Some(tensor) = self.integers[node.output()].filter(|_| self.parts.activations) {
                made.iter_mut().for_each(|value| *value = round(*value, tensor));
            }
            values[node.output()] = made;
        }
        Ok(class(&values[self.model.outputs[0].tensor]))
    }
}

/// The nearest value that `tensor` can represent.
fn round(value: f32, tensor: &graph::Tensor) -> f32 {
    let [low, high] = match tensor.bits {
        Width::I8 => [-128.0, 127.0],
        Width::I16 => [-32768.0, 32767.0],
        Width::I32 | Width::Sign | Width::Ternary => return value,
    };
    let zero = f64::from(tensor.zero);
    let integer = (f64::from(value) / tensor.scale + zero + 0.5).floor().clamp(low, high);
    ((integer - zero) * tensor.scale) as f32
}

/// Gives a layer the weights of its integer counterpart.
fn round_weights(node: &mut float::Node, tensors: &[float::Tensor], program: &graph::Graph) {
    let made = &tensors[node.output()].name;
    let (float::Node::Linear { dense, .. } | float::Node::Conv { dense, .. }) = node else { return };
    let integers = program.nodes.iter().find(|node| program.tensors[node.output()].name == *made);
    let Some(Node::Linear { x, weights, .. } | Node::Conv { x, weights, .. }) = integers else { return };
    let scale = program.tensors[*x].scale;
    for (channel, row) in dense.weights.chunks_mut(dense.k).enumerate() {
        let integers = &weights.values[channel * dense.k..][..dense.k];
        let unit = weights.accumulator_scales[channel] / scale;
        row.iter_mut().zip(integers).for_each(|(w, &q)| *w = (f64::from(q) * unit) as f32);
    }
}

/// LayerNorm with integer mean, square root and division; γ and β in float.
fn layer_norm(x: &[f32], scale: f64, gamma: &[f32], beta: &[f32], eps: f32) -> Vec<f32> {
    let width = gamma.len();
    let eps = (width as f64 * f64::from(eps) / (scale * scale)).round() as u64;
    let unit = (width as f64).sqrt() / 2f64.powi(31);
    let normalised = |row: &[f32]| -> Vec<f32> {
        let row: Vec<i16> = row.iter().map(|&v| (f64::from(v) / scale).round() as i16).collect();
        let statistics = row_statistics(&row, eps);
        let value = |v: i16| f64::from(i32::from(v) - statistics.mean) * f64::from(statistics.factor) * unit;
        let channels = gamma.iter().zip(beta);
        row.iter().zip(channels).map(|(&v, (&g, &b))| (value(v) * f64::from(g)) as f32 + b).collect()
    };
    x.chunks(width).flat_map(normalised).collect()
}

/// ShiftGELU (`quant::ops::ShiftGelu`) on int8 values of `tensor`, whose zero point may be
/// anywhere; the result is not rounded.
fn shift_gelu(x: &[f32], tensor: &graph::Tensor, width: usize) -> Vec<f32> {
    let exp = ShiftExp::for_scale(1.702 * tensor.scale, GELU_BITS, 2, u32::MAX >> 1)
        .expect("a scale that fits")
        .table();
    let row = |row: &[f32]| -> Vec<f32> {
        let integers: Vec<i32> =
            row.iter().map(|&v| (f64::from(round(v, tensor)) / tensor.scale).round() as i32).collect();
        let largest = integers.iter().copied().max().unwrap_or(0).max(0);
        let exp = |distance: i32| u64::from(exp[distance.clamp(0, 255) as usize]);
        let sigmoid = |v: i32| {
            let factor = u64::from(u32::MAX >> 1) / (exp(largest - v) + exp(largest));
            (exp(largest - v) * factor) >> 24
        };
        integers.iter().map(|&v| (f64::from(v) * tensor.scale * sigmoid(v) as f64 / 128.0) as f32).collect()
    };
    x.chunks(width).flat_map(row).collect()
}
