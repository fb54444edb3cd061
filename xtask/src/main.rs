//! Developer tasks, run as `cargo xtask <task>`.

mod boards;
mod elf;
mod fuzz;
mod header;
mod link;
mod mcu;
mod miri;
mod msrv;
mod process;
mod system;
mod test;

use std::process::ExitCode;

const HELP: &str = "\
Developer tasks of Shiftformer.

cargo xtask test                   everything that must pass before a change is merged
cargo xtask test --list            the steps, without running them
cargo xtask test --from STEP       the same from one step on
cargo xtask size                   link the runtime for bare metal: no panic, no float, no
                                   allocator; print the code size
cargo xtask boards [BOARD]...      images for the boards that people own: they link and fit,
                                   no panic in what runs a program; sizes
cargo xtask bench-mcu [--json]     instructions of every kernel on emulated microcontrollers
cargo xtask c-header               write the C header of firmware/c from its crate
cargo xtask c-header --check       compare the two, and compile the header
cargo xtask miri                   tests of quant and runtime under Miri (nightly)
cargo xtask msrv                   the crates for applications build with the Rust that they promise
cargo xtask fuzz [--seconds N]     every fuzz target for N seconds, 60 unless told (nightly)
cargo xtask --help                 this text

Exit code: 0 done, 1 failed, 2 wrong usage.
";

/// What a task reports when it fails.
type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args.as_slice() {
        ["test"] => test::run(None),
        ["test", "--list"] => test::list(),
        ["test", "--from", step] => test::run(Some(step)),
        ["size"] => link::run(),
        ["boards", names @ ..] => boards::run(names),
        ["bench-mcu"] => mcu::bench(false),
        ["bench-mcu", "--json"] => mcu::bench(true),
        ["c-header"] => header::write(),
        ["c-header", "--check"] => header::check(),
        ["miri"] => miri::run(),
        ["msrv"] => msrv::run(),
        ["fuzz"] => fuzz::run(60),
        ["fuzz", "--seconds", seconds] => match seconds.parse() {
            Ok(seconds) => fuzz::run(seconds),
            Err(_) => return usage(&format!("`{seconds}` is not a number of seconds")),
        },
        ["--help" | "-h" | "help"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        [] => return usage("no task given"),
        other => return usage(&format!("unknown task: {}", other.join(" "))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("\nxtask failed: {message}");
            ExitCode::FAILURE
        }
    }
}

fn usage(problem: &str) -> ExitCode {
    eprint!("{problem}\n\n{HELP}");
    ExitCode::from(2)
}
