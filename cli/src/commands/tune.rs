//! `tune`: the tiles that a GPU is the fastest with.

use crate::failure::Failure;
use crate::place::GpuArgs;
use crate::subject::SubjectArgs;

/// Arguments of `tune`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    pub subject: SubjectArgs,
    #[command(flatten)]
    pub gpu: GpuArgs,
}

const EXAMPLES: &str = r"Examples, in a clone (the first of `convert --help` makes model.shf):
  shiftformer tune model.shf
  shiftformer tune --arch deit-small --gpu 0 --json
  shiftformer tune model.shf --gpu-cache target/gpu-cache
  shiftformer bench --arch deit-small --batch 8 --backend gpu --tune

Matrix products and attention are measured with every tile that they may take,
for 1, 8 and 64 images at once: a second on a card, minutes on software that
imitates one. What is the fastest is kept for this GPU and driver, and
`--backend gpu` takes it from then on. Results stay the same. Nothing else
should use the GPU meanwhile.";

/// Measures the tiles.
#[cfg(feature = "gpu")]
pub fn run(args: &Args, json: bool) -> Result<(), Failure> {
    crate::tuning::run(args, json)
}

/// Refuses: this build knows no GPUs.
#[cfg(not(feature = "gpu"))]
pub fn run(_: &Args, _: bool) -> Result<(), Failure> {
    Err(Failure::without("gpu"))
}
