//! The subcommands, one file each.

mod bench;
mod convert;
pub mod demo;
mod devices;
mod eval;
mod flash;
mod inspect;
mod roofline;
mod run;
pub mod tune;
mod verify;

use crate::failure::Failure;

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Convert and evaluate the model that comes with the program.
    Demo(demo::Args),
    /// Turn a trained model into a container of integer instructions.
    Convert(convert::Args),
    /// Measure the accuracy of a container on labelled images.
    Eval(eval::Args),
    /// Classify images.
    Run(run::Args),
    /// List what a container holds and what it needs.
    Inspect(inspect::Args),
    /// Compare every instruction's output with the reference.
    Verify(verify::Args),
    /// Measure speed.
    Bench(bench::Args),
    /// List the GPUs of this machine.
    Devices(devices::Args),
    /// Measure which tiles a GPU runs a model the fastest with, and keep them for it.
    Tune(tune::Args),
    /// Write firmware and a container to a board.
    Flash(flash::Args),
}

impl Command {
    /// Runs the command; its result goes to stdout.
    pub fn run(self, json: bool) -> Result<(), Failure> {
        match self {
            Command::Demo(args) => demo::run(&args, json),
            Command::Convert(args) => convert::run(&args, json),
            Command::Eval(args) => eval::run(&args, json),
            Command::Run(args) => run::run(&args, json),
            Command::Inspect(args) => inspect::run(&args, json),
            Command::Verify(args) => verify::run(&args, json),
            Command::Bench(args) => bench::run(&args, json),
            Command::Devices(args) => devices::run(&args, json),
            Command::Tune(args) => tune::run(&args, json),
            Command::Flash(args) => flash::run(&args, json),
        }
    }
}
