//! ONNX models of a few nodes, changed node by node, and what holds of every one: it is refused,
//! or it computes what its nodes compute one after another, and its container is as near to that
//! as eight bits allow, or its comparison says that it is not.

mod ending;
mod ideal;
mod mutate;
mod seeds;

use std::collections::HashMap;

use converter::calibrate::QuantizeOptions;
use converter::{BuildOptions, Conversion, ConvertError, convert, measure};
use facts::AGREES_DB;
use float::Graph;
use onnx::constants::Budget;
use onnx::model::{Array, Node};
use onnx::{Model, Normalisation, import, patterns};

use self::ending::ended;
use self::ideal::Rounded;
use crate::memory::Aligned;
use crate::run;
use crate::source::Source;

/// Images that a model is calibrated on and run with.
const IMAGES: usize = 8;
/// Signal over noise that a container has, in decibels.
const CONTAINER_DB: f64 = 20.0;
/// Signal over noise that eight bits must allow for that.
const IDEAL_DB: f64 = 36.0;
/// Error of another way to compute in 32 bits, as a share of the largest value, where rounding
/// to 16 bits leaves as much.
const FLOAT_ERROR: f32 = 1e-3;
/// Signal over noise that 16 bits must allow for that.
const FLOAT_DB: f64 = 40.0;
/// Multiply-accumulates, values of an image and elements of all tensors that are worth the time.
const LIMITS: (u64, usize, usize) = (1 << 22, 1 << 12, 1 << 20);

/// What became of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is refused, with these words.
    Refused(String),
    /// It is converted, and right.
    Right,
    /// It is converted, and the comparison says that it is no answer to the same question.
    Told,
    /// Its output does not depend on the image, or hangs on more than eight bits.
    Incomparable,
    /// It is too large to be worth the time.
    Large,
}

/// How many seeds there are.
pub fn seeds() -> usize {
    seeds::SEEDS.len()
}

/// The seed at the first of `bytes`, changed by each four that follow.
///
/// # Errors
///
/// What is wrong with the conversion of the model, and the model.
pub fn check(bytes: &[u8]) -> Result<Outcome, String> {
    let (seed, changes) = bytes.split_first().unwrap_or((&0, &[]));
    let mut model = seeds::model(seeds::SEEDS[usize::from(*seed) % seeds()]);
    mutate::mutate(&mut model, changes);
    mutate::in_one_row(&mut model);
    holds(&model).map_err(|wrong| format!("{wrong}, of {}", shown(&model)))
}

/// The nodes of a model, and its constants.
fn shown(model: &Model) -> String {
    let node = |node: &Node| {
        format!("\n{:?} = {} {:?} {:?}", node.outputs, node.full_op(), node.inputs, node.attributes)
    };
    let constants = model.constants.iter().map(|(name, array)| format!("\n{name}: {:?}", array.shape));
    let lines = model.nodes.iter().map(node).chain(constants).collect::<String>();
    format!("{:?}{lines}", model.inputs[0].shape)
}

fn holds(model: &Model) -> Result<Outcome, String> {
    let graph = match built(model.clone()) {
        Ok(graph) => graph,
        Err(error) => return Ok(Outcome::Refused(error.to_string())),
    };
    let pixels = graph.tensors[0].len();
    let elements = graph.tensors.iter().map(|tensor| tensor.len()).sum::<usize>();
    if graph.macs() > LIMITS.0 || pixels > LIMITS.1 || elements > LIMITS.2 {
        return Ok(Outcome::Large);
    }
    let mut source = Source::new(3);
    let frames: Vec<Vec<u8>> =
        (0..IMAGES).map(|_| (0..pixels).map(|_| source.bits() as u8).collect()).collect();
    let rounded =
        Rounded::new(&graph, &frames).ok_or_else(|| "a graph that does not hold together".to_owned())?;
    let float = &rounded.outputs;
    if float.iter().flatten().any(|value| !value.is_finite()) {
        return Ok(Outcome::Incomparable);
    }
    if rounded.is_usual()
        && !rounded.is_constant()
        && rounded.signal_over_noise(16) >= FLOAT_DB
        && let Some(expected) = by_nodes(model, &graph, &frames[0])
    {
        let found = ended(graph.outputs[0].ending, &float[0]);
        let values = expected.iter().chain(float.iter().flatten());
        let largest = values.fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let apart = expected.iter().zip(&found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        if expected.len() != found.len() || apart > FLOAT_ERROR * largest {
            return Err(format!("the graph computes something else: {expected:?} as {found:?}"));
        }
    }
    converted(&rounded)
}

fn built(mut model: Model) -> Result<Graph, onnx::OnnxError> {
    patterns::fuse(&mut model)?;
    import::build(model, Normalisation { mean: &[0.5], std: &[0.25] })
}

/// Converts a model and compares.
fn converted(rounded: &Rounded<'_>) -> Result<Outcome, String> {
    let Rounded { graph, frames, outputs: float, .. } = rounded;
    let made = convert((*graph).clone(), frames, &QuantizeOptions::default(), BuildOptions::default(), &());
    let Conversion { container, quantized } = match made {
        Ok(made) => made,
        Err(error @ (ConvertError::Graph(_) | ConvertError::Program(_) | ConvertError::Measure(_))) => {
            return Err(format!("a defect of the converter: {error}"));
        }
        Err(error) => return Ok(Outcome::Refused(error.to_string())),
    };
    let file = Aligned::copy(&container);
    let loaded =
        runtime::Model::new(&file).map_err(|error| format!("a container that is refused: {error}"))?;
    let scale = loaded.outputs().next().map_or(1.0, |output| f64::from(f32::from_bits(output.scale.0)));
    let real = |value: i32| (f64::from(value) * scale).clamp(f32::MIN.into(), f32::MAX.into()) as f32;
    let integers = run::outputs(&loaded, frames, &quant::REFERENCE, 1);
    let found: Vec<Vec<f32>> =
        integers.into_iter().map(|values| values.into_iter().map(real).collect()).collect();
    let snr = signal_over_noise(float, &found);
    if snr >= CONTAINER_DB {
        return Ok(Outcome::Right);
    }
    let compared = measure::compare(&quantized.float, &container, frames, None, "", &())
        .map_err(|error| format!("a defect of the comparison: {error}"))?;
    if compared.agrees() == Some(false) {
        return Ok(Outcome::Told);
    }
    let best = rounded.signal_over_noise(8);
    if rounded.is_constant() || best < IDEAL_DB && snr >= AGREES_DB {
        return Ok(Outcome::Incomparable);
    }
    let facts = measure::fidelity(&quantized.float, &quantized.graph, &container, frames, &());
    let each = facts.iter().flatten().map(|fact| format!("{} {:.1}", fact.name, fact.snr_db));
    let each = each.collect::<Vec<_>>().join(", ");
    Err(format!("the container is wrong: {snr:.1} dB ({each}), where eight bits allow {best:.1}"))
}

/// What the nodes make of the image one after another, as of a constant; none where one of them
/// is not computed of constants or, other than scores before a softmax, which masks exclude some of,
/// is beyond the floats that models are trained in.
fn by_nodes(model: &Model, graph: &Graph, frame: &[u8]) -> Option<Vec<f32>> {
    let shape = model.inputs[0].shape.iter().copied().collect::<Option<Vec<usize>>>()?;
    let &[1, channels, height, width] = shape.as_slice() else { return None };
    let image = &graph.image;
    if (usize::from(image.channels), usize::from(image.height)) != (channels, height) {
        return None;
    }
    let mut pixels = vec![0.0; frame.len()];
    for (at, &byte) in frame.iter().enumerate() {
        let (pixel, channel) = (at / channels, at % channels);
        pixels[channel * height * width + pixel] = (f32::from(byte) / 255.0 - 0.5) / 0.25;
    }
    let mut values: HashMap<&str, Array> = HashMap::new();
    values.insert("x", Array::new(shape, pixels)?);
    values.extend(model.constants.iter().map(|(name, array)| (name.as_str(), array.clone())));
    let mut budget = Budget::new(0);
    for node in &model.nodes {
        let inputs: Vec<Option<&Array>> = node.inputs.iter().map(|name| values.get(name.as_str())).collect();
        let outputs = budget.evaluate(node, &inputs, model.opset).ok()??;
        let is_scores = |name: &String| {
            model.nodes.iter().any(|reader| reader.op == "Softmax" && reader.inputs.contains(name))
        };
        let made = node.outputs.iter().zip(&outputs);
        if made.into_iter().any(|(name, values)| !is_scores(name) && !ideal::are_usual(&values.to_f32s())) {
            return None;
        }
        values.extend(node.outputs.iter().map(String::as_str).zip(outputs));
    }
    let row = values.get(model.outputs[0].name.as_str())?.to_f32s();
    row.iter().all(|value| value.is_finite()).then_some(row)
}

/// Decibels by which `signal` exceeds what `found` differs by; without end where they are alike,
/// and none at all where the signal is constant.
fn signal_over_noise(signal: &[Vec<f32>], found: &[Vec<f32>]) -> f64 {
    let (signal, found): (Vec<f32>, Vec<f32>) = (signal.concat(), found.concat());
    let mean = signal.iter().map(|&value| f64::from(value)).sum::<f64>() / signal.len() as f64;
    let power: f64 = signal.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum();
    let noise: f64 = signal.iter().zip(&found).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
    if noise == 0.0 { f64::INFINITY } else { 10.0 * (power / noise).log10() }
}
