//! `demo`: the whole way with the models and images that come with the program.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use conversion::stream::stream;
use conversion::{Calibration, Converted, Files, FrameSource, Made, calibrate};
use converter::BuildOptions;
use converter::calibrate::QuantizeOptions;
use converter::import::{ImportOptions, import_onnx_bytes, import_safetensors};
use facts::Comparison;
use report::sidecar_path;
use serde::Serialize;
use shiftformer::{Backend, Cpu, Model};

use super::eval::accuracy;
use crate::bundled::{
    self, BINARIZED_MODEL, BINARIZED_MODEL_NAME, FLOAT_MODEL, FLOAT_MODEL_NAME, NORMALISATION, TestImages,
};
use crate::failure::Failure;
use crate::model::{self, instructions};
use crate::output::{bytes, emit, pasted};
use crate::progress::{Progress, Stages};
use crate::threads::ThreadArgs;

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Where the container goes [default: target/demo.shf where there is a folder
    /// `target`, else the folder for temporary files].
    #[arg(short, long, value_name = "OUT.shf")]
    output: Option<PathBuf>,
    #[command(flatten)]
    threads: ThreadArgs,
}

const EXAMPLES: &str = r"Examples, in any folder:
  shiftformer demo
  shiftformer demo -o demo.shf --threads 1 --json";

/// Images whose logits are compared with the reference's.
const COMPARED: usize = 100;

/// A container on the bundled test images.
#[derive(Debug, Serialize)]
struct Evaluated {
    /// Percent, on the cpu backend.
    top1: f64,
    n: usize,
    /// Images on which every backend gives the same logits as the reference.
    identical: usize,
    /// Wall-clock time over the number of images, with all threads at work.
    ms_per_image: f64,
    /// Those that compute something; tile records are not counted.
    instructions: usize,
    flash_bytes: u64,
    arena_bytes: u64,
}

#[derive(Debug, Serialize)]
struct Demo {
    output: PathBuf,
    report: PathBuf,
    /// Float against integer on the test images.
    comparison: Comparison,
    #[serde(flatten)]
    integer: Evaluated,
    binarized: Binarized,
    backend: String,
    kernels: &'static str,
    threads: usize,
    seconds: f64,
}

/// The model that was trained with one bit.
#[derive(Debug, Serialize)]
struct Binarized {
    output: PathBuf,
    #[serde(flatten)]
    evaluated: Evaluated,
}

/// Converts, evaluates and compares.
pub fn run(args: &Args, json: bool) -> Result<(), Failure> {
    let start = Instant::now();
    let images = TestImages::read()?;
    let threads = args.threads.count();
    let output = args.output.clone().unwrap_or_else(default_output);
    let report = output.with_extension("html");
    let binarized = beside(&output);
    Files::default()
        .output("-o", &output)
        .output("the facts file", &sidecar_path(&output))
        .output("the report", &report)
        .output("the binarized model's container", &binarized)
        .check()?;

    let made = convert(&images)?;
    let file = Model::from_bytes(FLOAT_MODEL_NAME, &made.container)?;
    let converted = Converted::new(file.clone(), made.facts);
    converted.save(Some(&output), Some(&report))?;
    let comparison =
        converted.comparison().cloned().ok_or_else(|| Failure::new("the demo compared nothing"))?;
    let integer = evaluate(&file, threads, &images, &output)?;

    let file = Model::from_bytes(BINARIZED_MODEL_NAME, &convert_binarized()?)?;
    Converted::new(file.clone(), None).save(Some(&binarized), None)?;
    let evaluated = evaluate(&file, threads, &images, &binarized)?;

    let demo = Demo {
        output,
        report,
        comparison,
        integer,
        binarized: Binarized { output: binarized, evaluated },
        backend: Cpu::best().name(),
        kernels: Cpu::best().kernels().name(),
        threads: threads.get(),
        seconds: start.elapsed().as_secs_f64(),
    };
    emit(json, &demo, text)
}

/// `demo-bivit.shf` beside `demo.shf`.
fn beside(output: &Path) -> PathBuf {
    let stem = output.file_stem().unwrap_or_default().to_string_lossy();
    output.with_file_name(format!("{stem}-bivit.shf"))
}

/// All images on the cpu backend, some of them on the reference; `path` is where `model` was
/// written.
fn evaluate(
    model: &Model,
    threads: NonZeroUsize,
    images: &TestImages,
    path: &Path,
) -> Result<Evaluated, Failure> {
    let evaluating = Instant::now();
    let rows = logits(model, Cpu::best().with_threads(threads), images, images.len())?;
    let ms_per_image = evaluating.elapsed().as_secs_f64() * 1e3 / rows.len() as f64;
    let expected = logits(model, Cpu::reference().with_threads(threads), images, COMPARED)?;
    if let Some(image) = expected.iter().zip(&rows).position(|(want, found)| want != found) {
        let message = format!("the cpu backend and the reference differ on bundled test image {image}");
        return Err(Failure::new(message)
            .help(format!("shiftformer verify {} names the instruction", path.display())));
    }
    Ok(Evaluated {
        top1: accuracy(&rows, images.labels(), 1),
        n: rows.len(),
        identical: expected.len(),
        ms_per_image,
        instructions: instructions(&model.container()),
        flash_bytes: model.bytes().len() as u64,
        arena_bytes: model.container().arena_len() as u64,
    })
}

/// The bundled float model, calibrated with bundled training images.
fn convert(images: &TestImages) -> Result<Made, Failure> {
    let [mean, std] = NORMALISATION;
    let options = ImportOptions { config: None, mean: vec![mean], std: vec![std] };
    let model = import_onnx_bytes(FLOAT_MODEL.into(), None, &options);
    let model = model.map_err(Failure::convert(FLOAT_MODEL_NAME))?;
    let source = FrameSource::of_image(&model.image);
    let frame = |image| source.convert(&image, "the bundled images");
    let calibration = Calibration {
        frames: TestImages::calibration()?.into_iter().map(frame).collect::<Result<_, _>>()?,
        compared: (0..images.len()).map(|index| frame(images.image(index)?)).collect::<Result<_, _>>()?,
        seen: false,
        labels: Some(images.labels().to_vec()),
        name: "test images of Fashion-MNIST".into(),
    };
    let (quantization, build) = (QuantizeOptions::default(), BuildOptions::default());
    calibrate(FLOAT_MODEL_NAME, model, &options, &calibration, &quantization, build, &Stages::default())
}

/// The bundled binarized model, which has the integers of its training.
fn convert_binarized() -> Result<Vec<u8>, Failure> {
    let name = BINARIZED_MODEL_NAME;
    let imported = import_safetensors(BINARIZED_MODEL, name, &ImportOptions::default());
    let graph = imported.map_err(Failure::convert(name))?.quantized();
    let graph = graph.ok_or_else(|| Failure::new(format!("{name} is a float model")))?;
    converter::build(&graph, BuildOptions::default()).map_err(Failure::convert(name))
}

fn default_output() -> PathBuf {
    let target = Path::new("target");
    if target.is_dir() { target.join("demo.shf") } else { std::env::temp_dir().join("shiftformer-demo.shf") }
}

/// The logits of the first `count` images.
fn logits(model: &Model, cpu: Cpu, images: &TestImages, count: usize) -> Result<Vec<Vec<i32>>, Failure> {
    let (output, source) = (model::logits(model)?, FrameSource::of(model)?);
    let mut session = model.session_on(&cpu)?;
    let progress = Progress::bar(format!("running on {}", cpu.name()), count);
    let load = |index| source.convert(&images.image(index)?, "the bundled test images");
    let mut rows = Vec::with_capacity(count);
    stream(&mut session, (count, cpu.limits().parallel), load, |outputs| {
        rows.extend(outputs.values(output).map(<[i32]>::to_vec));
        progress.step();
    })?;
    Ok(rows)
}

fn text(demo: &Demo) -> String {
    let (path, bivit) = (demo.output.display(), demo.binarized.output.display());
    let (int8, bits) = (&demo.integer, &demo.binarized.evaluated);
    let float = demo.comparison.float_top1.unwrap_or_default();
    let row = |name: &str, of: &dyn Fn(&Evaluated) -> String| {
        format!("{name:<22}{:>14}{:>14}\n", of(int8), of(bits))
    };
    let table = [
        format!("{:<22}{:>14}{:>14}\n", "", "ivit (int8)", "bivit (1 bit)"),
        row("correct", &|e| format!("{:.2} %", e.top1)),
        row("flash", &|e| bytes(e.flash_bytes)),
        row("arena", &|e| bytes(e.arena_bytes)),
        row("instructions", &|e| e.instructions.to_string()),
        row("an image", &|e| format!("{:.2} ms", e.ms_per_image)),
        row("equal to reference", &|e| format!("{} of {}", e.identical, e.identical)),
    ];
    let program = std::env::args_os().next().unwrap_or_else(|| "shiftformer".into());
    let next = next(Path::new(&program), &demo.output, bundled::folder().as_deref());
    format!(
        "Converted two vision transformers for Fashion-MNIST: a float one to int8, and one trained with
binary weights and activations. {} test images on {} ({} kernels, {} threads):

{}
The float model has {float:.2} %; int8 gives the same answer on {:.2} %.
containers   {path}, {bivit}
report       {}

Try next:
  {}",
        int8.n,
        demo.backend,
        demo.kernels,
        demo.threads,
        table.concat(),
        demo.comparison.agreement.unwrap_or_default(),
        demo.report.display(),
        next.join("\n  ")
    )
}

/// Commands that work when pasted where the demo ran: `program` as it was called, the container
/// at `output`, and the bundled files in the folder `data`, where that is there.
pub fn next(program: &Path, output: &Path, data: Option<&Path>) -> Vec<String> {
    let (program, model) = (pasted(program), pasted(output));
    let mut commands = vec![format!("{program} inspect {model}")];
    if let Some(data) = data {
        let file = |name: &str| pasted(&data.join(name));
        let [mean, std] = NORMALISATION;
        commands.push(format!(
            "{program} run {model} {} --top 3 --labels {}",
            file("ankle-boot.png"),
            file("fmnist-labels.txt")
        ));
        commands.push(format!(
            "{program} convert {} -o model.shf --calib {} --mean {mean} --std {std} --report model.html",
            file("vit_fmnist_fp32.onnx"),
            file("fmnist-train-128-images-idx3-ubyte.gz")
        ));
        commands.push(format!(
            "{program} eval model.shf --data {} --against {}",
            file("fmnist-test-1000-images-idx3-ubyte.gz"),
            file("vit_fmnist_fp32.onnx")
        ));
    }
    commands.push(format!("{program} verify {model} --backend cpu"));
    commands.push(format!("{program} bench {model} --profile"));
    commands
}
