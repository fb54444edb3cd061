//! A model small enough to be computed by hand: four pixels, of which one row is used.

use facts::Fidelity;
use float::math;
use runtime::{ChannelOrder, Image};

use super::compare::{cosine, largest};
use super::*;
use crate::graph::{self, Graph, Weights, Width};
use crate::{BuildOptions, build};

const IMAGE: Image = Image::plain([2, 2], 1, ChannelOrder::Gray);

/// The row that the answer is read from.
const ROW: usize = 2;
/// 64 times the weights of the first layer.
const WEIGHTS: [i8; 3] = [64, -32, 16];
const IDENTITY: [i8; 9] = [100, 0, 0, 0, 100, 0, 0, 0, 100];

/// `pixels → tokens (3 wide) → one row → logits`.
fn float_model() -> float::Graph {
    use float::{Dense, Node};
    let mut graph = float::Graph::new(IMAGE);
    let pixels = graph.tensor("pixels", 4, 1);
    let tokens = graph.tensor("tokens", 4, 3);
    let row = graph.tensor("row", 1, 3);
    let logits = graph.tensor("logits", 1, 3);
    let dense = |n, k, weights: &[i8], unit: f32| Dense {
        n,
        k,
        weights: weights.iter().map(|&w| f32::from(w) / unit).collect(),
        bias: vec![0.0; n],
    };
    graph.nodes = vec![
        Node::Pixels { x: 0, out: pixels, mean: vec![0.0], std: vec![1.0] },
        Node::Linear { x: pixels, out: tokens, dense: dense(3, 1, &WEIGHTS, 64.0) },
        Node::Rows { x: tokens, out: row, start: ROW },
        Node::Linear { x: row, out: logits, dense: dense(3, 3, &IDENTITY, 100.0) },
    ];
    let (name, kind) = ("logits".to_owned(), runtime::OutputKind::Logits);
    graph.outputs = vec![float::Output { name, tensor: logits, kind, shape: [3, 1, 1, 1], ending: None }];
    graph
}

/// The same with pixels and tokens of 1/127 a unit.
fn quantized_model() -> Graph {
    use graph::Node;
    let unit = 1.0 / 127.0;
    let mut graph = Graph::new(IMAGE);
    let pixels = graph.tensor("pixels", 4, 1, Width::I8, unit);
    let tokens = graph.tensor("tokens", 4, 3, Width::I8, unit);
    let row = graph.tensor("row", 1, 3, Width::I8, unit);
    let logits = graph.tensor("logits", 1, 3, Width::I32, unit / 100.0);
    let weights = |values: &[i8], n: u32, k: u32, scale: f64| Weights {
        values: values.to_vec(),
        n,
        k,
        bias: vec![0; n as usize],
        accumulator_scales: vec![scale * unit; n as usize],
    };
    let tables = (0..=255u8).map(|p| quantized(p) as i8).collect();
    graph.nodes = vec![
        Node::QuantizeImage { x: 0, out: pixels, tables },
        Node::Linear { x: pixels, out: tokens, weights: weights(&WEIGHTS, 3, 1, 1.0 / 64.0) },
        Node::Rows { x: tokens, out: row, start: ROW as u32 },
        Node::Linear { x: row, out: logits, weights: weights(&IDENTITY, 3, 3, 1.0 / 100.0) },
    ];
    graph.set_logits(logits);
    graph
}

fn quantized(pixel: u8) -> i32 {
    (f64::from(pixel) * 127.0 / 255.0).round() as i32
}

/// The integers of a token, rounded half up.
fn token(pixel: u8) -> [i32; 3] {
    WEIGHTS.map(|w| (quantized(pixel) * i32::from(w) + 32) >> 6)
}

fn frames() -> Vec<Vec<u8>> {
    vec![vec![3, 250, 77, 128], vec![0, 1, 201, 9], vec![255, 31, 90, 64]]
}

/// Decibels by the definition, of pairs of a real value and its integer of 1/127.
fn decibels(pairs: impl Iterator<Item = (f64, i32)>) -> f64 {
    let (mut signal, mut noise) = (0.0, 0.0);
    for (x, q) in pairs {
        signal += x * x;
        noise += math::square(x - f64::from(q) / 127.0);
    }
    10.0 * math::log10(signal / noise)
}

fn token_pairs(pixel: u8) -> impl Iterator<Item = (f64, i32)> {
    let real = WEIGHTS.map(|w| f64::from(w) / 64.0 * f64::from(pixel) / 255.0);
    real.into_iter().zip(token(pixel))
}

fn snr_of(found: &[Fidelity], name: &str) -> f64 {
    found.iter().find(|f| f.name == name).unwrap_or_else(|| panic!("{name} in {found:?}")).snr_db
}

fn measured(fuse: bool) -> Vec<Fidelity> {
    let quantized = quantized_model();
    let container = build(&quantized, BuildOptions { fuse, arena: None }).expect("a container");
    fidelity(&float_model(), &quantized, &container, &frames(), &()).expect("figures")
}

#[test]
fn every_instruction_is_measured_as_defined() {
    let found = measured(false);
    let pixels = frames().concat();
    let of_pixels = decibels(pixels.iter().map(|&p| (f64::from(p) / 255.0, quantized(p))));
    assert!((snr_of(&found, "pixels") - of_pixels).abs() < 1e-3, "{found:?}");
    let of_tokens = decibels(pixels.iter().flat_map(|&p| token_pairs(p)));
    assert!((snr_of(&found, "tokens") - of_tokens).abs() < 1e-3, "{found:?}");
    assert!(found.is_sorted_by_key(|f| f.instruction));
}

#[test]
fn where_one_row_is_computed_that_row_is_compared() {
    let found = measured(true);
    let expected = decibels(frames().iter().flat_map(|frame| token_pairs(frame[ROW])));
    assert!((snr_of(&found, "tokens") - expected).abs() < 1e-3, "{found:?}, expected {expected}");
    assert!((snr_of(&found, "logits") - expected).abs() < 1e-3, "{found:?}");
}

#[test]
fn zero_points_are_taken_off() {
    let mut quantized = quantized_model();
    let container = build(&quantized, BuildOptions::default()).expect("a container");
    quantized.tensors.iter_mut().filter(|t| t.name == "logits").for_each(|t| t.zero = 5000);
    let found = fidelity(&float_model(), &quantized, &container, &frames(), &()).expect("figures");
    let pairs = |frame: &Vec<u8>| token_pairs(frame[ROW]).map(|(x, q)| (x, q - 50)).collect::<Vec<_>>();
    let expected = decibels(frames().iter().flat_map(pairs));
    assert!((snr_of(&found, "logits") - expected).abs() < 1e-3, "{found:?}, expected {expected}");
}

#[test]
fn answers_are_compared_with_and_without_labels() {
    let container = build(&quantized_model(), BuildOptions::default()).expect("a container");
    // The first logit is the largest for every pixel but a black one.
    let float = float_model();
    let with = compare(&float, &container, &frames(), Some(&[0, 1, 0]), "three", &()).expect("a comparison");
    assert_eq!((with.images, with.agreement, with.data.as_str()), (3, Some(100.0), "three"));
    assert_eq!((with.largest_class, with.seen), (Some(100.0), false));
    let top1 = with.integer_top1.expect("labels were given");
    assert!((top1 - 200.0 / 3.0).abs() < 1e-9 && with.float_top1 == with.integer_top1);
    let cosines = frames().into_iter().map(|frame| {
        let (x, q): (Vec<f32>, Vec<i32>) = token_pairs(frame[ROW]).map(|(x, q)| (x as f32, q)).unzip();
        cosine(&x, &q)
    });
    assert!((with.cosine - cosines.sum::<f64>() / 3.0).abs() < 1e-6);
    let without = compare(&float, &container, &frames(), None, "three", &()).expect("a comparison");
    assert_eq!((without.float_top1, without.integer_top1), (None, None));
}

#[test]
fn outputs_are_measured_as_defined() {
    let container = build(&quantized_model(), BuildOptions::default()).expect("a container");
    let measured = |float: &float::Graph, frames: &[Vec<u8>]| {
        let comparison = compare(float, &container, frames, None, "three", &()).expect("a comparison");
        (comparison.outputs[0].clone(), comparison.agrees())
    };
    let (found, agrees) = measured(&float_model(), &frames());
    let pairs: Vec<Vec<(f64, i32)>> =
        frames().iter().map(|frame| token_pairs(frame[ROW]).collect()).collect();
    let values: Vec<f64> = pairs.iter().flatten().map(|(x, _)| *x).collect();
    let errors: Vec<f64> = pairs.iter().flatten().map(|(x, q)| x - f64::from(*q) / 127.0).collect();
    let energy = |values: &[f64]| values.iter().map(|&value| math::square(value)).sum::<f64>();
    let about_mean = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        energy(&values.iter().map(|value| value - mean).collect::<Vec<f64>>())
    };
    let snr = 10.0 * math::log10(about_mean(&values) / energy(&errors));
    assert!((found.snr_db.unwrap() - snr).abs() < 1e-3, "{found:?}, expected {snr}");
    let mean_error = errors.iter().map(|error| error.abs()).sum::<f64>() / 9.0;
    assert!((found.mean_error - mean_error).abs() < 1e-6, "{found:?}, expected {mean_error}");
    let columns = (0..3).map(|column| pairs.iter().map(|row| row[column].0).collect::<Vec<f64>>());
    let r2 = 1.0 - energy(&errors) / columns.map(|column| about_mean(&column)).sum::<f64>();
    assert!((found.r2.unwrap() - r2).abs() < 1e-6, "{found:?}, expected {r2}");
    assert_eq!(
        (found.output.as_str(), found.kind.as_str(), found.ending.as_deref()),
        ("logits", "logits", None)
    );
    assert_eq!((found.decisions, found.constant, agrees), (None, false, Some(true)));

    // The same image throughout says nothing of what depends on it.
    let (found, agrees) = measured(&float_model(), &vec![frames().remove(0); 3]);
    assert_eq!((found.r2, found.constant, agrees), (None, false, Some(true)));
}

#[test]
fn answers_to_another_question_are_told() {
    let mut quantized = quantized_model();
    let answered = |quantized: &Graph, float: &float::Graph| {
        let container = build(quantized, BuildOptions::default()).expect("a container");
        let comparison = compare(float, &container, &frames(), None, "three", &()).expect("a comparison");
        (comparison.agrees().expect("figures"), comparison.outputs[0].clone())
    };
    // Of several labels, which decide by the sign.
    let mut labels = float_model();
    labels.outputs[0].ending = Some(runtime::Ending::Sigmoid);
    let (agrees, found) = answered(&quantized, &labels);
    assert_eq!((agrees, found.decisions), (true, Some(100.0)));
    assert!((found.yes.unwrap() - 200.0 / 3.0).abs() < 1e-9, "{found:?}");
    // The other sign of every weight. Pixels of 0 stay on the same side.
    let negate = |node: &mut graph::Node| {
        if let graph::Node::Linear { weights, out: 4, .. } = node {
            weights.values.iter_mut().for_each(|weight| *weight = -*weight);
        }
    };
    quantized.nodes.iter_mut().for_each(negate);
    let (agrees, found) = answered(&quantized, &labels);
    assert_eq!((agrees, found.constant), (false, false));
    assert_eq!(found.decisions, Some(0.0), "{found:?}");
    // No weight at all: the bias answers every image.
    for node in &mut quantized.nodes {
        if let graph::Node::Linear { weights, .. } = node {
            weights.values.fill(0);
            weights.bias.fill(1000);
        }
    }
    let (agrees, found) = answered(&quantized, &float_model());
    assert_eq!((agrees, found.constant), (false, true), "{found:?}");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let (float, quantized) = (float_model(), quantized_model());
    let container = build(&quantized, BuildOptions::default()).expect("a container");
    let refused = |container: &[u8], frames: &[Vec<u8>], labels| {
        compare(&float, container, frames, labels, "", &()).expect_err("refused")
    };
    assert_eq!(refused(&container, &[], None), MeasureError::NoFrames);
    let short = MeasureError::Frame { index: 1, expected: 4, found: 3 };
    assert_eq!(refused(&container, &[vec![0; 4], vec![0; 3]], None), short);
    let labels = MeasureError::Labels { labels: 1, frames: 3 };
    assert_eq!(refused(&container, &frames(), Some(&[0])), labels);
    assert!(matches!(refused(&container[1..], &frames(), None), MeasureError::Load(_)));

    let mut other = float_model();
    other.outputs[0].tensor = 2;
    let error = compare(&other, &container, &frames(), None, "", &()).expect_err("refused");
    let output = MeasureError::Output { index: 0, program: 3, float: 12 };
    assert_eq!(error, output);
}

#[test]
fn cosine_and_class_of_odd_values() {
    assert_eq!(cosine(&[0.0, 0.0], &[0, 0]), 1.0);
    assert_eq!(cosine(&[1.0, 0.0], &[0, 0]), 0.0);
    assert_eq!(cosine(&[f32::NAN, 1.0], &[1, 1]), 0.0);
    assert!((cosine(&[3.0, 4.0], &[4, 3]) - 0.96).abs() < 1e-12);
    assert_eq!(largest(&[1, 7, 7, 2]), 1);
    assert_eq!(largest::<f32>(&[]), 0);
}
