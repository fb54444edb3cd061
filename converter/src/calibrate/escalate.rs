//! The precision of layers: what the user says, else one bit for weights that were trained
//! so, and 16 bits for the inputs where eight cost too much, as long as few products are
//! slowed down. Of a convolution it is the weights that get 16 bits.

use facts::{Change, ChangeKind};
use float::{Dense, Function, Graph, Node, math};

use super::layers::{Layers, layers, matches};
use super::options::QuantizeOptions;
use super::precision::Precision;
use super::range::{self, Measure, Scale};
use super::sample::some_rows;
use super::statistics::{Activation, Statistics};
use crate::error::ConvertError;
use crate::graph::Width;

/// A layer's output has to be this far above the error of its rounded input, in decibels.
const WANTED_DB: f64 = 30.0;
/// The same where signs are taken behind it: a small error turns those near zero.
const WANTED_BINARY_DB: f64 = 60.0;
/// Rows and output channels that the error is measured on.
const ROWS: usize = 96;
const CHANNELS: usize = 128;

/// What was decided for layers, and which of them are worth 16 bits.
pub(super) struct Choice {
    fixed: Layers,
    overridden: Vec<Change>,
    /// Those that need them most come first.
    pub(super) escalations: Vec<Escalation>,
}

/// A layer that eight bits cost too much.
pub(super) struct Escalation {
    index: usize,
    layer: String,
    /// The weights of a convolution, or the activations that a layer reads.
    weights: bool,
    reason: Reason,
}

/// Why eight bits are not enough.
enum Reason {
    /// They leave this signal over noise, in decibels, and that is wanted.
    Noise { snr: f64, wanted: f64 },
    /// So few rows of the input were seen that others leave their range.
    Scarce { rows: usize },
}

impl Reason {
    /// The signal over noise that eight bits leave, as far as it is known.
    fn snr(&self) -> f64 {
        match *self {
            Reason::Noise { snr, .. } => snr,
            Reason::Scarce { .. } => f64::NEG_INFINITY,
        }
    }

    fn is_met(&self) -> bool {
        match *self {
            Reason::Noise { snr, wanted } => snr < wanted,
            Reason::Scarce { .. } => true,
        }
    }

    /// In words, with the verb of `leave`.
    fn words(&self, leave: &str) -> String {
        match *self {
            Reason::Noise { snr, wanted } => {
                format!("int8 {leave} {snr:.1} dB of signal over noise, {wanted:.0} are wanted")
            }
            Reason::Scarce { rows } => {
                format!("{rows} rows of its input were seen, and others will leave their range")
            }
        }
    }
}

impl Choice {
    /// The layers, with 16 bits for the first `kept` of the escalations.
    pub(super) fn layers(&self, kept: usize) -> Layers {
        let mut layers = self.fixed.clone();
        layers.reads.extend(self.escalations.iter().take(kept).map(|one| (one.index, Width::I16)));
        layers
    }

    /// What the user decided, and what became of the escalations where `kept` were made.
    pub(super) fn changes(self, kept: usize, flash: Option<u64>) -> Vec<Change> {
        let mut changes = self.overridden;
        let escalations = self.escalations.into_iter().enumerate();
        changes.extend(escalations.map(|(at, one)| one.change(at < kept, flash)));
        changes
    }
}

impl Escalation {
    fn change(self, made: bool, flash: Option<u64>) -> Change {
        let Self { layer, weights, reason, .. } = self;
        let what = if weights { "has 16-bit weights" } else { "reads int16 activations" };
        match (made, flash) {
            (false, Some(flash)) => Change {
                kind: ChangeKind::Withheld,
                layer,
                what: format!("would be better where it {what}, which does not fit {flash} bytes"),
                why: reason.words("leaves"),
            },
            (true, _) | (false, None) => Change {
                kind: ChangeKind::Escalated,
                layer,
                what: what.into(),
                why: reason.words("would leave"),
            },
        }
    }
}

/// Decides for every layer.
pub(super) fn choose(
    model: &Graph,
    statistics: &Statistics,
    options: &QuantizeOptions,
) -> Result<Choice, ConvertError> {
    let wanted = if options.binary { WANTED_BINARY_DB } else { WANTED_DB };
    let (mut fixed, mut overridden) = (Layers::default(), Vec::new());
    let mut candidates = Vec::new();
    let mut total = 0f64;
    for (index, name) in layers(model) {
        let (Node::Linear { x, out, dense } | Node::Conv { x, out, dense, .. }) = &model.nodes[index] else {
            continue;
        };
        let linear = matches!(model.nodes[index], Node::Linear { .. });
        let cost = (model.tensors[*out].rows * dense.n * dense.k) as f64;
        total += cost;
        let binary = options.binary && linear && dense.is_binary();
        let wish = options.precision.iter().rfind(|(pattern, _)| matches(pattern, name));
        let candidate =
            |reason| (Escalation { index, layer: name.to_owned(), weights: !linear, reason }, cost);
        let noise = |snr| Reason::Noise { snr, wanted };
        if let Some((_, precision)) = wish {
            check(name, *precision, binary, linear)?;
            fixed.reads.insert(index, precision.activations());
            overridden.push(Change {
                kind: ChangeKind::Overridden,
                layer: name.to_owned(),
                what: if linear { precision.what() } else { precision.weights() }.into(),
                why: "as the command line says".into(),
            });
        } else if linear && can_widen(model, *x, options.binary) {
            let seen = &statistics.activations[*x];
            candidates.push(candidate(match seen.is_scarce() {
                true => Reason::Scarce { rows: seen.seen },
                false => noise(input_snr(dense, seen)),
            }));
        } else if !linear && options.binary {
            candidates.push(candidate(noise(weight_snr(dense))));
        }
        if binary && wish.is_none_or(|(_, precision)| precision.binary()) {
            fixed.binary.insert(index);
        }
    }
    candidates.sort_by(|(a, _), (b, _)| a.reason.snr().total_cmp(&b.reason.snr()));
    let mut left = options.escalation * total;
    candidates.retain(|(one, cost)| {
        let taken = one.reason.is_met() && *cost <= left;
        left -= if taken { *cost } else { 0.0 };
        taken
    });
    let escalations = candidates.into_iter().map(|(one, _)| one).collect();
    Ok(Choice { fixed, overridden, escalations })
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
    let Some(node) = model.nodes.iter().find(|node| node.output() == x) else { return false };
    match node {
        Node::LayerNorm { .. }
        | Node::GroupNorm { .. }
        | Node::Add { .. }
        | Node::Mul { .. }
        | Node::Div { .. } => true,
        Node::Mean { .. } | Node::Affine { .. } => !binary,
        Node::Activate { function, .. } => binary && *function != Function::Sign,
        Node::Rows { x, .. } | Node::Permute { x, .. } => !binary && can_widen(model, *x, binary),
        _ => false,
    }
}

/// Signal over noise of a layer's weights rounded to int8, in decibels.
fn weight_snr(dense: &Dense) -> f64 {
    let (mut signal, mut noise) = (0f64, 0f64);
    for row in dense.weights.chunks_exact(dense.k) {
        let step = row.iter().fold(0f64, |m, w| m.max(f64::from(w.abs()))) / 127.0;
        for &w in row {
            let w = f64::from(w);
            signal += w * w;
            noise += math::square(w - (w / step.max(f64::MIN_POSITIVE)).round() * step);
        }
    }
    10.0 * math::log10(signal / noise.max(f64::MIN_POSITIVE))
}

/// Signal over noise of the layer's output, in decibels, when only its input is rounded.
fn input_snr(dense: &Dense, activation: &Activation) -> f64 {
    if activation.width != dense.k {
        return f64::INFINITY;
    }
    let measure = Measure::Values { columns: &[], function: None, tail: None };
    let scale = range::int8(&[activation], true, &measure);
    let [signal, noise] = energies(dense, activation, &scale);
    10.0 * math::log10(signal / noise.max(f64::MIN_POSITIVE))
}

fn energies(dense: &Dense, activation: &Activation, scale: &Scale) -> [f64; 2] {
    let means = activation.column_means(f64::from);
    let (mut signal, mut noise) = (0.0, 0.0);
    for row in some_rows(&activation.samples, activation.width, ROWS) {
        let errors: Vec<f32> = row.iter().map(|&v| scale.round8(v) - v).collect();
        // What all rows share is no signal.
        let varying: Vec<f32> = row.iter().zip(&means).map(|(&v, &m)| v - m as f32).collect();
        for w in some_rows(&dense.weights, dense.k, CHANNELS) {
            let dot = |x: &[f32]| w.iter().zip(x).map(|(a, b)| a * b).sum::<f32>();
            signal += math::square(f64::from(dot(&varying)));
            noise += math::square(f64::from(dot(&errors)));
        }
    }
    [signal, noise]
}
