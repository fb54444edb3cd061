//! `eval`: accuracy on labelled images.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use converter::import::{ImportOptions, Imported, import};
use data::Dataset;
use facts::Stated;
use float::{Evaluator, Graph, Preprocessing};
use rayon::prelude::*;
use serde::Serialize;
use shiftformer::runtime::{FloatBits, Image, OutputKind};
use shiftformer::{Model, top_k};

use crate::conversion::identity;
use crate::failure::Failure;
use crate::frames::FrameSource;
use crate::model::Logits;
use crate::output::{emit, write_file};
use crate::overwriting::Files;
use crate::place::EngineArgs;
use crate::progress::Progress;
use crate::stream::{ThreadArgs, stream};

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
    /// The float model that the container was converted from: compare with it.
    #[arg(long, value_name = "MODEL")]
    against: Option<PathBuf>,
    /// The dimensions of that model as JSON [default: as in the conversion].
    #[arg(long, value_name = "FILE", requires = "against")]
    config: Option<PathBuf>,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    threads: ThreadArgs,
}

const EXAMPLES: &str = r"Examples, in a clone (the first of `convert --help` makes model.shf):
  shiftformer eval model.shf --data data/fmnist-test-1000-images-idx3-ubyte.gz
  shiftformer eval model.shf --against data/vit_fmnist_fp32.onnx \
      --data data/fmnist-test-1000-images-idx3-ubyte.gz
  shiftformer eval model.shf --limit 100 --json \
      --data data/fmnist-test-1000-images-idx3-ubyte.gz
  shiftformer eval model.shf --backend reference --logits logits.npy \
      --data data/fmnist-test-1000-images-idx3-ubyte.gz";

#[derive(Debug, Serialize)]
struct Evaluation {
    /// Percent.
    top1: f64,
    /// Percent.
    top5: f64,
    n: usize,
    seconds: f64,
    images_per_s: f64,
    backend: String,
    kernels: String,
    threads: usize,
    #[serde(flatten)]
    against: Option<Against>,
}

/// The float model on the same images.
#[derive(Debug, Serialize)]
struct Against {
    /// Percent of images with the same class first.
    agreement: f64,
    /// Percent.
    float_top1: f64,
    /// Mean cosine of float and integer logits.
    logit_cosine: f64,
}

/// Evaluates the container.
pub fn run(args: &Args, json: bool) -> Result<(), Failure> {
    if let Some(logits) = &args.logits {
        let files = Files::default().input("the container", &args.model).data(&args.data);
        let files = files.input("the facts", &report::sidecar_path(&args.model)).output("--logits", logits);
        let files = args.config.iter().fold(files, |files, config| files.input("the configuration", config));
        args.against.iter().fold(files, |files, model| files.model(model)).check()?;
    }
    let backend = args.engine.backend(args.threads.count())?;
    let model = Model::open(&args.model)?;
    let logits = Logits::of(&model)?;
    let source = FrameSource::of(&model)?;
    let data = data::open(&args.data)?;
    let n = args.limit.map_or(data.len(), |limit| data.len().min(limit.get()));
    let labels = labels(&data, n, logits.classes)?;
    let (mut session, threads) = (model.session_on(backend.as_ref())?, backend.limits().parallel);
    let progress = Progress::bar("evaluating", n);
    let (start, mut rows) = (Instant::now(), Vec::with_capacity(n));
    let load = |index| source.load(&data, index);
    stream(&mut session, (n, threads), load, |outputs| {
        rows.extend(outputs.values(logits.output).map(<[i32]>::to_vec));
        progress.step();
    })?;
    let seconds = start.elapsed().as_secs_f64();
    drop(progress);
    if let Some(path) = &args.logits {
        write_logits(path, &rows, logits.classes)?;
    }
    let against = match &args.against {
        Some(path) => {
            let float = float_model(args, path, &model)?;
            Some(compare(path, &float, &source, &data, &rows, labels)?)
        }
        None => None,
    };
    let evaluation = Evaluation {
        top1: accuracy(&rows, labels, 1),
        top5: accuracy(&rows, labels, 5),
        n,
        seconds,
        images_per_s: n as f64 / seconds,
        backend: session.backend().to_owned(),
        kernels: session.kernels().to_owned(),
        threads,
        against,
    };
    emit(json, &evaluation, |e| {
        let speed = format!("{:.2} s, {:.1} images/s", e.seconds, e.images_per_s);
        let engine = format!("{} ({} kernels, {} threads)", e.backend, e.kernels, e.threads);
        let float = e.against.as_ref().map(|a| {
            let (agreement, top1, cosine) = (a.agreement, a.float_top1, a.logit_cosine);
            format!("\nfloat {top1:.2} %  same answer {agreement:.2} %  cosine of logits {cosine:.5}")
        });
        let float = float.unwrap_or_default();
        format!("top-1 {:.2} %  top-5 {:.2} %  of {} images{float}\n{speed} on {engine}", e.top1, e.top5, e.n)
    })
}

/// Runs the float model that was read from `path`.
fn compare(
    path: &Path,
    float: &Graph,
    source: &FrameSource,
    data: &Dataset,
    rows: &[Vec<i32>],
    labels: &[u32],
) -> Result<Against, Failure> {
    let name = path.display().to_string();
    let evaluator = Evaluator::new(float).map_err(Failure::convert(&name))?;
    let found = float.outputs.iter().position(|output| output.kind == OutputKind::Logits);
    let classes = found.map(|output| float.tensors[float.outputs[output].tensor].len());
    let output = found.filter(|_| classes == rows.first().map(Vec::len)).ok_or_else(|| {
        Failure::new(format!("{name} has other classes than the container"))
            .help("give the model that the container was converted from")
    })?;
    let progress = Progress::bar(format!("evaluating {name}"), rows.len());
    let logits: Vec<Vec<f32>> = (0..rows.len())
        .into_par_iter()
        .map(|index| {
            let row = evaluator.run(&source.load(data, index)?).swap_remove(output);
            progress.step();
            Ok(row)
        })
        .collect::<Result<_, Failure>>()?;
    Ok(against(&logits, rows, labels))
}

/// The float graph at `path`, read as the conversion to `model` read it.
fn float_model(args: &Args, path: &Path, model: &Model) -> Result<Graph, Failure> {
    let name = path.display().to_string();
    let kept =
        report::read_facts(&args.model, &identity(model)).ok().flatten().and_then(|facts| facts.stated);
    let known = kept.is_some();
    let mut options = match kept {
        Some(Stated { config, mean, std }) => ImportOptions { config, mean, std },
        None => normalised_as(model),
    };
    if let Some(path) = &args.config {
        options.config = Some(fs::read_to_string(path).map_err(Failure::io("cannot read", path))?);
    }
    let mut float = float_graph(path, &name, &options)?;
    // The container's normalisation includes the one that the model does itself.
    if !known && matches!(float.preprocessing, Some(Preprocessing::Unit | Preprocessing::Bytes)) {
        (options.mean, options.std) = Default::default();
        float = float_graph(path, &name, &options)?;
    }
    let size = |image: &Image| format!("{} × {} × {}", image.height, image.width, image.channels);
    match model.image() {
        Some(image) if size(&image) != size(&float.image) => {
            let (found, expected) = (size(&float.image), size(&image));
            Err(Failure::new(format!("{name} takes images of {found}, {} of {expected}", model.name()))
                .help("give the model that the container was converted from"))
        }
        Some(_) | None => Ok(float),
    }
}

/// The normalisation of `model`'s pixels.
fn normalised_as(model: &Model) -> ImportOptions {
    let values = |image: &Image, bits: &[FloatBits]| {
        bits[..usize::from(image.channels)].iter().map(|b| f32::from_bits(b.0)).collect()
    };
    let of = |image: Image| (values(&image, &image.mean), values(&image, &image.std));
    let (mean, std) = model.image().map(of).unwrap_or_default();
    ImportOptions { config: None, mean, std }
}

fn float_graph(path: &Path, name: &str, options: &ImportOptions) -> Result<Graph, Failure> {
    match import(path, options).map_err(Failure::convert(name))? {
        Imported::Float(graph) => Ok(graph),
        Imported::Quantized(_) => {
            Err(Failure::new(format!("{name} is an integer checkpoint, not a float model"))
                .help("--against takes an .onnx or .safetensors file of floats"))
        }
    }
}

fn against(logits: &[Vec<f32>], rows: &[Vec<i32>], labels: &[u32]) -> Against {
    let best = |row: &Vec<f32>| (0..row.len()).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0);
    let best: Vec<u32> = logits.iter().map(|row| best(row) as u32).collect();
    let percent = |count: usize| 100.0 * count as f64 / rows.len() as f64;
    let cosine = |(a, b): (&Vec<f32>, &Vec<i32>)| {
        let pairs = || a.iter().zip(b).map(|(&x, &y)| (f64::from(x), f64::from(y)));
        let norm = |v: f64| v.sqrt().max(f64::MIN_POSITIVE);
        let (xx, yy) = pairs().fold((0.0, 0.0), |(xx, yy), (x, y)| (xx + x * x, yy + y * y));
        pairs().map(|(x, y)| x * y).sum::<f64>() / (norm(xx) * norm(yy))
    };
    Against {
        agreement: percent(best.iter().zip(rows).filter(|(b, row)| top_k(row, 1).contains(b)).count()),
        float_top1: percent(best.iter().zip(labels).filter(|(b, label)| b == label).count()),
        logit_cosine: logits.iter().zip(rows).map(cosine).sum::<f64>() / rows.len() as f64,
    }
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

fn write_logits(path: &Path, rows: &[Vec<i32>], classes: usize) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    data::npy::write_i32(&mut bytes, rows.len(), classes, &rows.concat())
        .map_err(Failure::io("cannot write", path))?;
    write_file(path, &bytes)
}
