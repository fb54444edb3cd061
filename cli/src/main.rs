//! The `shiftformer` command line. Results go to stdout, progress and errors to stderr;
//! the exit status is 0 when done, 1 when failed and 2 for wrong usage.

mod answer;
mod bundled;
mod choices;
mod commands;
mod compare;
mod describe;
#[cfg(test)]
mod documented;
mod evidence;
mod failure;
mod firmware;
mod flash;
#[cfg(feature = "gpu")]
mod gpus;
mod labels;
mod log;
mod memory;
mod model;
mod normalisation;
mod output;
mod pictures;
mod place;
mod progress;
mod subject;
mod threads;
#[cfg(feature = "gpu")]
mod tuning;

use std::process::ExitCode;

use clap::Parser;

use crate::commands::Command;
use crate::failure::Printed;

/// Integer-only vision transformers: convert, check, run and measure.
#[derive(Debug, Parser)]
#[command(name = "shiftformer", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    /// Print the result as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = r"Examples, in a clone of the repository:
  shiftformer demo
  shiftformer convert data/vit_fmnist_fp32.onnx -o model.shf \
      --calib data/fmnist-train-128-images-idx3-ubyte.gz \
      --mean 0.2860 --std 0.3530
  shiftformer inspect model.shf
  shiftformer eval model.shf --data data/fmnist-test-1000-images-idx3-ubyte.gz
  shiftformer run model.shf data/ankle-boot.png --labels data/fmnist-labels.txt
  shiftformer convert --help";

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Lines are left whole, so that paths and names can be searched for and copied.
    let plain = |_: &_| -> Box<dyn miette::ReportHandler> {
        Box::new(miette::MietteHandlerOpts::new().wrap_lines(false).build())
    };
    let _ = miette::set_hook(Box::new(plain));
    match cli.command.run(cli.json) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{:?}", miette::Report::new(Printed(failure)));
            ExitCode::FAILURE
        }
    }
}
