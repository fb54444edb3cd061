//! How much of a model is left when every tensor is rounded to a number of bits.

use float::{Evaluator, Graph, Node, evaluate_node};

use super::signal_over_noise as decibels;

/// Largest values that tensors of models may have: those that floats of 16 bits hold, which
/// models are trained in.
const RANGE: std::ops::RangeInclusive<f32> = 1e-5..=65504.0;

/// Share of the levels that are used: pixels must not happen to fall on them.
const SHARE: f32 = 0.77;

/// Signal over noise of the outputs where each tensor has `bits` for its range over all `frames`,
/// in decibels; negative without end where outputs are constant or not finite, or a tensor other
/// than masked scores is beyond 16-bit floats.
pub(super) fn signal_over_noise(graph: &Graph, frames: &[Vec<u8>], bits: u32) -> f64 {
    let Ok(evaluator) = Evaluator::new(graph) else { return f64::NEG_INFINITY };
    let mut largest = vec![0.0_f32; graph.tensors.len()];
    let mut exact = Vec::new();
    for frame in frames {
        let outputs = evaluator.trace(frame, &mut |id, values| {
            let finite = values.iter().filter(|value| value.abs() < f32::MAX / 2.0);
            largest[id] = finite.fold(largest[id], |most, value| most.max(value.abs()));
        });
        exact.push(outputs.concat());
    }
    let masked = |id: usize| {
        graph.nodes.iter().any(|node| matches!(node, Node::AddConstant { out, .. } if *out == id))
    };
    let usual = |(id, largest): (usize, &f32)| masked(id) || *largest == 0.0 || RANGE.contains(largest);
    if !largest.iter().enumerate().all(usual) {
        return f64::NEG_INFINITY;
    }
    let levels = SHARE * ((1_u32 << (bits - 1)) - 1) as f32;
    let steps: Vec<f32> = largest.iter().map(|largest| largest / levels).collect();
    let mut rounded = Vec::new();
    for frame in frames {
        let mut values: Vec<Vec<f32>> = vec![Vec::new(); graph.tensors.len()];
        values[0] = frame.iter().map(|&pixel| f32::from(pixel)).collect();
        for node in &graph.nodes {
            let inputs: Vec<&[f32]> = node.inputs().into_iter().map(|id| values[id].as_slice()).collect();
            let Ok(mut out) = evaluate_node(&graph.tensors, node, &inputs) else { return f64::NEG_INFINITY };
            let step = steps[node.output()];
            if step > 0.0 {
                out.iter_mut().for_each(|value| *value = (*value / step).round() * step);
            }
            values[node.output()] = out;
        }
        rounded.push(
            graph.outputs.iter().flat_map(|output| values[output.tensor].clone()).collect::<Vec<f32>>(),
        );
    }
    let found = decibels(&exact, &rounded);
    let (low, high) = exact
        .iter()
        .flatten()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)));
    let varies = high - low > 1e-6 * high.abs().max(low.abs());
    if found.is_nan() || !varies { f64::NEG_INFINITY } else { found }
}
