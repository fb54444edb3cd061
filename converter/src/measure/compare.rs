//! The answers of an integer program against those of its float model.

use std::collections::BTreeMap;

use facts::Comparison;
use float::Evaluator;
use float::Progress;
use quant::ops::Tensor;
use quant::{Fault, Reference};
use rayon::prelude::*;
use runtime::{Model, OutputKind};

use super::error::MeasureError;
use super::memory::Aligned;
use super::outputs::Sums;
use super::run::{check_frames, load, start};

/// Runs both models on `frames` and compares their outputs: the cosine and the errors of each
/// output, and for classifiers the class (ties go to the lowest) with `labels`, one for each frame.
/// `name` says which images they are.
///
/// # Errors
///
/// [`MeasureError`] for a container that is refused, no frames, frames of another size,
/// fewer labels than frames, or outputs that the float model does not have; what the
/// evaluator refuses.
pub fn compare(
    float: &float::Graph,
    container: &[u8],
    frames: &[Vec<u8>],
    labels: Option<&[u32]>,
    name: &str,
    progress: &dyn Progress,
) -> Result<Comparison, MeasureError> {
    let container = Aligned::copy_of(container);
    let model = load(&container)?;
    check_frames(&model, float, frames)?;
    check_outputs(&model, float)?;
    if let Some(labels) = labels.filter(|labels| labels.len() < frames.len()) {
        return Err(MeasureError::Labels { labels: labels.len(), frames: frames.len() });
    }
    let classifier = model.outputs().position(|output| output.kind == OutputKind::Logits);
    let evaluator = Evaluator::new(float)?;
    let scales = model.outputs().map(|output| f32::from_bits(output.scale.0));
    let mut sums: Vec<Sums> = scales.map(Sums::new).collect();
    let mut answers = Vec::with_capacity(frames.len());
    progress.begin("comparing answers", frames.len());
    // A few images at a time: their outputs wait to be added in order.
    for frames in frames.chunks(rayon::current_num_threads().max(1) * 2) {
        let parts: Result<Vec<_>, MeasureError> = frames
            .par_iter()
            .map(|frame| {
                let (float, integer) = (evaluator.run(frame), outputs(&model, frame)?);
                progress.step();
                Ok((Answer::new(&float, &integer, classifier), float, integer))
            })
            .collect();
        for (answer, float, integer) in parts? {
            answers.push(answer);
            for (sums, (float, integer)) in sums.iter_mut().zip(float.into_iter().zip(integer)) {
                sums.add(float, integer);
            }
        }
    }
    let figures =
        sums.into_iter().zip(&float.outputs).map(|(sums, output)| sums.finish(output, frames.len()));
    Ok(Comparison { outputs: figures.collect(), ..summary(&answers, labels, name) })
}

fn check_outputs(model: &Model<'_>, float: &float::Graph) -> Result<(), MeasureError> {
    let program: Vec<usize> = model.outputs().map(|output| output.slot.len as usize).collect();
    let lens: Vec<usize> = float.outputs.iter().map(|output| float.tensors[output.tensor].len()).collect();
    for index in 0..program.len().max(lens.len()) {
        let (program, float) = (program.get(index).copied(), lens.get(index).copied());
        if program != float {
            let (program, float) = (program.unwrap_or(0), float.unwrap_or(0));
            return Err(MeasureError::Output { index, program, float });
        }
    }
    Ok(())
}

/// The integers of every output of `model` for `frame`.
fn outputs(model: &Model<'_>, frame: &[u8]) -> Result<Vec<Vec<i32>>, MeasureError> {
    let mut arena = Aligned::zeroed(model.arena_len());
    let mut session = start(model, &mut arena, frame)?;
    session.run(&mut Reference).map_err(MeasureError::Fault)?;
    let values = |tensor: Tensor<'_>| (0..tensor.len()).map(|i| tensor.get(i)).collect();
    (0..model.outputs().count())
        .map(|index| session.output(index).map(values).ok_or(MeasureError::Fault(Fault::Bounds)))
        .collect()
}

/// What is kept of one frame.
struct Answer {
    cosine: f64,
    /// Float and integer class.
    classes: Option<(usize, usize)>,
}

impl Answer {
    fn new(float: &[Vec<f32>], integer: &[Vec<i32>], classifier: Option<usize>) -> Self {
        let cosines = float.iter().zip(integer).map(|(x, q)| cosine(x, q));
        let cosine = cosines.sum::<f64>() / integer.len().max(1) as f64;
        let classes = classifier.and_then(|at| Some((answer(float.get(at)?), answer(integer.get(at)?))));
        Self { cosine, classes }
    }
}

/// Of two zero vectors 1, of one 0.
pub(super) fn cosine(x: &[f32], q: &[i32]) -> f64 {
    let (mut xx, mut qq, mut xq) = (0.0, 0.0, 0.0);
    for (&x, &q) in x.iter().zip(q) {
        let (x, q) = (f64::from(x), f64::from(q));
        xx += x * x;
        qq += q * q;
        xq += x * q;
    }
    if xx == 0.0 && qq == 0.0 {
        return 1.0;
    }
    let cosine = xq / (xx.sqrt() * qq.sqrt());
    if cosine.is_finite() { cosine.clamp(-1.0, 1.0) } else { 0.0 }
}

/// The class that logits stand for; of one alone whether its chance is one half at least.
fn answer<T: PartialOrd + Default>(logits: &[T]) -> usize {
    match logits {
        [logit] => usize::from(*logit >= T::default()),
        logits => largest(logits),
    }
}

/// The first index of the largest value.
pub(super) fn largest<T: PartialOrd>(values: &[T]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best
}

/// How often the most frequent of `classes` is among them.
fn most(classes: impl Iterator<Item = usize>) -> usize {
    let mut counts = BTreeMap::new();
    classes.for_each(|class| *counts.entry(class).or_insert(0) += 1);
    counts.into_values().max().unwrap_or(0)
}

fn summary(answers: &[Answer], labels: Option<&[u32]>, name: &str) -> Comparison {
    let images = answers.len();
    let percent = |count: usize| 100.0 * count as f64 / images as f64;
    let classes: Option<Vec<(usize, usize)>> = answers.iter().map(|answer| answer.classes).collect();
    let right = |pick: fn(&(usize, usize)) -> usize| {
        let pairs = classes.as_ref()?.iter().zip(labels?);
        Some(percent(pairs.filter(|(pair, label)| pick(pair) == **label as usize).count()))
    };
    Comparison {
        data: name.to_owned(),
        images,
        seen: false,
        outputs: Vec::new(),
        largest_class: classes.as_ref().map(|classes| percent(most(classes.iter().map(|(float, _)| *float)))),
        agreement: classes.as_ref().map(|c| percent(c.iter().filter(|(f, q)| f == q).count())),
        cosine: answers.iter().map(|answer| answer.cosine).sum::<f64>() / images as f64,
        float_top1: right(|pair| pair.0),
        integer_top1: right(|pair| pair.1),
    }
}
