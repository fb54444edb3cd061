//! The precision of layers: what the user says, else one bit for weights that were trained
//! so, and 16 bits for the inputs where eight cost too much, as long as few products are
//! slowed down. Of a convolution it is the weights that get 16 bits.

use super::range::{self, Measure, Scale};
use super::statistics::{Activation, Statistics};
use super::widths::Layers;
use super::{Precision, QuantizeOptions, layers, matches};
use crate::error::ConvertError;
use crate::facts::{Change, ChangeKind};
use crate::float::{Dense, Function, Graph, Node};
use crate::graph::Width;

/// A layer's output has to be this far above the error of its rounded input, in decibels.
const WANTED_DB: f64 = 30.0;
/// The same where signs are taken behind it: a small error turns those near zero.
const WANTED_BINARY_DB: f64 = 60.0;
/// Rows and output channels that the error is measured on.
const ROWS: usize = 96;
const CHANNELS: usize = 128;

/// Decides for every layer.
pub(super) fn choose(
    model: &Graph,
    statistics: &Statistics,
    options: &QuantizeOptions,
    changes: &mut Vec<Change>,
) -> Result<Layers, ConvertError> {
    let wanted_db = if options.binary { WANTED_BINARY_DB } else { WANTED_DB };
    let mut chosen = Layers::default();
    let mut candidates = Vec::new();
    let mut total = 0f64;
    for (index, name) in layers(model) {
        let (Node::Linear { x, out, dense } | Node::Conv { x, out, dense, .. }) = &model.nodes[index] else {
            continue;
        };
        let linear = matches!(model.nodes[index], Node::Linear { .. });
        let cost = (model.tensors[*out].rows * dense.n * dense.k) as f64;
        total += if linear || options.binary { cost } else { 0.0 };
        let binary = options.binary && linear && dense.is_binary();
        let wish = options.precision.iter().rfind(|(pattern, _)| matches(pattern, name));
        if let Some((_, precision)) = wish {
            check(name, *precision, binary, linear)?;
            chosen.reads.insert(index, precision.activations());
            changes.push(Change {
                kind: ChangeKind::Overridden,
                layer: name.to_owned(),
                what: if linear { precision.what() } else { precision.weights() }.into(),
                why: "as the command line says".into(),
            });
        } else if linear && can_widen(model, *x, options.binary) {
            let snr = input_snr(dense, &statistics.activations[*x]);
            candidates.push((snr, index, name, cost));
        } else if !linear && options.binary {
            candidates.push((weight_snr(dense), index, name, cost));
        }
        if binary && wish.is_none_or(|(_, precision)| precision.binary()) {
            chosen.binary.insert(index);
        }
    }
    candidates.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut left = options.escalation * total;
    for (snr, index, name, cost) in candidates {
        if snr >= wanted_db || cost > left {
            continue;
        }
        left -= cost;
        chosen.reads.insert(index, Width::I16);
        let linear = matches!(model.nodes[index], Node::Linear { .. });
        changes.push(Change {
            kind: ChangeKind::Escalated,
            layer: name.to_owned(),
            what: if linear { "reads int16 activations" } else { "has 16-bit weights" }.into(),
            why: format!("int8 would leave {snr:.1} dB of signal over noise, {wanted_db:.0} are wanted"),
        });
    }
    Ok(chosen)
}

/// Whether a layer can have the precision that was asked for.
fn check(name: &str, precision: Precision, binary: bool, linear: bool) -> Result<(), ConvertError> {
    let refused = |reason: &str| Err(ConvertError::Layer { layer: name.to_owned(), reason: reason.into() });
    match precision.binary() {
        true if !linear => refused("it is a convolution, its weights have 8 or 16 bits, i8 or i16"),
        true if !binary => refused(
            "it was not trained with weights of one magnitude in each output channel: i8 and i16 are possible",
        ),
        _ => Ok(()),
    }
}

/// Whether the node that makes `x` can write more than int8.
fn can_widen(model: &Graph, x: usize, binary: bool) -> bool {
    let can = |node: &Node| match node {
        Node::LayerNorm { .. } | Node::Add { .. } => true,
        Node::Activate { function, .. } => binary && *function != Function::Sign,
        _ => false,
    };
    model.nodes.iter().any(|node| node.output() == x && can(node))
}

/// Signal over noise of a layer's weights rounded to int8, in decibels.
fn weight_snr(dense: &Dense) -> f64 {
    let (mut signal, mut noise) = (0f64, 0f64);
    for row in dense.weights.chunks_exact(dense.k) {
        let step = row.iter().fold(0f64, |m, w| m.max(f64::from(w.abs()))) / 127.0;
        for &w in row {
            let w = f64::from(w);
            signal += w * w;
            noise += (w - (w / step.max(f64::MIN_POSITIVE)).round() * step).powi(2);
        }
    }
    10.0 * (signal / noise.max(f64::MIN_POSITIVE)).log10()
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
