//! `run`: classify images.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;
use shiftformer::{Model, labels};

use crate::failure::Failure;
use crate::frames::FrameSource;
use crate::model::Logits;
use crate::output::emit;
use crate::place::EngineArgs;

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The container.
    model: PathBuf,
    /// Image files: PNG, JPEG, BMP or PNM.
    #[arg(required = true)]
    images: Vec<PathBuf>,
    /// Classes to print for each image.
    #[arg(long, value_name = "K", default_value = "5")]
    top: NonZeroUsize,
    /// Names of the classes, one a line.
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    #[command(flatten)]
    engine: EngineArgs,
}

const EXAMPLES: &str = r"Examples, in a clone (the first of `convert --help` makes model.shf):
  shiftformer run model.shf data/ankle-boot.png
  shiftformer run model.shf data/ankle-boot.png data/pullover.png --json \
      --top 3 --labels data/fmnist-labels.txt";

#[derive(Debug, Serialize)]
struct Classified {
    image: PathBuf,
    /// Milliseconds of the run, without reading the image.
    ms: f64,
    top: Vec<Ranked>,
}

#[derive(Debug, Serialize)]
struct Ranked {
    class: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// For people; the order comes from the logits.
    probability: f32,
    logit: i32,
}

impl From<shiftformer::Ranked<'_>> for Ranked {
    fn from(ranked: shiftformer::Ranked<'_>) -> Self {
        let shiftformer::Ranked { class, label, logit, probability } = ranked;
        Self { class, label: label.map(str::to_owned), probability, logit }
    }
}

/// Classifies the images.
pub fn run(args: &Args, json: bool) -> Result<(), Failure> {
    let backend = args.engine.backend(NonZeroUsize::MIN)?;
    let model = Model::open(&args.model)?;
    let classes = Logits::of(&model)?.classes;
    let source = FrameSource::of(&model)?;
    let names = args.labels.as_deref().map(|path| read_names(path, classes)).transpose()?;
    let names = names.unwrap_or_default();
    let mut session = model.session_on(backend.as_ref())?;
    let mut classified = Vec::new();
    for image in &args.images {
        let frame = source.read(image)?;
        let start = Instant::now();
        let ran = session.run(&frame).map(|outputs| (start.elapsed(), outputs.logits()));
        let (time, logits) = ran.map_err(|error| Failure::new(format!("{}: {error}", model.name())))?;
        let ms = time.as_secs_f64() * 1e3;
        let best = logits.map(|logits| logits.top_k(args.top.get(), &names)).unwrap_or_default();
        let top = best.into_iter().map(Ranked::from).collect();
        classified.push(Classified { image: image.clone(), ms, top });
    }
    emit(json, &classified, |all| all.iter().map(text).collect::<Vec<_>>().join("\n"))
}

fn text(classified: &Classified) -> String {
    let mut text = format!("{}  ({:.2} ms)", classified.image.display(), classified.ms);
    for ranked in &classified.top {
        let label = ranked.label.as_deref().unwrap_or("");
        let share = f64::from(ranked.probability) * 100.0;
        text += &format!("\n  {share:6.2} %  class {:<4} {label}", ranked.class);
    }
    text
}

/// One name for each class.
fn read_names(path: &Path, classes: usize) -> Result<Vec<String>, Failure> {
    let text = fs::read_to_string(path).map_err(Failure::io("cannot read", path))?;
    labels(&text, classes).map_err(|found| {
        let message = format!("{}: {found} names, the model has {classes} classes", path.display());
        Failure::new(message).help("write one name a line, in the order of the classes")
    })
}
