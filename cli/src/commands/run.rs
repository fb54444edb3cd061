//! `run`: what a model says of images.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use conversion::FrameSource;
use conversion::labels::read;
use serde::Serialize;
use shiftformer::runtime::OutputKind;
use shiftformer::{Model, OutputInfo};

use crate::answer::{Answer, Shown};
use crate::failure::Failure;
use crate::output::emit;
use crate::place::{EngineArgs, session};

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The container.
    model: PathBuf,
    /// Image files: PNG, JPEG, WebP, TIFF, BMP or PNM.
    #[arg(required = true)]
    images: Vec<PathBuf>,
    /// Classes to print for each image.
    #[arg(long, value_name = "K", default_value = "5")]
    top: NonZeroUsize,
    /// Names of the classes, one a line [default: those in the container].
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    #[command(flatten)]
    threshold: ThresholdArgs,
    #[command(flatten)]
    engine: EngineArgs,
}

/// From when on a class counts that is not one of several.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct ThresholdArgs {
    /// The chance from which on a class counts, of models that end in a sigmoid.
    #[arg(long, value_name = "P", default_value = "0.5", value_parser = chance)]
    pub threshold: f64,
}

const EXAMPLES: &str = r"Examples, in a clone (the first of `convert --help` makes model.shf):
  shiftformer run model.shf data/ankle-boot.png
  shiftformer run model.shf data/ankle-boot.png data/pullover.png --json \
      --top 3 --labels data/fmnist-labels.txt

What is printed is what the model gives: shares of classes behind a softmax and
of logits; the chance of each class by itself behind a sigmoid, of those that
reach --threshold; the class alone behind an argmax; numbers, vectors and maps.";

#[derive(Debug, Serialize)]
struct Ran {
    image: PathBuf,
    /// Milliseconds of the run, without reading the image.
    ms: f64,
    /// What the first output of logits says, or the first output.
    #[serde(flatten)]
    answer: Answer,
    /// What the other outputs say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    others: Vec<Answer>,
}

/// Runs the model on the images.
pub fn run(args: &Args, json: bool) -> Result<(), Failure> {
    let backend = args.engine.backend(NonZeroUsize::MIN)?;
    let file = Model::open(&args.model)?;
    let source = FrameSource::of(&file)?;
    let labels = names(args.labels.as_deref(), &file, &outputs(&file))?;
    let shown = Shown { top: args.top.get(), threshold: args.threshold.threshold, labels: &labels };
    let mut session = session(&file, backend.as_ref())?;
    // The session keeps what of it the engine reads.
    drop(file);
    let model = session.model().clone();
    let outputs = outputs(&model);
    let mut ran = Vec::new();
    for image in &args.images {
        let frame = source.read(image)?;
        let start = Instant::now();
        let result = session.run(&frame).map(|outputs| (start.elapsed(), outputs));
        let (time, given) = result.map_err(|error| Failure::new(format!("{}: {error}", model.name())))?;
        let ms = time.as_secs_f64() * 1e3;
        let answer = |output: &OutputInfo<'_>| {
            let values = given.values(output.index).unwrap_or_default();
            Answer::new(output, values, &shown)
        };
        let mut answers = outputs.iter().map(answer);
        let answer = answers.next().ok_or_else(|| Failure::new(format!("{} gives nothing", model.name())))?;
        ran.push(Ran { image: image.clone(), ms, answer, others: answers.collect() });
    }
    emit(json, &ran, |all| all.iter().map(text).collect::<Vec<_>>().join("\n"))
}

fn text(ran: &Ran) -> String {
    let mut lines = vec![format!("{}  ({:.2} ms)  {}", ran.image.display(), ran.ms, ran.answer.origin())];
    lines.extend(ran.answer.lines().iter().map(|line| format!("  {line}")));
    for other in &ran.others {
        lines.push(format!("  {}: {}", other.output(), other.origin()));
        lines.extend(other.lines().iter().map(|line| format!("    {line}")));
    }
    lines.join("\n")
}

/// What `model` gives, the answer first.
fn outputs(model: &Model) -> Vec<OutputInfo<'_>> {
    let mut outputs = model.outputs();
    outputs.sort_by_key(|output| output.kind != OutputKind::Logits);
    outputs
}

/// Names of the classes, from the file at `path` or else from the container; none where there are
/// none.
fn names(path: Option<&Path>, model: &Model, outputs: &[OutputInfo<'_>]) -> Result<Vec<String>, Failure> {
    let classes = outputs.first().map_or(0, OutputInfo::channels);
    let Some(path) = path else {
        return Ok(model.labels(classes).into_iter().map(str::to_owned).collect());
    };
    read(path, classes)
}

fn chance(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("expected a number from 0 to 1".into()),
    }
}
