//! The scale of every group of activations, in both integer types.

use float::{Function, Graph, Node, TensorId, math};
use rayon::prelude::*;

use crate::calibrate::range::{self, Measure, Scale};
use crate::calibrate::statistics::{Activation, Statistics};
use crate::calibrate::widths::WidthPlan;
use crate::graph::Width;

/// Scales by the first tensor of each group.
pub(in crate::calibrate) struct Scales {
    int8: Vec<Option<Scale>>,
    int16: Vec<Option<Scale>>,
    /// By tensor: the elements that softmaxes normalise together, if nothing else reads it.
    score_widths: Vec<Option<usize>>,
}

/// Scale of probabilities in int16.
const PROBABILITY: f64 = 1.0 / 32768.0;

impl Scales {
    /// Chooses the scales that `plan` needs.
    pub fn choose(model: &Graph, statistics: &Statistics, plan: &WidthPlan) -> Self {
        let count = model.tensors.len();
        let members = |group: TensorId| (0..count).filter(move |&id| plan.group[id] == group);
        let binary = !plan.layers.binary.is_empty();
        let headroom = if binary { range::BINARY_HEADROOM } else { range::HEADROOM };
        let chosen: Vec<(Option<Scale>, Option<Scale>)> = (0..count)
            .into_par_iter()
            .map(|group| {
                if group == 0 || plan.group[group] != group {
                    return (None, None);
                }
                let ids: Vec<TensorId> = members(group).collect();
                let seen: Vec<&Activation> = ids.iter().map(|&id| &statistics.activations[id]).collect();
                let narrow = int8(model, plan, &ids, &seen);
                (Some(narrow), Some(int16(model, &ids, &seen, headroom)))
            })
            .collect();
        let (int8, int16) = chosen.into_iter().unzip();
        Self { int8, int16, score_widths: model.scores() }
    }

    /// The scale of tensor `id` in `width`; int32 is finer than int16.
    pub fn of(&self, plan: &WidthPlan, id: TensorId, width: Width) -> Scale {
        let group = plan.group[id];
        let found = match width {
            Width::I8 => &self.int8[group],
            Width::I16 | Width::I32 => &self.int16[group],
            Width::Sign | Width::Ternary => return Scale::fixed(1.0),
        };
        let scale = found.clone().unwrap_or_else(|| Scale::fixed(1.0));
        match width {
            Width::I32 => Scale { scale: scale.scale / 4096.0, ..scale },
            Width::I8 | Width::I16 | Width::Sign | Width::Ternary => scale,
        }
    }

    /// The real value below which the int8 integers of tensor `id` do not tell scores apart;
    /// none where something else than a softmax reads it.
    pub fn least_score(&self, plan: &WidthPlan, id: TensorId) -> Option<f64> {
        self.score_widths[id]?;
        let scale = self.of(plan, id, Width::I8);
        Some((-128.0 - f64::from(scale.zero)) * scale.scale)
    }
}

fn int16(model: &Graph, ids: &[TensorId], seen: &[&Activation], headroom: f64) -> Scale {
    let probabilities = |node: &Node| matches!(node, Node::Softmax { out, .. } if ids.contains(out));
    if model.nodes.iter().any(probabilities) {
        return Scale::fixed(PROBABILITY);
    }
    // The sums of a binarized attention are integers.
    let sums = |node: &Node| matches!(node, Node::BinaryAttention { out, .. } if ids.contains(out));
    if model.nodes.iter().any(sums) {
        return Scale::fixed(1.0);
    }
    let function = only_function(model, ids, &readers(model, ids));
    range::int16(seen, headroom, function.and_then(Function::tail))
}

/// The nodes that read one of `ids`.
fn readers<'a>(model: &'a Graph, ids: &[TensorId]) -> Vec<&'a Node> {
    model.nodes.iter().filter(|node| node.inputs().iter().any(|x| ids.contains(x))).collect()
}

/// The function through which alone `ids` are read.
fn only_function(model: &Graph, ids: &[TensorId], readers: &[&Node]) -> Option<Function> {
    let is_output = model.outputs.iter().any(|output| ids.contains(&output.tensor));
    match readers {
        [Node::Activate { function, .. }] if !is_output => Some(*function),
        _ => None,
    }
}

fn int8(model: &Graph, plan: &WidthPlan, ids: &[TensorId], seen: &[&Activation]) -> Scale {
    if let Some(scale) = pixels(model, plan, ids, seen) {
        return scale;
    }
    let readers = readers(model, ids);
    let columns = columns(&readers, seen[0].width);
    let function = only_function(model, ids, &readers);
    let apply = |v: f32| function.map_or(v, |f| f.apply(v.into()) as f32);
    let measure = match (readers.as_slice(), seen) {
        // Samples are whole rows of the tensor.
        ([Node::Softmax { width, .. }], [scores]) if scores.width.is_multiple_of(*width) => {
            Measure::Softmax(*width)
        }
        _ => {
            // What is int16 first holds nothing below its tail.
            let wide = plan.primary[ids[0]] == Width::I16;
            let tail = function.and_then(Function::tail).filter(|_| wide);
            Measure::Values { columns: &columns, function: Some(&apply), tail }
        }
    };
    let asymmetric = plan.asymmetric[plan.group[ids[0]]];
    range::int8(seen, asymmetric, &measure)
}

/// Pixels keep all their levels, unless what shares their scale goes beyond them.
fn pixels(model: &Graph, plan: &WidthPlan, ids: &[TensorId], seen: &[&Activation]) -> Option<Scale> {
    model.nodes.iter().find_map(|node| {
        let Node::Pixels { out, mean, std, .. } = node else { return None };
        if !ids.contains(out) {
            return None;
        }
        let ends = |p: f32| mean.iter().zip(std).map(move |(m, s)| f64::from((p - m) / s));
        let (low, high) = (ends(0.0).fold(0.0, f64::min), ends(1.0).fold(0.0, f64::max));
        let asymmetric = plan.asymmetric[plan.group[*out]];
        let scale = if asymmetric { (high - low) / 255.0 } else { (high / 127.0).max(-low / 128.0) };
        let zero = if asymmetric { (-128.0 - low / scale).round() as i32 } else { 0 };
        let range = low - scale / 2.0..=high + scale / 2.0;
        let fits = |a: &&Activation| [a.min(), a.max()].iter().all(|&end| range.contains(&end.into()));
        seen.iter().all(fits).then(|| Scale { scale, zero, method: "all pixel values".into() })
    })
}

/// How much each column's error counts: the squared weights that it meets in the layers
/// that read it.
fn columns(readers: &[&Node], width: usize) -> Vec<f64> {
    let mut sums = vec![0f64; width];
    let mut found = false;
    for node in readers {
        let Node::Linear { dense, .. } = node else { return Vec::new() };
        if dense.k != width {
            return Vec::new();
        }
        found = true;
        for row in dense.weights.chunks_exact(dense.k) {
            for (sum, &w) in sums.iter_mut().zip(row) {
                *sum += math::square(f64::from(w));
            }
        }
    }
    if found { sums } else { Vec::new() }
}
