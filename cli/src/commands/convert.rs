//! `convert`: a trained model to a container.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use conversion::comparison::{self, Told};
use conversion::{Format, Images, Options, Target, convert, identity, percent};
use converter::BuildOptions;
use converter::calibrate::Precision;
use facts::Comparison;
use serde::Serialize;

use crate::choices::choices;
use crate::failure::Failure;
use crate::labels::LabelArgs;
use crate::model::{instructions, packs};
use crate::normalisation::NormalisationArgs;
use crate::output::{bytes, emit};
use crate::pictures::PictureArgs;
use crate::progress::Stages;

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
    #[arg(long, default_value = "ivit", value_parser = choices(Format::ALL))]
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
    #[arg(long, value_name = "PERCENT", value_parser = percentage)]
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
    #[arg(long, default_value = "generic", value_parser = choices(Target::ALL))]
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

/// Converts the model.
pub fn run(args: &Args, json: bool) -> Result<(), Failure> {
    let made = convert(&args.model, &args.options(), &Stages::default())?;
    if let Some(words) = made.disagreement() {
        eprintln!("warning: {words}");
    }
    let model = made.model.container();
    let converted = Converted {
        output: args.output.clone(),
        flash_bytes: made.model.bytes().len() as u64,
        arena_bytes: model.arena_len() as u64,
        instructions: instructions(&model),
        pack: packs(&made.model).join(", "),
        identity: identity(&made.model),
        answers: made.answers(),
        agrees: made.comparison().and_then(Comparison::agrees),
        remarks: made.remarks(),
        comparison: made.comparison().cloned(),
        report: args.report.clone(),
    };
    emit(json, &converted, text)
}

impl Args {
    /// What they ask for.
    fn options(&self) -> Options {
        Options {
            output: Some(self.output.clone()),
            report: self.report.clone(),
            format: self.format,
            calib: self.calib.clone().map(Images::At),
            calib_samples: self.calib_samples,
            precision: self.precision.clone(),
            escalate: self.escalate,
            max_flash: self.max_flash,
            config: self.config.clone(),
            normalisation: self.normalisation.options(),
            pictures: self.pictures.options(),
            labels: self.labels.file().map(Path::to_owned),
            build: BuildOptions { fuse: !self.no_fuse, arena: self.arena },
            target: self.target,
        }
    }
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
    text +=
        &c.comparison.as_ref().map(|compared| comparison::words(compared, &c.answers)).unwrap_or_default();
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

fn percentage(text: &str) -> Result<f64, &'static str> {
    percent(text.parse().unwrap_or(f64::NAN))
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
