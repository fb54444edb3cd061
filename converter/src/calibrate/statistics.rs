//! What activations look like on the calibration images.

use float::Progress;
use float::{Evaluator, Graph, Node, TensorId, least_score, math};
use rayon::prelude::*;

use super::attention;
use super::sample::spread;
use crate::error::ConvertError;

/// Rows kept of each activation, over all images.
const SAMPLED_ROWS: usize = 512;

/// What one activation looks like.
#[derive(Clone, Debug, Default)]
pub(super) struct Activation {
    /// Elements of a row.
    pub width: usize,
    /// Least value of each column.
    pub low: Vec<f32>,
    /// Largest value of each column.
    pub high: Vec<f32>,
    /// Rows that these are of.
    pub seen: usize,
    /// Some of its rows.
    pub samples: Vec<f32>,
}

/// Fewer rows than these say little of others: after so many, one more leaves the range of those
/// seen in one channel of 64.
const FEW_ROWS: usize = 128;
/// So many rows leave little that others may add to their range.
const MANY_ROWS: usize = 4096;

impl Activation {
    /// Whether so few rows were seen that others will leave their range.
    pub fn is_scarce(&self) -> bool {
        self.seen < FEW_ROWS
    }

    /// Whether so many rows were seen that others hardly leave their range.
    pub fn is_ample(&self) -> bool {
        self.seen >= MANY_ROWS
    }

    /// The first and the second half of the samples, which are of other images, each with its own
    /// ranges.
    pub fn halves(&self) -> [Self; 2] {
        let rows = self.samples.len() / self.width;
        let (first, second) = self.samples.split_at(rows / 2 * self.width);
        [first, second].map(|samples| {
            let mut half = Self::new(self.width);
            half.record(samples, samples.len() / self.width, 0);
            half
        })
    }

    /// Least value.
    pub fn min(&self) -> f32 {
        self.low.iter().copied().fold(f32::INFINITY, f32::min)
    }

    /// Largest value.
    pub fn max(&self) -> f32 {
        self.high.iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }

    /// Negative values become 0.
    fn rectify(&mut self) {
        for value in self.low.iter_mut().chain(&mut self.high).chain(&mut self.samples) {
            // A NaN stays.
            *value = if *value < 0.0 { 0.0 } else { *value };
        }
    }

    /// Mean of `of(value)` in each column over the samples.
    pub fn column_means(&self, of: impl Fn(f32) -> f64) -> Vec<f64> {
        let mut sums = vec![0f64; self.width];
        for row in self.samples.chunks_exact(self.width) {
            for (sum, &v) in sums.iter_mut().zip(row) {
                *sum += of(v);
            }
        }
        let rows = (self.samples.len() / self.width).max(1) as f64;
        sums.into_iter().map(|sum| sum / rows).collect()
    }

    fn new(width: usize) -> Self {
        let (low, high) = (vec![f32::INFINITY; width], vec![f32::NEG_INFINITY; width]);
        Self { width, low, high, seen: 0, samples: vec![] }
    }

    /// Takes note of `values`; keeps `keep` rows, different ones of each image.
    fn record(&mut self, values: &[f32], keep: usize, image: usize) {
        for row in values.chunks_exact(self.width) {
            for ((low, high), &v) in self.low.iter_mut().zip(&mut self.high).zip(row) {
                // A NaN stays: it fails the comparison that would drop it.
                *low = if v > *low { *low } else { v };
                *high = if v < *high { *high } else { v };
            }
        }
        let rows = values.len() / self.width;
        self.seen += rows;
        for index in spread(rows, keep, image) {
            self.samples.extend_from_slice(&values[index * self.width..][..self.width]);
        }
    }

    fn merge(&mut self, other: Activation) {
        for (low, v) in self.low.iter_mut().zip(other.low) {
            *low = if v > *low { *low } else { v };
        }
        for (high, v) in self.high.iter_mut().zip(other.high) {
            *high = if v < *high { *high } else { v };
        }
        self.seen += other.seen;
        self.samples.extend(other.samples);
    }
}

/// What all activations look like.
#[derive(Clone, Debug)]
pub(super) struct Statistics {
    /// By tensor.
    pub activations: Vec<Activation>,
    /// By node: rows of attention scores, `keys` wide; empty for other nodes.
    pub scores: Vec<Vec<f32>>,
    /// By image: the mean square of each tensor.
    pub energies: Vec<Vec<f64>>,
}

impl Statistics {
    fn new(model: &Graph) -> Self {
        Self {
            activations: model.tensors.iter().map(|t| Activation::new(t.width)).collect(),
            scores: vec![Vec::new(); model.nodes.len()],
            energies: Vec::new(),
        }
    }

    fn merge(&mut self, other: Statistics) {
        for (mine, theirs) in self.activations.iter_mut().zip(other.activations) {
            mine.merge(theirs);
        }
        for (mine, theirs) in self.scores.iter_mut().zip(other.scores) {
            mine.extend(theirs);
        }
        self.energies.extend(other.energies);
    }

    /// Every activation is finite.
    pub fn check(&self, model: &Graph) -> Result<(), ConvertError> {
        let score_widths = model.scores();
        for node in &model.nodes {
            let id = node.output();
            if let Node::AddConstant { values, .. } = node {
                check_mask(&model.tensors[id].name, values, score_widths[id])?;
            }
            let (activation, name) = (&self.activations[id], &model.tensors[id].name);
            let columns = activation.low.iter().chain(&activation.high);
            if columns.clone().any(|v| !v.is_finite()) {
                return Err(ConvertError::NotFinite { name: name.clone() });
            }
        }
        Ok(())
    }
}

/// A constant holds no −∞, unless softmaxes of so many scores read the sum and it leaves each
/// of them one.
fn check_mask(name: &str, values: &[f32], width: Option<usize>) -> Result<(), ConvertError> {
    let excluded = |value: &f32| *value == f32::NEG_INFINITY;
    let refused = |reason: String| Err(ConvertError::Layer { layer: name.to_owned(), reason });
    match width {
        None if values.iter().any(excluded) => {
            refused("it adds −∞, which only scores right before a softmax may be given".into())
        }
        Some(width) => match values.chunks(width).position(|row| row.iter().all(excluded)) {
            Some(row) => refused(format!(
                "it adds −∞ to every score of row {row}, whose softmax is no number; leave the row one key, or add \
                 −10000"
            )),
            None => Ok(()),
        },
        None => Ok(()),
    }
}

/// Runs the float model on every frame.
pub(super) fn collect(
    model: &Graph,
    frames: &[&[u8]],
    stage: &str,
    progress: &dyn Progress,
) -> Result<Statistics, ConvertError> {
    let evaluator = Evaluator::new(model)?;
    let keep = SAMPLED_ROWS.div_ceil(frames.len());
    let queried = attention::operands(model);
    let score_widths = model.scores();
    progress.begin(stage, frames.len());
    let mut all = Statistics::new(model);
    // A few images at a time: their samples wait to be merged in order.
    let batch = rayon::current_num_threads().max(1) * 2;
    for (start, frames) in frames.chunks(batch).enumerate().map(|(i, frames)| (i * batch, frames)) {
        let parts: Vec<Statistics> = frames
            .par_iter()
            .enumerate()
            .map(|(index, frame)| {
                let mut part = Statistics::new(model);
                let mut energies = vec![0.0; model.tensors.len()];
                let mut held: Vec<Option<Vec<f32>>> = vec![None; model.tensors.len()];
                evaluator.trace(frame, &mut |id: TensorId, values: &[f32]| {
                    energies[id] = energy(values);
                    match score_widths[id] {
                        Some(width) => {
                            part.activations[id].record(&taking_part(values, width), keep, start + index);
                        }
                        None => part.activations[id].record(values, keep, start + index),
                    }
                    if queried.is_operand[id] {
                        held[id] = Some(values.to_vec());
                    }
                    if let Some(node) = queried.attention_of[id] {
                        part.scores[node] = scores(&model.nodes[node], &held, frames.len(), start + index);
                    }
                });
                progress.step();
                part.energies.push(energies);
                part
            })
            .collect();
        for part in parts {
            all.merge(part);
        }
    }
    // What is below 0 before a ReLU needs no integers: int8 and int16 saturate there.
    let rectified = all.activations.iter_mut().zip(model.rectified()).filter(|(_, rectified)| *rectified);
    rectified.for_each(|(activation, _)| activation.rectify());
    Ok(all)
}

/// Mean square of the finite values.
fn energy(values: &[f32]) -> f64 {
    let finite = values.iter().filter(|v| v.is_finite());
    finite.map(|v| math::square(f64::from(*v))).sum::<f64>() / values.len().max(1) as f64
}

/// Scores in rows of `width`: each that takes no part in its softmax as the least that does, and
/// 0 where none does. NaN stays.
fn taking_part(scores: &[f32], width: usize) -> Vec<f32> {
    let mut scores = scores.to_vec();
    for row in scores.chunks_mut(width) {
        match least_score(row) {
            Some(least) => row.iter_mut().filter(|v| **v < least).for_each(|v| *v = least),
            None => row.fill(0.0),
        }
    }
    scores
}

fn scores(node: &Node, held: &[Option<Vec<f32>>], images: usize, image: usize) -> Vec<f32> {
    let Node::Attention { q, k, keys, heads, head_dim, scales, .. } = node else { return Vec::new() };
    match (&held[q.tensor], &held[k.tensor]) {
        (Some(queries), Some(key_rows)) => attention::sampled_scores(
            (queries, *q),
            (key_rows, *k),
            (*keys, *heads, *head_dim),
            scales,
            SAMPLED_ROWS.div_ceil(images * heads).max(1),
            image,
        ),
        _ => Vec::new(),
    }
}
