//! The `shiftformer` command line. Results go to stdout, progress and errors to stderr;
//! the exit status is 0 when done, 1 when failed and 2 for wrong usage.

mod bundled;
mod calibration;
mod commands;
mod compare;
mod conversion;
mod describe;
mod failure;
mod firmware;
mod flash;
mod frames;
mod log;
mod model;
mod output;
mod place;
mod progress;
mod workers;

use std::process::ExitCode;

use clap::Parser;

use crate::commands::Command;

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

const EXAMPLES: &str = "\
Examples:
  shiftformer demo
  shiftformer convert model.safetensors -o model.shf --format ivit
  shiftformer eval model.shf --data t10k-images-idx3-ubyte.gz
  shiftformer <COMMAND> --help";

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
            eprintln!("{:?}", miette::Report::new(failure));
            ExitCode::FAILURE
        }
    }
}
