//! Developer tasks, run as `cargo xtask <task>`.

mod architectures;
mod boards;
mod changelog;
mod check;
mod docs;
mod elf;
mod fuzz;
mod gpu;
mod header;
mod link;
mod map;
mod mcu;
mod miri;
mod mobile;
mod msrv;
mod outcome;
mod peers;
mod process;
mod python;
mod record;
mod sanitized;
mod shaders;
mod steps;
mod system;
mod tables;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::outcome::Outcome;
use crate::test::Scope;

/// Developer tasks of Shiftformer.
///
/// Exit code: 0 done, 1 failed, 2 wrong usage.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask check              while you work: what you changed, and what depends on it
  cargo xtask test               before a change is merged; this is what CI runs
  cargo xtask test --from mcu    go on from the step that failed
  cargo xtask boards pico        the image of one board";

#[derive(Subcommand)]
enum Task {
    /// Run everything that must pass before a change is merged.
    Test {
        /// Add what a release needs: all images, all cores and boards, more generated cases, fuzzing.
        #[arg(long)]
        all: bool,
        /// Start with this step.
        #[arg(long, value_name = "STEP")]
        from: Option<String>,
        /// List the steps without running them.
        #[arg(long)]
        list: bool,
    },
    /// Check format, clippy and tests of what changed and of what depends on it.
    Check {
        /// The commit to compare with [default: the last on which all tests passed, else HEAD].
        #[arg(long, value_name = "COMMIT")]
        since: Option<String>,
    },
    /// Install the emulators, compilers and Rust targets that the tests need.
    Prepare {
        /// Add what `test --all` needs.
        #[arg(long)]
        all: bool,
    },
    /// Link the runtime for bare metal: no panic, no float, no allocator; print the code size.
    Size,
    /// Build images of boards: they link, they lie where the descriptions say, and nothing that runs
    /// a program can panic; print their sizes.
    Boards {
        /// The boards [default: all].
        #[arg(value_name = "BOARD")]
        names: Vec<String>,
        /// Write the tables of the boards in the documents instead.
        #[arg(long, conflicts_with = "names")]
        docs: bool,
    },
    /// Convert models of many architectures, and write the table in docs/architectures.md.
    Architectures {
        /// The folder that converter/recipes/architectures.py wrote.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
    /// Count the instructions of every kernel on emulated microcontrollers.
    BenchMcu {
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
        /// Measure only the core with this name, such as M55.
        #[arg(long)]
        core: Option<String>,
    },
    /// Build one folder that measures speed on a machine with a GPU, beside PyTorch.
    BenchGpu,
    /// Measure speed on this machine's processor beside OpenVINO, ONNX Runtime and tract.
    BenchPeers(Box<peers::Args>),
    /// Write the C headers of firmware/c and targets/mobile from their crates.
    CHeader {
        /// Compare them instead, and compile the headers.
        #[arg(long)]
        check: bool,
    },
    /// Write the shaders in SPIR-V of targets/gpu from their sources in GLSL.
    Shaders {
        /// Compare them instead.
        #[arg(long)]
        check: bool,
    },
    /// Make the packages for Android and for Apple's systems, as far as this machine can.
    Mobile {
        /// Write the table of sizes in docs/mobile.md instead.
        #[arg(long)]
        sizes: bool,
    },
    /// Build the wheel of the Python package, and test it in an environment of its own.
    Python {
        /// Add what `test --all` adds: all images, and Ray Data.
        #[arg(long)]
        all: bool,
    },
    /// Collect the fragments in changelog/ into CHANGELOG.md, for a release.
    Changelog {
        /// The version that is released.
        version: String,
    },
    /// Run the tests of quant and runtime under Miri (needs a nightly toolchain).
    Miri,
    /// Build the crates that applications embed with the oldest Rust that they promise.
    Msrv,
    /// Run every fuzz target (needs a nightly toolchain).
    Fuzz {
        /// Seconds for each target.
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("\nxtask failed: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Outcome {
    match task {
        Task::Test { list: true, .. } => test::list(),
        Task::Test { all, from, list: false } => test::run(Scope::of(all), from.as_deref()),
        Task::Check { since } => check::run(since.as_deref()),
        Task::Prepare { all } => system::prepare(Scope::of(all).kits()),
        Task::Size => {
            system::prepare(system::FOR_FIRMWARE)?;
            link::run()
        }
        Task::Boards { names, docs } => {
            system::prepare(system::FOR_FIRMWARE)?;
            if docs {
                return docs::write();
            }
            boards::run(&names.iter().map(String::as_str).collect::<Vec<_>>())
        }
        Task::Architectures { folder } => {
            system::prepare(system::FOR_EMULATORS)?;
            architectures::write(&folder)
        }
        Task::BenchMcu { json, core } => {
            system::prepare(system::FOR_EMULATORS)?;
            mcu::bench(json, core.as_deref())
        }
        Task::BenchGpu => gpu::bench(),
        Task::BenchPeers(args) => peers::bench(&args),
        Task::CHeader { check: false } => header::write(),
        Task::CHeader { check: true } => header::check(),
        Task::Shaders { check } => shaders::run(check),
        Task::Mobile { sizes } => {
            system::prepare(system::FOR_PACKAGES)?;
            if sizes { mobile::package::write_sizes() } else { mobile::package::make() }
        }
        Task::Python { all } => {
            let scope = Scope::of(all);
            system::prepare(system::for_python(scope))?;
            python::wheel(scope)
        }
        Task::Changelog { version } => changelog::collect(&version),
        Task::Miri => miri::run(),
        Task::Msrv => msrv::run(),
        Task::Fuzz { seconds } => fuzz::run(seconds),
    }
}
