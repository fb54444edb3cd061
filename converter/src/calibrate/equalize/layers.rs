//! Channels between convolutional and dense layers, with a ReLU between them or without
//! (cross-layer equalization: arXiv 1906.04721, section 4.1), and channels of a residual stream
//! that layers read.
//!
//! One scale has to serve all channels of a tensor. Channels that are divided by factors where
//! they are made, and multiplied by them in the weights that read them, have ranges that are
//! alike: `W·x = (W·f)·(x/f)`, also behind a ReLU, since `f > 0`. Of a depthwise convolution each
//! channel has weights with a scale of their own, and this costs nothing at all.

use facts::{Change, ChangeKind};
use float::{Dense, Function, Graph, Node, Part, TensorId, math};

use super::channels::{Channels, plain, spread};
use super::readers::Readers;
use crate::calibrate::sample::{self, some_rows};
use crate::calibrate::statistics::{Activation, Statistics};

/// Exponents that are tried: 0 leaves ranges as they are, 1 makes them equal.
const ALPHAS: [f64; 5] = [0.0, 0.4, 0.6, 0.8, 1.0];
/// Rows of samples, and output channels, that candidates are measured on.
const ROWS: usize = 96;
const CHANNELS: usize = 96;
/// How many times the error of the next layers has to fall.
const GAIN: f64 = 1.25;

/// Equalizes what only layers read, and what layers read of a residual stream.
pub(super) fn equalize(model: &mut Graph, statistics: &Statistics) -> Vec<Change> {
    let sign = |node: &Node| matches!(node, Node::Activate { function: Function::Sign, .. });
    if model.nodes.iter().any(sign) {
        return Vec::new();
    }
    let mut changes = Vec::new();
    // From the end: an output channel counts by the range that it has afterwards.
    for tensor in (1..statistics.activations.len()).rev() {
        let Some(site) = Site::find(model, tensor) else { continue };
        let Some(channels) = site.best(model, &statistics.activations[tensor]) else { continue };
        site.change(model, &channels);
        changes.push(Change {
            kind: ChangeKind::Equalized,
            layer: model.tensors[tensor].name.clone(),
            what: format!("channels rescaled with α = {}", channels.alpha),
            why: format!("the next layers' error falls {:.1} times", channels.gain),
        });
    }
    changes
}

/// Where channels can be divided.
enum Maker {
    /// In the weights of this layer.
    Layer(usize),
    /// In a node of its own, by which the tensor becomes int8.
    Stream,
}

/// A tensor whose channels can be rescaled.
struct Site {
    tensor: TensorId,
    maker: Maker,
    /// The layers that read it.
    layers: Vec<usize>,
    /// Zeros are among its integers, or ReLU makes it: channels cannot be moved.
    fixed: bool,
    /// Its integers have no zero point.
    symmetric: bool,
}

impl Site {
    fn find(model: &Graph, tensor: TensorId) -> Option<Self> {
        let index = model.nodes.iter().position(|node| node.output() == tensor)?;
        let readers = Readers::of(model, tensor, moves_pixels);
        let direct = readers.others.is_empty() && !readers.is_output;
        let wide = |&reader: &usize| {
            matches!(
                model.nodes[reader],
                Node::Add { .. } | Node::AddConstant { .. } | Node::LayerNorm { .. } | Node::GroupNorm { .. }
            )
        };
        let made_wide = matches!(model.nodes[index], Node::Add { .. } | Node::AddConstant { .. });
        let (maker, rectified) = match model.nodes[index] {
            Node::Conv { .. } | Node::Linear { .. } if direct => (Maker::Layer(index), false),
            Node::Activate { x, function: Function::Relu, .. } if direct => {
                let before = model.nodes.iter().position(|node| node.output() == x)?;
                let layer = matches!(model.nodes[before], Node::Conv { .. } | Node::Linear { .. });
                let single = model.readers()[x].len() == 1 && model.rectified()[x];
                (layer && single).then_some((Maker::Layer(before), true))?
            }
            // What is int16 already becomes int8 channel by channel.
            _ if (made_wide || readers.others.iter().any(wide)) && readers.followed.is_empty() => {
                (Maker::Stream, false)
            }
            _ => return None,
        };
        let padded = |&layer: &usize| matches!(&model.nodes[layer], Node::Conv { geometry, .. } if !geometry.is_unpadded());
        let symmetric = readers.layers.iter().any(padded);
        let among_zeros = |&node: &usize| matches!(model.nodes[node], Node::Concat { .. });
        let fixed = rectified || symmetric || readers.followed.iter().any(among_zeros);
        let layers = readers.layers;
        (!layers.is_empty()).then_some(Self { tensor, maker, layers, fixed, symmetric })
    }

    /// The factors that serve the layers best; none where so few rows were seen that their ranges
    /// are not those of others.
    fn best(&self, model: &Graph, activation: &Activation) -> Option<Channels> {
        if activation.is_scarce() {
            return None;
        }
        let rows: Vec<Row<'_>> = self.layers.iter().flat_map(|&layer| rows(&model.nodes[layer])).collect();
        let mut met = vec![0f64; activation.width];
        for row in &rows {
            for (met, w) in met[row.offset..].iter_mut().zip(row.weights) {
                *met = met.max(f64::from(w.abs()));
            }
        }
        let halves = activation.halves();
        let trials = match (activation.is_ample(), &halves) {
            (true, _) => vec![[activation, activation]],
            (false, [first, second]) => vec![[first, second], [second, first]],
        };
        let total = |alpha: Option<f64>| -> Option<f64> {
            let of = |[ranges, measured]: &[&Activation; 2]| {
                let channels = match alpha {
                    Some(alpha) => self.channels(ranges, &met, alpha)?,
                    None => plain(activation.width),
                };
                Some(self.error(ranges, &measured.samples, &rows, &channels))
            };
            trials.iter().map(of).sum()
        };
        let before = total(None)?;
        let gain = |alpha| Some((before / total(Some(alpha))?.max(f64::MIN_POSITIVE), alpha));
        let (gain, alpha) = ALPHAS.into_iter().filter_map(gain).max_by(|a, b| a.0.total_cmp(&b.0))?;
        let best = self.channels(activation, &met, alpha)?;
        (gain > GAIN).then_some(Channels { gain, ..best })
    }

    fn channels(&self, activation: &Activation, met: &[f64], alpha: f64) -> Option<Channels> {
        let ends = || activation.low.iter().zip(&activation.high);
        let (shift, half): (Vec<f64>, Vec<f64>) = match self.fixed {
            true => ends().map(|(l, h)| (0.0, f64::from(h.abs().max(l.abs())))).unzip(),
            false => ends().map(|(l, h)| (f64::from(l + h) / 2.0, f64::from(h - l) / 2.0)).unzip(),
        };
        Some(Channels { shift, factor: spread(&half, met, alpha)?, alpha, gain: 1.0 })
    }

    /// Squared error of the layers' outputs over their squares, when the changed weights and
    /// `samples` are rounded to int8, the latter in the range of `activation`.
    fn error(&self, activation: &Activation, samples: &[f32], rows: &[Row<'_>], channels: &Channels) -> f64 {
        let width = activation.width;
        let changed = |c: usize, v: f32| ((f64::from(v) - channels.shift[c]) / channels.factor[c]) as f32;
        let lows = (0..width).map(|c| changed(c, activation.low[c]));
        let highs = (0..width).map(|c| changed(c, activation.high[c]));
        let (low, high) = (lows.fold(f32::INFINITY, f32::min), highs.fold(f32::NEG_INFINITY, f32::max));
        let largest = high.max(-low);
        let (low, high) = if self.symmetric { (-largest, largest) } else { (low, high) };
        let step = ((high - low) / 255.0).max(f32::MIN_POSITIVE);
        let picked = some_rows(samples, width, ROWS);
        let exact: Vec<Vec<f32>> =
            picked.map(|row| row.iter().enumerate().map(|(c, &v)| changed(c, v)).collect()).collect();
        let round = |v: &f32| ((v - low) / step).round().clamp(0.0, 255.0) * step + low;
        let rounded: Vec<Vec<f32>> = exact.iter().map(|row| row.iter().map(round).collect()).collect();
        let (mut noise, mut signal) = (0f64, f64::MIN_POSITIVE);
        for row in rows.iter().step_by(sample::step(rows.len(), CHANNELS, rows.len())) {
            let here = row.offset..row.offset + row.weights.len();
            let factors = &channels.factor[here.clone()];
            let times = |w: &f32, f: &f64| (f64::from(*w) * f) as f32;
            let scaled = |weights: &[f32]| weights.iter().zip(factors).map(|(w, f)| times(w, f)).collect();
            let weights: Vec<f32> = scaled(row.weights);
            let all = row.all.chunks_exact(row.weights.len()).flat_map(|tap| tap.iter().zip(factors));
            let unit = all.fold(0f32, |most, (w, f)| most.max(times(w, f).abs())) / 127.0;
            let unit = unit.max(f32::MIN_POSITIVE);
            let integers: Vec<f32> = weights.iter().map(|w| (w / unit).round() * unit).collect();
            for (x, y) in exact.iter().zip(&rounded) {
                let dot =
                    |x: &[f32], w: &[f32]| x[here.clone()].iter().zip(w).map(|(a, b)| a * b).sum::<f32>();
                let want = dot(x, &weights);
                noise += math::square(f64::from(dot(y, &integers) - want));
                signal += math::square(f64::from(want));
            }
        }
        noise / signal
    }

    /// Divides the channels where they are made, and multiplies the weights that read them.
    fn change(&self, model: &mut Graph, channels: &Channels) {
        let Channels { shift, factor, .. } = channels;
        for &layer in &self.layers {
            take_back(&mut model.nodes[layer], shift, factor);
        }
        match self.maker {
            Maker::Layer(layer) => {
                let (Node::Conv { dense, .. } | Node::Linear { dense, .. }) = &mut model.nodes[layer] else {
                    return;
                };
                let rows = dense.weights.chunks_exact_mut(dense.k).zip(&mut dense.bias);
                for ((row, bias), (s, f)) in rows.zip(shift.iter().zip(factor)) {
                    row.iter_mut().for_each(|w| *w = (f64::from(*w) / f) as f32);
                    *bias = ((f64::from(*bias) - s) / f) as f32;
                }
            }
            Maker::Stream => self.branch(model, shift, factor),
        }
    }

    /// Makes the layers read changed channels of a stream.
    fn branch(&self, model: &mut Graph, shift: &[f64], factor: &[f64]) {
        let stream = &model.tensors[self.tensor];
        let (name, rows, width) = (format!("{}.equalized", stream.name), stream.rows, stream.width);
        let out = model.tensor(name, rows, width);
        for &layer in &self.layers {
            if let Node::Conv { x, .. } | Node::Linear { x, .. } = &mut model.nodes[layer] {
                *x = out;
            }
        }
        let scale = factor.iter().map(|f| (1.0 / f) as f32).collect();
        let offset = shift.iter().zip(factor).map(|(s, f)| (-s / f) as f32).collect();
        let made = model.nodes.iter().position(|node| node.output() == self.tensor);
        let at = made.map_or(0, |made| made + 1);
        model.nodes.insert(at, Node::Affine { x: self.tensor, out, scale, offset });
    }
}

/// Whether `node` moves whole pixels of `tensor`, alone or among zeros.
fn moves_pixels(node: &Node, tensor: TensorId) -> bool {
    match node {
        Node::Rows { .. } | Node::Gather { .. } => true,
        Node::Concat { parts, .. } => parts.iter().all(|part| is_zero_or(part, tensor)),
        _ => false,
    }
}

fn is_zero_or(part: &Part, tensor: TensorId) -> bool {
    match part {
        Part::Tensor(id) => *id == tensor,
        Part::Constant(values) => values.iter().all(|&v| v == 0.0),
    }
}

/// Weights of one output channel that meet consecutive input channels of one pixel.
struct Row<'a> {
    /// The first of these channels.
    offset: usize,
    weights: &'a [f32],
    /// All weights of the output channel, which share a scale.
    all: &'a [f32],
}

/// Channels of a pixel that an output channel of a layer sees, and how many output channels see
/// the same.
fn seen(node: &Node) -> Option<(&Dense, usize, usize)> {
    match node {
        Node::Linear { dense, .. } => Some((dense, dense.k, dense.n)),
        Node::Conv { dense, geometry, .. } => {
            let groups = (geometry.groups as usize).max(1);
            Some((dense, geometry.input[2] as usize / groups, dense.n / groups))
        }
        _ => None,
    }
}

/// For each output channel of a layer the largest of its weights at one pixel.
fn rows(node: &Node) -> Vec<Row<'_>> {
    let Some((dense, channels, sharing)) = seen(node) else { return Vec::new() };
    let energy = |weights: &[f32]| weights.iter().map(|&w| math::square(f64::from(w))).sum::<f64>();
    dense
        .weights
        .chunks_exact(dense.k)
        .enumerate()
        .filter_map(|(n, all)| {
            let taps = all.chunks_exact(channels);
            let weights = taps.max_by(|a, b| energy(a).total_cmp(&energy(b)))?;
            Some(Row { offset: n / sharing.max(1) * channels, weights, all })
        })
        .collect()
}

/// Makes a layer take changed channels: `W·x = (W·factor)·x' + W·shift`.
fn take_back(node: &mut Node, shift: &[f64], factor: &[f64]) {
    let Some((_, channels, sharing)) = seen(node) else { return };
    let (Node::Conv { dense, .. } | Node::Linear { dense, .. }) = node else { return };
    let rows = dense.weights.chunks_exact_mut(dense.k).zip(&mut dense.bias).enumerate();
    for (n, (row, bias)) in rows {
        let offset = n / sharing.max(1) * channels;
        for tap in row.chunks_exact_mut(channels) {
            let moved: f64 = tap.iter().zip(&shift[offset..]).map(|(&w, s)| f64::from(w) * s).sum();
            *bias = (f64::from(*bias) + moved) as f32;
            for (w, f) in tap.iter_mut().zip(&factor[offset..]) {
                *w = (f64::from(*w) * f) as f32;
            }
        }
    }
}
