//! How channels are changed so that the layers behind them lose least.

use float::{Dense, Graph, Node, TensorId, math};

use super::readers::Readers;
use crate::calibrate::sample::some_rows;
use crate::calibrate::statistics::Activation;

/// Exponents that are tried: 0 leaves activations, 1 makes their ranges equal.
const ALPHAS: [f64; 7] = [0.0, 0.25, 0.4, 0.5, 0.65, 0.8, 1.0];
/// Rows and output channels that candidates are measured on.
const ROWS: usize = 96;
const CHANNELS: usize = 96;

/// The dense layers that read `tensor`, directly or through nodes that keep its columns;
/// none if anything else reads it.
pub(super) fn consumers(model: &Graph, tensor: TensorId) -> Vec<usize> {
    let keeps_columns =
        |node: &Node, _| matches!(node, Node::Rows { .. } | Node::Gather { .. } | Node::Mean { .. });
    let Readers { layers, others, is_output, .. } = Readers::of(model, tensor, keeps_columns);
    let are_dense = layers.iter().all(|&layer| matches!(model.nodes[layer], Node::Linear { .. }));
    if others.is_empty() && !is_output && are_dense { layers } else { Vec::new() }
}

fn dense(model: &Graph, node: usize) -> Option<&Dense> {
    match &model.nodes[node] {
        Node::Linear { dense, .. } => Some(dense),
        _ => None,
    }
}

/// How channels are changed: `x' = (x − shift) / factor`.
#[derive(Clone, Debug)]
pub(super) struct Channels {
    pub(super) shift: Vec<f64>,
    pub(super) factor: Vec<f64>,
    /// The exponent that the factors were made with.
    pub(super) alpha: f64,
    /// Squared error of the next layers' outputs, before over after.
    pub(super) gain: f64,
}

/// The change of `activation`'s channels that serves the layers `consumers` best; none where so few
/// rows were seen that their ranges are not those of others.
///
/// Where not many were seen, errors are measured on those of other images than ranges are taken
/// from: a channel that fills its range exactly leaves it on the next image.
pub(super) fn best(model: &Graph, activation: &Activation, consumers: &[usize]) -> Option<Channels> {
    let layers: Vec<&Dense> = consumers.iter().filter_map(|&node| dense(model, node)).collect();
    if layers.is_empty() || activation.is_scarce() {
        return None;
    }
    let met: Vec<f64> = (0..activation.width).map(|c| largest_weight(&layers, c)).collect();
    let halves = activation.halves();
    let trials = match (activation.is_ample(), &halves) {
        (true, _) => vec![[activation, activation]],
        (false, [first, second]) => vec![[first, second], [second, first]],
    };
    let total = |alpha: Option<f64>| -> Option<f64> {
        let of = |&[ranges, measured]: &[&Activation; 2]| {
            let channels = match alpha {
                Some(alpha) => channels(ranges, &met, alpha)?,
                None => plain(activation.width),
            };
            Some(error(ranges, &measured.samples, &layers, &channels))
        };
        trials.iter().map(of).sum()
    };
    let before = total(None)?;
    let gain = |alpha| Some((before / total(Some(alpha))?.max(f64::MIN_POSITIVE), alpha));
    let (gain, alpha) = ALPHAS.into_iter().filter_map(gain).max_by(|a, b| a.0.total_cmp(&b.0))?;
    let best = channels(activation, &met, alpha)?;
    (gain > 1.02).then_some(Channels { gain, ..best })
}

/// Channels as they are.
pub(super) fn plain(width: usize) -> Channels {
    Channels { shift: vec![0.0; width], factor: vec![1.0; width], alpha: 0.0, gain: 1.0 }
}

/// Channels centred in their ranges in `activation` and rescaled with exponent `alpha`, `met` being
/// the largest weight that each meets; none if they do not move.
fn channels(activation: &Activation, met: &[f64], alpha: f64) -> Option<Channels> {
    let ends = || activation.low.iter().zip(&activation.high);
    let half: Vec<f64> = ends().map(|(l, h)| f64::from(h - l) / 2.0).collect();
    let shift = ends().map(|(l, h)| f64::from(l + h) / 2.0).collect();
    Some(Channels { shift, factor: spread(&half, met, alpha)?, alpha, gain: 1.0 })
}

/// Factors of channels with ranges `half` that meet weights up to `met`, with exponent `alpha`;
/// none if the channels do not move.
pub(super) fn spread(half: &[f64], met: &[f64], alpha: f64) -> Option<Vec<f64>> {
    let largest = half.iter().copied().fold(0.0, f64::max);
    if largest <= 0.0 {
        return None;
    }
    if alpha == 0.0 {
        return Some(vec![1.0; half.len()]);
    }
    // A channel that hardly moves is not blown up beyond reason.
    let raw = half
        .iter()
        .zip(met)
        .map(|(&h, &w)| math::pow(h.max(largest * 1e-3), alpha) / math::pow(w.max(1e-6), 1.0 - alpha));
    let raw: Vec<f64> = raw.collect();
    let mean = math::exp(raw.iter().map(|&f| math::log(f)).sum::<f64>() / half.len() as f64);
    Some(raw.iter().map(|f| (f / mean).clamp(1e-3, 1e3)).collect())
}

fn largest_weight(layers: &[&Dense], column: usize) -> f64 {
    let rows = layers.iter().flat_map(|layer| layer.weights.chunks_exact(layer.k));
    rows.map(|row| f64::from(row[column].abs())).fold(0.0, f64::max)
}

/// Squared error of the layers' outputs, each relative to its size, when the changed weights and
/// `samples` are rounded to int8, the latter in the range of `activation`.
fn error(activation: &Activation, samples: &[f32], layers: &[&Dense], channels: &Channels) -> f64 {
    let width = activation.width;
    let changed = |c: usize, v: f32| ((f64::from(v) - channels.shift[c]) / channels.factor[c]) as f32;
    let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
    for c in 0..width {
        low = low.min(changed(c, activation.low[c]));
        high = high.max(changed(c, activation.high[c]));
    }
    let step = ((high - low) / 255.0).max(f32::MIN_POSITIVE);
    let picked = some_rows(samples, width, ROWS);
    let exact: Vec<Vec<f32>> =
        picked.map(|row| row.iter().enumerate().map(|(c, &v)| changed(c, v)).collect()).collect();
    let rounded: Vec<Vec<f32>> = exact
        .iter()
        .map(|row| row.iter().map(|v| ((v - low) / step).round().clamp(0.0, 255.0) * step + low).collect())
        .collect();
    let mut total = 0.0;
    for layer in layers {
        let (mut noise, mut signal) = (0f64, 0f64);
        for row in some_rows(&layer.weights, layer.k, CHANNELS) {
            let weights: Vec<f32> =
                row.iter().zip(&channels.factor).map(|(&w, f)| (f64::from(w) * f) as f32).collect();
            let unit = weights.iter().fold(0f32, |m, w| m.max(w.abs())) / 127.0;
            let unit = unit.max(f32::MIN_POSITIVE);
            let integers: Vec<f32> = weights.iter().map(|w| (w / unit).round() * unit).collect();
            for (x, y) in exact.iter().zip(&rounded) {
                let want: f32 = x.iter().zip(&weights).map(|(a, b)| a * b).sum();
                let got: f32 = y.iter().zip(&integers).map(|(a, b)| a * b).sum();
                noise += math::square(f64::from(got - want));
                signal += math::square(f64::from(want));
            }
        }
        total += noise / signal.max(f64::MIN_POSITIVE);
    }
    total
}

/// Makes the layers `consumers` take changed channels: `W·x = (W·factor)·x' + W·shift`.
pub(super) fn take_back(model: &mut Graph, consumers: &[usize], shift: &[f64], factor: &[f64]) {
    for &node in consumers {
        let Node::Linear { dense, .. } = &mut model.nodes[node] else { continue };
        for (row, bias) in dense.weights.chunks_exact_mut(dense.k).zip(&mut dense.bias) {
            let moved: f64 = row.iter().zip(shift).map(|(&w, s)| f64::from(w) * s).sum();
            *bias = (f64::from(*bias) + moved) as f32;
            for (w, f) in row.iter_mut().zip(factor) {
                *w = (f64::from(*w) * f) as f32;
            }
        }
    }
}
