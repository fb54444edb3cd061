//! `verify`: every instruction's output against the reference.

use std::path::PathBuf;

use shiftformer::Model;

use crate::compare::{Frames, Verification, compare};
use crate::evidence::{self, Checked, Recorder};
use crate::failure::Failure;
use crate::output::emit;
use crate::place::{EngineArgs, session};

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
    /// Write what the backend computed to a file, for --check elsewhere.
    #[arg(long, value_name = "FILE.json")]
    record: Option<PathBuf>,
    /// Compare with what --record wrote, instead of with the reference.
    #[arg(long, value_name = "FILE.json", conflicts_with_all = ["record", "frames", "list"])]
    check: Option<PathBuf>,
}

const EXAMPLES: &str = r"Examples, in a clone (the first of `convert --help` makes model.shf):
  shiftformer verify model.shf --backend cpu
  shiftformer verify model.shf --kernels portable --frames 20 \
      --data data/fmnist-test-1000-images-idx3-ubyte.gz
  shiftformer verify model.shf --list
  shiftformer verify model.shf --record desk.json
  shiftformer verify model.shf --check desk.json --kernels reference

In an emulator, which `cargo xtask prepare` installs:
  shiftformer verify model.shf --backend qemu:mps2-an500";

/// Compares the engines; fails where they differ.
pub fn run(args: &Args, json: bool) -> Result<(), Failure> {
    let model = Model::open(&args.model)?;
    let mut session = session(&model, args.engine.one()?.as_ref())?;
    let frames = Frames::new(args.data.as_deref(), &model)?;
    if let Some(path) = &args.check {
        let checked = evidence::check(path, &mut session, &frames)?;
        emit(json, &checked, Checked::sentence)?;
        return checked.outcome(model.name());
    }
    let mut recorder = args.record.as_ref().map(|_| Recorder::default());
    let result = compare(&model, &mut session, &frames, args.frames, recorder.as_mut())?;
    if let (Some(path), Some(recorder)) = (&args.record, recorder) {
        recorder.write(path, &session)?;
    }
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
