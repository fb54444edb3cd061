//! `devices`: the GPUs of this machine.

use crate::failure::Failure;

/// Arguments of `devices`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {}

const EXAMPLES: &str = r"Examples:
  shiftformer devices
  shiftformer devices --json
  shiftformer bench --arch deit-tiny --backend gpu --gpu 0";

/// Lists the GPUs.
#[cfg(feature = "gpu")]
pub fn run(_: &Args, json: bool) -> Result<(), Failure> {
    crate::gpus::list(json)
}

/// Refuses: this build knows no GPUs.
#[cfg(not(feature = "gpu"))]
pub fn run(_: &Args, _: bool) -> Result<(), Failure> {
    Err(Failure::without("gpu"))
}
