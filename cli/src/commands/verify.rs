//! `verify`: every instruction's output against the reference.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use shiftformer::Model;

use crate::compare::{Verification, compare};
use crate::failure::Failure;
use crate::output::emit;
use crate::place::EngineArgs;

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The container.
    model: PathBuf,
    #[command(flatten)]
    engine: EngineArgs,
    /// Frames to compare: every other one is random, the rest are images.
    #[arg(long, value_name = "N", default_value = "4", value_parser = clap::value_parser!(u32).range(1..))]
    frames: u32,
    /// Images to use [default: those that come with the program].
    #[arg(long)]
    data: Option<PathBuf>,
    /// List every instruction's hash for the first frame.
    #[arg(long)]
    list: bool,
}

const EXAMPLES: &str = r"Examples, in a clone (the first of `convert --help` makes model.shf):
  shiftformer verify model.shf --backend cpu
  shiftformer verify model.shf --kernels portable --frames 20 \
      --data data/fmnist-test-1000-images-idx3-ubyte.gz
  shiftformer verify model.shf --list

In an emulator, which `cargo xtask prepare` installs:
  shiftformer verify model.shf --backend qemu:mps2-an500";

/// Compares the engines; fails where they differ.
pub fn run(args: &Args, json: bool) -> Result<(), Failure> {
    let model = Model::open(&args.model)?;
    let mut session = model.session_on(args.engine.backend(NonZeroUsize::MIN)?.as_ref())?;
    let result = compare(&model, &mut session, args.frames, args.data.as_deref())?;
    emit(json, &result, |result| text(result, args.list))?;
    result.outcome(model.name())
}

fn text(result: &Verification, list: bool) -> String {
    let mut lines = Vec::new();
    for output in result.instructions.iter().filter(|_| list) {
        lines.push(format!("{:>5}  {}  {:<34} {}", output.index, output.hash, output.name, output.op));
    }
    lines.push(result.sentence());
    lines.join("\n")
}
