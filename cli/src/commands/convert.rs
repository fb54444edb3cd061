//! `convert`: a trained model to a container.

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use boards::Kernels;
use clap::ValueEnum;
use converter::calibrate::{Precision, QuantizeOptions};
use converter::import::{Import, ImportOptions, Imported, read};
use converter::{BuildOptions, ConvertError};
use facts::Comparison;
use float::Graph;
use serde::Serialize;
use shiftformer::device::preferred_packs;
use shiftformer::quant::pack::Packs;
use shiftformer::runtime::Ending;
use shiftformer::{Cpu, Model, OutputInfo};

use crate::calibration::Calibration;
use crate::conversion::{Made, calibrate, identity, save};
use crate::failure::Failure;
use crate::labels::LabelArgs;
use crate::model::{instructions, packs};
use crate::normalisation::NormalisationArgs;
use crate::output::{bytes, emit};
use crate::overwriting::Files;
use crate::pictures::PictureArgs;
use crate::progress::Progress;

/// Arguments of `convert`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The trained model: .onnx; .safetensors with the names of timm, torchvision or Hugging Face,
    /// or in the layouts of I-ViT and BiViT; or a folder with model.safetensors, config.json and
    /// preprocessor_config.json.
    model: PathBuf,
    /// Where the container goes.
    #[arg(short, long, value_name = "OUT.shf")]
    output: PathBuf,
    /// The arithmetic to convert to.
    #[arg(long, default_value = "ivit")]
    format: Format,
    /// Calibration images of the task, without need of labels: a folder of images, an .npz
    /// with `images`, or an IDX images file. Float models need them.
    #[arg(long, value_name = "DATA")]
    calib: Option<PathBuf>,
    /// Images to calibrate with, spread over the data.
    #[arg(long, value_name = "N", default_value = "128")]
    calib_samples: NonZeroUsize,
    /// Precision of a layer: i8 or i16 activations with 8-bit weights, w1a8 or w1a16 with
    /// 1-bit weights; of a convolution the weights, i8 or i16. LAYER is a name from
    /// `inspect --ops` or its beginning up to a dot; may be given several times.
    #[arg(long, value_name = "LAYER=TYPE", value_parser = precision)]
    precision: Vec<(String, Precision)>,
    /// Share of the multiply-accumulates that may be given 16-bit activations where 8 bits
    /// would cost accuracy, in percent [default: 15; 100 for bivit].
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    escalate: Option<f64>,
    /// Bytes that the container may have, such as 200000, 72KiB or 1MiB: 16-bit activations and
    /// weights that do not fit are withheld, those first that matter least.
    #[arg(long, value_name = "BYTES", value_parser = byte_count)]
    max_flash: Option<u64>,
    /// Write a page that tells whether to trust the conversion.
    #[arg(long, value_name = "OUT.html")]
    report: Option<PathBuf>,
    /// The model's dimensions as JSON, instead of `config` in the file's metadata.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    normalisation: NormalisationArgs,
    #[command(flatten)]
    pictures: PictureArgs,
    #[command(flatten)]
    labels: LabelArgs,
    /// Keep every intermediate result, for tracing: slower, with a larger arena.
    #[arg(long)]
    no_fuse: bool,
    /// Arena bytes that larger tiles may use.
    #[arg(long, value_name = "BYTES", value_parser = arena_bytes)]
    arena: Option<u32>,
    /// Lay out the weights for a target. Results do not change.
    #[arg(long, default_value = "generic")]
    target: Target,
}

const EXAMPLES: &str = r"Examples, in a clone of the repository:
  shiftformer convert data/vit_fmnist_fp32.onnx -o model.shf \
      --calib data/fmnist-train-128-images-idx3-ubyte.gz \
      --mean 0.2860 --std 0.3530 --report model.html
  shiftformer convert data/vit_fmnist_ivit_qat.safetensors -o qat.shf
  shiftformer convert data/vit_fmnist_ivit_qat.safetensors -o all.shf --no-fuse
  shiftformer convert data/vit_fmnist_bivit.safetensors -o bits.shf \
      --format bivit --calib data/fmnist-train-128-images-idx3-ubyte.gz \
      --max-flash 70KiB

A model of colour images takes three values, such as those of ImageNet:
--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225
Of many others they are --mean 0.5 --std 0.5. A model that normalizes pixels
itself takes none, and one that was trained without takes --no-normalize.
Pictures of another size are stretched, unless a configuration beside the model
says more: --crop 0.875 cuts the centre, as most training on ImageNet does.";

/// A family of integer arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// 8-bit products, 16-bit residual stream (I-ViT).
    Ivit,
    /// 1-bit weights and attention over signs where the model was trained so (BiViT).
    Bivit,
}

impl Format {
    /// Share of the multiply-accumulates that may read int16. Additions of binary weights
    /// cost the same in 16 bits, and signs need the precision.
    fn escalation(self) -> f64 {
        match self {
            Format::Ivit => 0.15,
            Format::Bivit => 1.0,
        }
    }
}

/// What the weights are laid out for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    /// Row by row.
    Generic,
    /// The portable CPU kernels.
    Portable,
    /// Cortex-M0 and RV32.
    Plain,
    /// Cortex-M4, M7 and M33.
    Dsp,
    /// Cortex-M55 and M85.
    Mve,
}

impl Target {
    fn packs(self) -> Packs {
        match self {
            Target::Generic => Packs::CANONICAL,
            Target::Portable => Cpu::best().kernels().packs(),
            Target::Plain => preferred_packs(Kernels::Plain),
            Target::Dsp => preferred_packs(Kernels::Dsp),
            Target::Mve => preferred_packs(Kernels::Mve),
        }
    }
}

#[derive(Debug, Serialize)]
struct Converted {
    output: PathBuf,
    flash_bytes: u64,
    arena_bytes: u64,
    /// Those that compute something; tile records are not counted.
    instructions: usize,
    pack: String,
    identity: String,
    /// What `run` shows of each output.
    answers: Vec<Told>,
    /// Float against integer, for models that were calibrated.
    comparison: Option<Comparison>,
    /// Whether every output is an answer to the same question as the float model's; null where
    /// nothing was compared.
    agrees: Option<bool>,
    /// What makes it worth less than its figures.
    remarks: Vec<String>,
    report: Option<PathBuf>,
}

/// How an output is read.
#[derive(Debug, Serialize)]
struct Told {
    output: String,
    /// `shares`, `chances`, `class`, `values`, `vector` or `map`.
    answer: &'static str,
    /// What the model computes at the end, such as `softmax`; null where it is nothing.
    ending: Option<&'static str>,
    /// Values of one position: classes, where there are classes.
    channels: usize,
}

impl Told {
    fn new(output: &OutputInfo<'_>) -> Self {
        Self {
            output: output.name.to_owned(),
            answer: output.reading().name(),
            ending: output.ending.map(Ending::name),
            channels: output.channels(),
        }
    }
}

/// Converts the model.
pub fn run(args: &Args, json: bool) -> Result<(), Failure> {
    let name = args.model.display().to_string();
    files(args).check()?;
    let (mean, std) = args.normalisation.stated();
    let options = ImportOptions { config: config(args)?, mean, std };
    let reading = Progress::spinner(format!("reading {name}"));
    let Import { model: mut imported, notes, .. } =
        read(&args.model, &options).map_err(Failure::convert(&name))?;
    drop(reading);
    notes.iter().for_each(|note| eprintln!("note: {note}"));
    args.pictures.apply(
        &name,
        match &mut imported {
            Imported::Quantized(graph) => &mut graph.image,
            Imported::Float(model) => &mut model.image,
        },
    )?;
    let build = BuildOptions { fuse: !args.no_fuse, arena: args.arena };
    let made = match imported {
        Imported::Quantized(graph) => {
            if args.format == Format::Bivit && !graph.is_binarized() {
                return Err(Failure::new(format!("{name} was trained with 8-bit integers, not binarized"))
                    .help("convert it with --format ivit"));
            }
            if args.format == Format::Ivit && graph.is_binarized() {
                return Err(Failure::convert(&name)(ConvertError::Binarized));
            }
            for_floats(args, &name)?;
            let container = converter::build(&graph, build).map_err(Failure::convert(&name))?;
            Made { container, facts: None }
        }
        Imported::Float(model) => calibrated(args, &name, model, &options, build)?,
    };
    finish(args, &name, made, json)
}

/// What is read and written.
fn files(args: &Args) -> Files {
    let facts = report::sidecar_path(&args.output);
    let files =
        Files::default().model(&args.model).output("-o", &args.output).output("the facts file", &facts);
    let files = args.calib.iter().fold(files, |files, data| files.data(data));
    let files = args.config.iter().fold(files, |files, config| files.input("the configuration", config));
    let files = args.labels.file().into_iter().fold(files, |files, names| files.input("the names", names));
    args.report.iter().fold(files, |files, report| files.output("--report", report))
}

/// Options that only a float model takes were not given.
fn for_floats(args: &Args, name: &str) -> Result<(), Failure> {
    let given = [
        ("--calib", args.calib.is_some()),
        ("--precision", !args.precision.is_empty()),
        ("--report", args.report.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((option, _)) => Err(Failure::new(format!("{option} does not apply to {name}")).help(
            "this checkpoint was trained with integers and carries its own scales: leave the option out",
        )),
        None => Ok(()),
    }
}

fn calibrated(
    args: &Args,
    name: &str,
    model: Graph,
    options: &ImportOptions,
    build: BuildOptions,
) -> Result<Made, Failure> {
    let data = args.calib.as_ref().ok_or_else(|| {
        Failure::new(format!("{name} is a float model: its activations must be calibrated")).help(
            "give images of the task with --calib DATA; 32 are enough to begin with, no labels are needed",
        )
    })?;
    args.normalisation.check(name, &model)?;
    let images = Calibration::read(data, args.calib_samples, &model, &args.labels)?;
    let quantization = QuantizeOptions {
        precision: args.precision.iter().cloned().collect(),
        binary: args.format == Format::Bivit,
        flash: args.max_flash,
        escalation: args.escalate.map_or(args.format.escalation(), |percent| percent / 100.0),
        ..QuantizeOptions::default()
    };
    calibrate(name, model, options, &images, &quantization, build)
}

fn finish(args: &Args, name: &str, made: Made, json: bool) -> Result<(), Failure> {
    let file = Model::from_bytes(name, &made.container)?
        .repacked(args.target.packs())
        .map_err(Failure::convert(name))?;
    let flash_bytes = file.bytes().len() as u64;
    if let Some(limit) = args.max_flash.filter(|&limit| flash_bytes > limit) {
        let smallest = made.container.len() as u64;
        return Err(match smallest > limit {
            true => Failure::convert(name)(ConvertError::Flash { limit, smallest }),
            false => Failure::new(format!("{name}: laid out for its target it has {flash_bytes} bytes"))
                .help("leave --target out, or allow as many bytes with --max-flash"),
        });
    }
    let facts = save(&args.output, &file, made.facts, args.report.as_deref())?;
    if let Some(words) = facts.as_ref().and_then(report::disagreement) {
        eprintln!("warning: {words}");
    }
    let model = file.container();
    let converted = Converted {
        output: args.output.clone(),
        flash_bytes,
        arena_bytes: model.arena_len() as u64,
        instructions: instructions(&model),
        pack: packs(&file).join(", "),
        identity: identity(&file),
        answers: file.outputs().iter().map(Told::new).collect(),
        agrees: facts.as_ref().and_then(|facts| facts.comparisons.first()).and_then(Comparison::agrees),
        remarks: facts.as_ref().map(report::remarks).unwrap_or_default(),
        comparison: facts.and_then(|facts| facts.comparisons.into_iter().next()),
        report: args.report.clone(),
    };
    emit(json, &converted, text)
}

fn text(c: &Converted) -> String {
    let (flash, arena) = (bytes(c.flash_bytes), bytes(c.arena_bytes));
    let mut text = format!(
        "{}: {} instructions, {flash} of flash, {arena} of arena",
        c.output.display(),
        c.instructions
    );
    for told in c.answers.iter().filter(|told| told.ending.is_some()) {
        let ending = told.ending.unwrap_or_default().replace('_', " ");
        text += &format!("\n{}: the model's {ending} is left out; `run` shows {}", told.output, told.answer);
    }
    if let Some(compared) = &c.comparison {
        let which = if compared.seen { "that calibrated it" } else { "unseen" };
        text += &format!("\non {} {}, {which}: ", compared.images, compared.data);
        text += &match compared.agreement {
            Some(agreement) if c.answers.iter().any(|told| told.answer == "chances" && told.channels > 1) => {
                format!("agrees with float on the first label of {agreement:.2} %")
            }
            Some(agreement) => format!("agrees with float on {agreement:.2} %"),
            None => format!("cosine of the outputs {:.5}", compared.cosine),
        };
        if let (Some(float), Some(integer)) = (compared.float_top1, compared.integer_top1) {
            text += &format!(", top-1 {float:.2} % float, {integer:.2} % integer");
        } else if compared.agreement.is_some() {
            text += ", accuracy unknown without labels";
        }
    }
    for remark in &c.remarks {
        text += &format!("\nremark: {remark}");
    }
    if let Some(report) = &c.report {
        text += &format!("\nreport: {}", report.display());
    }
    text
}

/// `LAYER=i8|i16|w1a8|w1a16`.
fn precision(text: &str) -> Result<(String, Precision), String> {
    let (layer, precision) =
        text.rsplit_once('=').ok_or("expected LAYER=TYPE, TYPE being i8, i16, w1a8 or w1a16")?;
    let precision = precision.parse().map_err(|e: converter::calibrate::UnknownPrecision| e.to_string())?;
    Ok((layer.to_owned(), precision))
}

/// A count of bytes, with a unit or without.
fn byte_count(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match text[digits.len()..].trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "kb" => 1000,
        "m" | "mib" => 1 << 20,
        "mb" => 1_000_000,
        _ => return Err("expected bytes, or a number of KiB or MiB".into()),
    };
    let count = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit));
    count.ok_or_else(|| "expected bytes, or a number of KiB or MiB".into())
}

fn arena_bytes(text: &str) -> Result<u32, String> {
    u32::try_from(byte_count(text)?).map_err(|_| "expected less than 4 GiB".into())
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=100.0).contains(&value) => Ok(value),
        _ => Err("expected a number from 0 to 100".into()),
    }
}

fn config(args: &Args) -> Result<Option<String>, Failure> {
    let read = |path: &PathBuf| fs::read_to_string(path).map_err(Failure::io("cannot read", path));
    args.config.as_ref().map(read).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_may_have_a_unit() {
        for (text, count) in
            [("72000", 72_000), ("72K", 73_728), ("72 KiB", 73_728), ("2kb", 2000), ("1m", 1 << 20)]
        {
            assert_eq!(byte_count(text), Ok(count), "{text}");
        }
        for text in ["", "K", "-1", "1.5K", "7 sheep", "99999999999999999999", "9999999999999999M"] {
            assert!(byte_count(text).is_err(), "{text}");
        }
        assert!(arena_bytes("4097M").is_err());
    }
}
