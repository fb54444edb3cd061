//! Layers whose inputs get 16 bits: where the user says so, and where eight bits cost far
//! more than elsewhere, as long as few products are slowed down.

use std::collections::BTreeMap;

use super::range::{self, Measure, Scale};
use super::statistics::{Activation, Statistics};
use super::{QuantizeOptions, layers, matches};
use crate::facts::{Change, ChangeKind};
use crate::float::{Dense, Graph, Node};
use crate::graph::Width;

/// A layer's output has to be this far above the error of its rounded input, in decibels.
const WANTED_DB: f64 = 30.0;
/// Rows and output channels that the error is measured on.
const ROWS: usize = 96;
const CHANNELS: usize = 128;

/// The layers that read int16, by node.
pub(super) fn choose(
    model: &Graph,
    statistics: &Statistics,
    options: &QuantizeOptions,
    changes: &mut Vec<Change>,
) -> BTreeMap<usize, Width> {
    let mut chosen = BTreeMap::new();
    let mut candidates = Vec::new();
    let mut total = 0f64;
    for (index, name) in layers(model) {
        let Node::Linear { x, dense, .. } = &model.nodes[index] else { continue };
        let cost = (model.tensors[*x].rows * dense.n * dense.k) as f64;
        total += cost;
        let mut wish =
            options.precision.iter().filter(|(pattern, _)| matches(pattern, name)).map(|(_, w)| *w);
        if let Some(width) = wish.next_back() {
            chosen.insert(index, width);
            changes.push(Change {
                kind: ChangeKind::Overridden,
                layer: name.to_owned(),
                what: format!("reads {} activations", if width == Width::I8 { "int8" } else { "int16" }),
                why: "as the command line says".into(),
            });
        } else if can_widen(model, *x) {
            let snr = input_snr(dense, &statistics.activations[*x]);
            candidates.push((snr, index, name, cost));
        }
    }
    candidates.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut left = options.escalation * total;
    for (snr, index, name, cost) in candidates {
        if snr >= WANTED_DB || cost > left {
            continue;
        }
        left -= cost;
        chosen.insert(index, Width::I16);
        changes.push(Change {
            kind: ChangeKind::Escalated,
            layer: name.to_owned(),
            what: "reads int16 activations".into(),
            why: format!("int8 would leave {snr:.1} dB of signal over noise, {WANTED_DB:.0} are wanted"),
        });
    }
    chosen
}

/// Whether the node that makes `x` can write more than int8.
fn can_widen(model: &Graph, x: usize) -> bool {
    model
        .nodes
        .iter()
        .any(|node| node.output() == x && matches!(node, Node::LayerNorm { .. } | Node::Add { .. }))
}

/// Signal over noise of the layer's output, in decibels, when only its input is rounded.
fn input_snr(dense: &Dense, activation: &Activation) -> f64 {
    if activation.width != dense.k {
        return f64::INFINITY;
    }
    let scale = range::int8(&[activation], true, &Measure { columns: &[], function: None });
    let [signal, noise] = energies(dense, activation, &scale);
    10.0 * (signal / noise.max(f64::MIN_POSITIVE)).log10()
}

fn energies(dense: &Dense, activation: &Activation, scale: &Scale) -> [f64; 2] {
    let rows = activation.samples.len() / activation.width;
    let means = activation.column_means(f64::from);
    let (mut signal, mut noise) = (0.0, 0.0);
    for row in activation.samples.chunks_exact(activation.width).step_by(rows.div_ceil(ROWS).max(1)) {
        let errors: Vec<f32> = row.iter().map(|&v| scale.round8(v) - v).collect();
        // What all rows share is no signal.
        let varying: Vec<f32> = row.iter().zip(&means).map(|(&v, &m)| v - m as f32).collect();
        for w in dense.weights.chunks_exact(dense.k).step_by(dense.n.div_ceil(CHANNELS)) {
            let dot = |x: &[f32]| w.iter().zip(x).map(|(a, b)| a * b).sum::<f32>();
            signal += f64::from(dot(&varying)).powi(2);
            noise += f64::from(dot(&errors)).powi(2);
        }
    }
    [signal, noise]
}
