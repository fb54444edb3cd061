//! `run`: classify images.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;
use shiftformer::{probabilities, top_k};

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

/// Classifies the images.
pub fn run(args: &Args, json: bool) -> Result<(), Failure> {
    let file = args.engine.open(&args.model)?;
    let model = file.model()?;
    let logits = Logits::of(&model, file.name())?;
    let source = FrameSource::of(&model, file.name())?;
    let names = args.labels.as_deref().map(|path| read_names(path, logits.classes)).transpose()?;
    let mut engine = args.engine.engines()?.engine(&model)?;
    let mut classified = Vec::new();
    for image in &args.images {
        let frame = source.read(image)?;
        let start = Instant::now();
        let row = logits.run(engine.as_mut(), &frame, file.name())?;
        let ms = start.elapsed().as_secs_f64() * 1e3;
        let shares = probabilities(&row, logits.scale);
        let ranked = |class: u32| Ranked {
            class,
            label: names.as_ref().map(|names| names[class as usize].clone()),
            probability: shares[class as usize],
            logit: row[class as usize],
        };
        let top = top_k(&row, args.top.get()).into_iter().map(ranked).collect();
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
    let names: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    if names.len() < classes {
        let message = format!("{}: {} names, the model has {classes} classes", path.display(), names.len());
        return Err(Failure::new(message).help("write one name a line, in the order of the classes"));
    }
    Ok(names)
}
