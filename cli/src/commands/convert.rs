//! `convert`: a trained model to a container.

use std::fs;
use std::path::PathBuf;

use clap::ValueEnum;
use converter::BuildOptions;
use converter::import::{ImportOptions, import};
use serde::Serialize;
use shiftformer::quant::pack::Pack;
use shiftformer::{KernelSet, ModelFile};

use crate::failure::Failure;
use crate::model::packed;
use crate::output::{bytes, emit, write_file};
use crate::progress::Progress;

/// Arguments of `convert`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The trained model: .safetensors in I-ViT's layout.
    model: PathBuf,
    /// Where the container goes.
    #[arg(short, long, value_name = "OUT.shf")]
    output: PathBuf,
    /// The arithmetic to convert to.
    #[arg(long)]
    format: Format,
    /// The model's dimensions as JSON, instead of `config` in the file's metadata.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Mean of each channel of pixels scaled to [0, 1] [default: from the metadata].
    #[arg(long, value_name = "M,..", value_delimiter = ',', allow_negative_numbers = true)]
    mean: Vec<f32>,
    /// Standard deviation of each channel [default: from the metadata].
    #[arg(long, value_name = "S,..", value_delimiter = ',')]
    std: Vec<f32>,
    /// Keep every intermediate result, for tracing: slower, with a larger arena.
    #[arg(long)]
    no_fuse: bool,
    /// Arena bytes that larger tiles may use.
    #[arg(long, value_name = "BYTES")]
    arena: Option<u32>,
    /// Lay out the weights for a target. Results do not change.
    #[arg(long, default_value = "generic")]
    target: Target,
}

const EXAMPLES: &str = "\
Examples:
  shiftformer convert model.safetensors -o model.shf --format ivit
  shiftformer convert model.safetensors -o model.shf --format ivit --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225
  shiftformer convert model.safetensors -o trace.shf --format ivit --no-fuse";

/// A family of integer arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// 8-bit products, 16-bit residual stream (I-ViT).
    Ivit,
}

/// What the weights are laid out for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    /// Row by row.
    Generic,
    /// The portable CPU kernels.
    Portable,
}

impl Target {
    fn pack(self) -> Pack {
        match self {
            Target::Generic => Pack::RowMajor,
            Target::Portable => KernelSet::Portable.preferred_pack(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Converted {
    output: PathBuf,
    flash_bytes: u64,
    arena_bytes: u64,
    instructions: u32,
    pack: &'static str,
    identity: String,
}

/// Converts the model.
pub fn run(args: &Args, json: bool) -> Result<(), Failure> {
    let Format::Ivit = args.format;
    let name = args.model.display().to_string();
    let options = ImportOptions { config: config(args)?, mean: args.mean.clone(), std: args.std.clone() };
    let progress = Progress::spinner(format!("converting {name}"));
    let graph = import(&args.model, &options).map_err(Failure::convert(&name))?;
    let build = BuildOptions { fuse: !args.no_fuse, arena: args.arena };
    let container = converter::build(&graph, build).map_err(Failure::convert(&name))?;
    let file = packed(ModelFile::from_bytes(&name, &container), args.target.pack())?;
    write_file(&args.output, file.bytes())?;
    drop(progress);
    let model = file.model()?;
    let converted = Converted {
        output: args.output.clone(),
        flash_bytes: file.bytes().len() as u64,
        arena_bytes: model.arena_len() as u64,
        instructions: model.header().instructions,
        pack: args.target.pack().name(),
        identity: model.identity().iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    emit(json, &converted, |c| {
        let (flash, arena) = (bytes(c.flash_bytes), bytes(c.arena_bytes));
        format!("{}: {} instructions, {flash} of flash, {arena} of arena", c.output.display(), c.instructions)
    })
}

fn config(args: &Args) -> Result<Option<String>, Failure> {
    let read = |path: &PathBuf| fs::read_to_string(path).map_err(Failure::io("cannot read", path));
    args.config.as_ref().map(read).transpose()
}
