//! `demo`: the whole way with the model and images that come with the program.

use std::path::{Path, PathBuf};
use std::time::Instant;

use converter::BuildOptions;
use converter::calibrate::QuantizeOptions;
use converter::facts::Comparison;
use converter::import::ImportOptions;
use converter::onnx;
use serde::Serialize;
use shiftformer::runtime::Model;
use shiftformer::{Backend, EngineOptions, ModelFile};

use super::eval::accuracy;
use crate::bundled::{FLOAT_MODEL, FLOAT_MODEL_NAME, NORMALISATION, TestImages};
use crate::calibration::Calibration;
use crate::conversion::{Made, calibrate, save};
use crate::failure::Failure;
use crate::frames::FrameSource;
use crate::model::Logits;
use crate::output::{bytes, emit};
use crate::place::{EngineArgs, Engines};
use crate::progress::Progress;
use crate::workers::{ThreadArgs, Workers};

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the container goes [default: target/demo.shf where there is a folder
    /// `target`, else the folder for temporary files].
    #[arg(short, long, value_name = "OUT.shf")]
    output: Option<PathBuf>,
    #[command(flatten)]
    threads: ThreadArgs,
}

/// Images whose logits are compared with the reference's.
const COMPARED: usize = 100;

#[derive(Debug, Serialize)]
struct Demo {
    output: PathBuf,
    report: PathBuf,
    /// Float against integer on the test images.
    comparison: Comparison,
    /// Percent, on the cpu backend.
    top1: f64,
    n: usize,
    /// Images on which every backend gives the same logits as the reference.
    identical: usize,
    backend: &'static str,
    kernels: &'static str,
    threads: usize,
    /// Wall-clock time over the number of images, with all threads at work.
    ms_per_image: f64,
    flash_bytes: u64,
    arena_bytes: u64,
    seconds: f64,
}

/// Converts, evaluates and compares.
pub fn run(args: &Args, json: bool) -> Result<(), Failure> {
    let start = Instant::now();
    let images = TestImages::read()?;
    let made = convert(&images)?;
    let file = ModelFile::from_bytes(FLOAT_MODEL_NAME, &made.container);
    let output = args.output.clone().unwrap_or_else(default_output);
    let report = output.with_extension("html");
    let facts = save(&output, &file, made.facts, Some(&report))?;
    let comparison = facts.and_then(|facts| facts.comparisons.into_iter().next());
    let comparison = comparison.ok_or_else(|| Failure::new("the demo compared nothing"))?;

    let (options, threads) = (EngineOptions::default(), args.threads.count());
    let packed = EngineArgs::cpu().pack(ModelFile::from_bytes(file.name(), file.bytes()))?;
    let (model, packed_model) = (file.model()?, packed.model()?);
    let evaluating = Instant::now();
    let rows = evaluate(&packed_model, options, threads, &images, images.len())?;
    let ms_per_image = evaluating.elapsed().as_secs_f64() * 1e3 / rows.len() as f64;
    let reference = EngineOptions { backend: Backend::Reference, kernels: None };
    let expected = evaluate(&model, reference, threads, &images, COMPARED)?;
    if let Some(image) = expected.iter().zip(&rows).position(|(want, found)| want != found) {
        let message = format!("the cpu backend and the reference differ on bundled test image {image}");
        return Err(Failure::new(message)
            .help(format!("shiftformer verify {} names the instruction", output.display())));
    }
    let demo = Demo {
        output,
        report,
        comparison,
        top1: accuracy(&rows, images.labels(), 1),
        n: rows.len(),
        identical: expected.len(),
        backend: options.backend.name(),
        kernels: options.kernel_set()?.name(),
        threads,
        ms_per_image,
        flash_bytes: file.bytes().len() as u64,
        arena_bytes: model.arena_len() as u64,
        seconds: start.elapsed().as_secs_f64(),
    };
    emit(json, &demo, text)
}

/// The bundled float model, calibrated with bundled training images.
fn convert(images: &TestImages) -> Result<Made, Failure> {
    let [mean, std] = NORMALISATION;
    let options = ImportOptions { config: None, mean: vec![mean], std: vec![std] };
    let model = onnx::import_bytes(FLOAT_MODEL.into(), None, &options);
    let model = model.map_err(Failure::convert(FLOAT_MODEL_NAME))?;
    let source = FrameSource::of_image(&model.image);
    let frame = |image| source.convert(&image, "the bundled images");
    let calibration = Calibration {
        frames: TestImages::calibration()?.into_iter().map(frame).collect::<Result<_, _>>()?,
        compared: (0..images.len()).map(|index| frame(images.image(index)?)).collect::<Result<_, _>>()?,
        labels: Some(images.labels().to_vec()),
        name: "test images of Fashion-MNIST".into(),
    };
    calibrate(FLOAT_MODEL_NAME, model, &calibration, &QuantizeOptions::default(), BuildOptions::default())
}

fn default_output() -> PathBuf {
    let target = Path::new("target");
    if target.is_dir() { target.join("demo.shf") } else { std::env::temp_dir().join("shiftformer-demo.shf") }
}

/// The logits of the first `count` images.
fn evaluate(
    model: &Model<'_>,
    options: EngineOptions,
    threads: usize,
    images: &TestImages,
    count: usize,
) -> Result<Vec<Vec<i32>>, Failure> {
    let logits = Logits::of(model, FLOAT_MODEL_NAME)?;
    let source = FrameSource::of(model, FLOAT_MODEL_NAME)?;
    let workers = Workers::new(model, &Engines::from(options), threads)?;
    let progress = Progress::bar(format!("running on {}", options.backend), count);
    workers.run(count, |engine, index| {
        let frame = source.convert(&images.image(index)?, "the bundled test images")?;
        let row = logits.run(engine, &frame, FLOAT_MODEL_NAME);
        progress.step();
        row
    })
}

fn text(demo: &Demo) -> String {
    let path = demo.output.display();
    let (flash, arena) = (bytes(demo.flash_bytes), bytes(demo.arena_bytes));
    let images = "data/fmnist-test-1000-images-idx3-ubyte.gz";
    let data = if Path::new(images).is_file() { images } else { "DATA" };
    format!(
        "Converted a float vision transformer for Fashion-MNIST to {path}
accuracy   float {:.2} %, integer {:.2} % of {} test images; the same answer on {:.2} %
speed      {:.2} ms an image on {} ({} kernels, {} threads)
memory     {flash} of flash, {arena} of arena
identical  logits on cpu and reference for {} of {} images compared
report     {}

Try next:
  shiftformer inspect {path}
  shiftformer eval {path} --data {data}
  shiftformer verify {path} --backend cpu
  shiftformer bench {path} --profile
  shiftformer bench --arch deit-tiny",
        demo.comparison.float_top1.unwrap_or_default(),
        demo.top1,
        demo.n,
        demo.comparison.agreement.unwrap_or_default(),
        demo.ms_per_image,
        demo.backend,
        demo.kernels,
        demo.threads,
        demo.identical,
        demo.identical,
        demo.report.display()
    )
}
