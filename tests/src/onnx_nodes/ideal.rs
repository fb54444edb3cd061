//! How much of a model is left when every tensor is rounded to a number of bits.

use float::{Evaluator, Graph, Node, evaluate_node};

use super::signal_over_noise as decibels;

/// Largest values that tensors of models may have where two ways to compute in 32 bits are held
/// against each other: those that floats of 16 bits hold, which models are trained in.
const RANGE: std::ops::RangeInclusive<f32> = 1e-5..=65504.0;

/// Share of their energy by which outputs have to differ to be held against each other, as in the
/// comparison of a conversion.
const VARIES: f64 = 1e-8;

/// Roundings that are tried.
const ROUNDINGS: usize = 3;

/// Share of the levels that rounding number `of` uses of tensor `id`: 0.69 to 0.86. Pixels must not
/// happen to fall on levels, nor scores on the right side of each other, and what is equal in two
/// tensors is not the same number of steps in both: their difference keeps the errors of both, as
/// it does in a program, where each tensor has a scale of its own.
fn share(of: usize, id: usize) -> f32 {
    // Multiples of the golden ratio, whose fractions are far from each other.
    let place = id as f32 * 0.618_034 + of as f32 / ROUNDINGS as f32;
    0.69 + 0.17 * place.fract()
}

/// How far a model goes when its tensors are rounded.
pub(super) struct Rounded<'a> {
    pub(super) graph: &'a Graph,
    pub(super) frames: &'a [Vec<u8>],
    /// Of each tensor.
    largest: Vec<f32>,
    /// Of each frame.
    pub(super) outputs: Vec<Vec<f32>>,
}

impl<'a> Rounded<'a> {
    /// Runs `graph` on `frames`; none where it does not hold together.
    pub(super) fn new(graph: &'a Graph, frames: &'a [Vec<u8>]) -> Option<Self> {
        let evaluator = Evaluator::new(graph).ok()?;
        let mut largest = vec![0.0_f32; graph.tensors.len()];
        let mut outputs = Vec::new();
        for frame in frames {
            let given = evaluator.trace(frame, &mut |id, values| {
                let counts = |value: &&f32| !is_masked(graph, id) || value.abs() < f32::MAX / 2.0;
                let counted = values.iter().filter(counts);
                largest[id] = counted.fold(largest[id], |most, value| most.max(value.abs()));
            });
            outputs.push(given.concat());
        }
        Some(Self { graph, frames, largest, outputs })
    }

    /// Whether each tensor other than masked scores is within 16-bit floats.
    pub(super) fn is_usual(&self) -> bool {
        let usual = |(id, largest): (usize, &f32)| {
            is_masked(self.graph, id) || are_usual(std::slice::from_ref(largest))
        };
        self.largest.iter().enumerate().all(usual)
    }

    /// Whether outputs are the same throughout, but for a part that the comparison of a conversion
    /// takes for rounded floats, too.
    pub(super) fn is_constant(&self) -> bool {
        let values: Vec<f64> = self.outputs.iter().flatten().map(|&value| f64::from(value)).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let about_mean: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        about_mean <= VARIES * values.iter().map(|value| value.powi(2)).sum::<f64>()
    }

    /// Signal over noise of the outputs where each tensor has `bits` for its range over all frames,
    /// and the weights of each output channel of a layer for theirs, in decibels, the least of
    /// several roundings; negative without end where outputs are not finite.
    pub(super) fn signal_over_noise(&self, bits: u32) -> f64 {
        let levels = ((1_u32 << (bits - 1)) - 1) as f32;
        (0..ROUNDINGS).map(|rounding| self.at(rounding, levels)).fold(f64::INFINITY, f64::min)
    }

    fn at(&self, rounding: usize, levels: f32) -> f64 {
        let Self { graph, frames, largest, outputs } = self;
        let levels_of = |id: usize| share(rounding, id) * levels;
        let with_weights = |node| with_weights(node, levels_of(node.output()));
        let nodes: Vec<Node> = graph.nodes.iter().map(with_weights).collect();
        let step_of = |(id, largest): (usize, &f32)| largest / levels_of(id);
        let steps: Vec<f32> = largest.iter().enumerate().map(step_of).collect();
        let mut rounded = Vec::new();
        for frame in *frames {
            let mut values: Vec<Vec<f32>> = vec![Vec::new(); graph.tensors.len()];
            values[0] = frame.iter().map(|&pixel| f32::from(pixel)).collect();
            for node in &nodes {
                let inputs: Vec<&[f32]> = node.inputs().into_iter().map(|id| values[id].as_slice()).collect();
                let Ok(mut out) = evaluate_node(&graph.tensors, node, &inputs) else {
                    return f64::NEG_INFINITY;
                };
                let step = steps[node.output()];
                // What is only moved keeps its integers.
                let is_moved = matches!(node, Node::Rows { .. } | Node::Permute { .. } | Node::Gather { .. });
                if step > 0.0 && !is_moved {
                    out.iter_mut().for_each(|value| *value = (*value / step).round() * step);
                }
                values[node.output()] = out;
            }
            let given = graph.outputs.iter().flat_map(|output| values[output.tensor].clone());
            rounded.push(given.collect::<Vec<f32>>());
        }
        let found = decibels(outputs, &rounded);
        if found.is_nan() { f64::NEG_INFINITY } else { found }
    }
}

/// Whether `values` are numbers, the largest of which is 0 or one that floats of 16 bits hold.
pub(super) fn are_usual(values: &[f32]) -> bool {
    let largest = values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    !values.iter().any(|value| value.is_nan()) && (largest == 0.0 || RANGE.contains(&largest))
}

/// Whether tensor `id` may hold scores that a mask excludes.
fn is_masked(graph: &Graph, id: usize) -> bool {
    graph.nodes.iter().any(|node| matches!(node, Node::AddConstant { out, .. } if *out == id))
}

/// `node` with the weights of each output channel rounded to `levels` for the largest.
fn with_weights(node: &Node, levels: f32) -> Node {
    let mut node = node.clone();
    if let Node::Linear { dense, .. } | Node::Conv { dense, .. } = &mut node {
        for row in dense.weights.chunks_mut(dense.k) {
            let step = row.iter().fold(0.0_f32, |most, weight| most.max(weight.abs())) / levels;
            if step > 0.0 {
                row.iter_mut().for_each(|weight| *weight = (*weight / step).round() * step);
            }
        }
    }
    node
}
