//! `eval`: accuracy on labelled images.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use converter::data::{self, Dataset};
use serde::Serialize;
use shiftformer::top_k;

use crate::failure::Failure;
use crate::frames::FrameSource;
use crate::model::{EngineArgs, Logits};
use crate::output::{emit, write_file};
use crate::progress::Progress;
use crate::workers::{ThreadArgs, Workers};

/// Arguments of `eval`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The container.
    model: PathBuf,
    /// A folder of class folders, an .npz with `images` and `labels`, or an IDX images
    /// file with its labels beside it.
    #[arg(long)]
    data: PathBuf,
    /// Use only the first N images.
    #[arg(long, value_name = "N")]
    limit: Option<NonZeroUsize>,
    /// Write the integer logits, one row for each image, as a NumPy array of i32.
    #[arg(long, value_name = "OUT.npy")]
    logits: Option<PathBuf>,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    threads: ThreadArgs,
}

const EXAMPLES: &str = "\
Examples:
  shiftformer eval model.shf --data t10k-images-idx3-ubyte.gz
  shiftformer eval model.shf --data photos/ --limit 1000 --json
  shiftformer eval model.shf --data test.npz --backend reference --logits logits.npy";

#[derive(Debug, Serialize)]
struct Evaluation {
    /// Percent.
    top1: f64,
    /// Percent.
    top5: f64,
    n: usize,
    seconds: f64,
    images_per_s: f64,
    backend: &'static str,
    kernels: &'static str,
    threads: usize,
}

/// Evaluates the container.
pub fn run(args: &Args, json: bool) -> Result<(), Failure> {
    let options = args.engine.options();
    let file = args.engine.open(&args.model)?;
    let model = file.model()?;
    let logits = Logits::of(&model, file.name())?;
    let source = FrameSource::of(&model, file.name())?;
    let data = data::open(&args.data)?;
    let n = args.limit.map_or(data.len(), |limit| data.len().min(limit.get()));
    let labels = labels(&data, n, logits.classes)?;
    let threads = args.threads.count();
    let workers = Workers::new(&model, options, threads)?;
    let progress = Progress::bar("evaluating", n);
    let start = Instant::now();
    let rows = workers.run(n, |engine, index| {
        let row = logits.run(engine, &source.load(&data, index)?, file.name());
        progress.step();
        row
    })?;
    let seconds = start.elapsed().as_secs_f64();
    drop(progress);
    if let Some(path) = &args.logits {
        write_logits(path, &rows, logits.classes)?;
    }
    let evaluation = Evaluation {
        top1: accuracy(&rows, labels, 1),
        top5: accuracy(&rows, labels, 5),
        n,
        seconds,
        images_per_s: n as f64 / seconds,
        backend: options.backend.name(),
        kernels: options.kernel_set()?.name(),
        threads,
    };
    emit(json, &evaluation, |e| {
        let speed = format!("{:.2} s, {:.1} images/s", e.seconds, e.images_per_s);
        let engine = format!("{} ({} kernels, {} threads)", e.backend, e.kernels, e.threads);
        format!("top-1 {:.2} %  top-5 {:.2} %  of {} images\n{speed} on {engine}", e.top1, e.top5, e.n)
    })
}

/// The classes of the first `n` images, all known to the model.
fn labels(data: &Dataset, n: usize, classes: usize) -> Result<&[u32], Failure> {
    let labels = &data.labels()?[..n];
    match labels.iter().position(|&label| label as usize >= classes) {
        Some(at) => {
            let message = format!(
                "{}: image {at} is of class {}, the model has {classes} classes",
                data.path().display(),
                labels[at]
            );
            Err(Failure::new(message).help("labels count from 0; are data and model of the same task?"))
        }
        None => Ok(labels),
    }
}

/// Percent of rows with their label among the `k` largest logits.
pub(super) fn accuracy(rows: &[Vec<i32>], labels: &[u32], k: usize) -> f64 {
    let right = rows.iter().zip(labels).filter(|(row, label)| top_k(row, k).contains(label)).count();
    100.0 * right as f64 / rows.len() as f64
}

fn write_logits(path: &std::path::Path, rows: &[Vec<i32>], classes: usize) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    converter::npy::write_i32(&mut bytes, rows.len(), classes, &rows.concat())
        .map_err(Failure::io("cannot write", path))?;
    write_file(path, &bytes)
}
