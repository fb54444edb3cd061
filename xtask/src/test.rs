//! `cargo xtask test`: what a change must pass. CI runs exactly this.

use std::time::{Duration, Instant};

use crate::process::{self, cargo, root};
use crate::{Outcome, boards, header, link, mcu, system};

/// One step: its name, what it shows, and how.
struct Step {
    name: &'static str,
    what: &'static str,
    run: fn() -> Outcome,
}

const STEPS: &[Step] = &[
    Step {
        name: "prepare",
        what: "emulators, cross compilers, data set, Rust targets",
        run: system::prepare,
    },
    Step { name: "format", what: "rustfmt, every workspace", run: format },
    Step { name: "clippy", what: "no warnings, every workspace", run: clippy },
    Step { name: "unit", what: "all tests, overflow checks on", run: unit },
    Step {
        name: "golden",
        what: "whole models on whole data sets, optimised; firmware in emulators",
        run: golden,
    },
    Step { name: "bare", what: "quant, runtime and link build for microcontrollers and wasm", run: bare },
    Step { name: "link", what: "bare links without panic, float or allocator; sizes", run: link::run },
    Step { name: "header", what: "the C header is that of its crate, in C99 and C++11", run: header::check },
    Step {
        name: "boards",
        what: "firmware for two boards with a HAL links and fits; nothing of ours in it can panic",
        run: || boards::run(&["pico", "nrf52840-dk"]),
    },
    Step {
        name: "mcu",
        what: "generated programs and the model on emulated microcontrollers",
        run: mcu::exact,
    },
    Step { name: "emulate", what: "the same bytes on AArch64 and 32-bit Arm", run: emulate },
    Step { name: "doc", what: "documentation without warnings", run: doc },
];

/// Prints the steps.
pub fn list() -> Outcome {
    for step in STEPS {
        println!("{:8}  {}", step.name, step.what);
    }
    Ok(())
}

/// Runs the steps in order, from the one named on, and stops at the first that fails.
pub fn run(first: Option<&str>) -> Outcome {
    let first = match first {
        Some(name) => STEPS.iter().position(|step| step.name == name),
        None => Some(0),
    };
    let first = first.ok_or("no such step; `cargo xtask test --list` names them")?;

    let start = Instant::now();
    let mut times = Vec::new();
    for (index, step) in STEPS.iter().enumerate().skip(first) {
        println!("\n=== {}/{} {}: {}", index + 1, STEPS.len(), step.name, step.what);
        let begun = Instant::now();
        (step.run)().map_err(|error| {
            format!(
                "step {} ({}): {error}\nTo go on from here: cargo xtask test --from {}",
                step.name, step.what, step.name
            )
        })?;
        println!("--- {}: {}", step.name, clock(begun.elapsed()));
        times.push((step.name, begun.elapsed()));
    }
    println!();
    for (name, time) in times {
        println!("{name:8}  {}", clock(time));
    }
    println!("{:8}  {}\nall steps passed", "total", clock(start.elapsed()));
    Ok(())
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {:02.0} s", seconds as u64 / 60, seconds % 60.0)
    }
}

const MANIFESTS: &[&str] = &["Cargo.toml", "firmware/Cargo.toml", "fuzz/Cargo.toml"];

/// Boards by the one target that they build for.
const BOARDS: &[(&str, &[&str])] = &[
    ("thumbv6m-none-eabi", &["virtual-m0", "pico"]),
    ("thumbv7em-none-eabihf", &["mps2-an386", "mps2-an500", "nrf52840-dk"]),
    ("thumbv8m.main-none-eabihf", &["mps3-an547"]),
    ("riscv32imc-unknown-none-elf", &["riscv-virt"]),
];

fn format() -> Outcome {
    for manifest in MANIFESTS.iter().filter(|m| root().join(m).exists()) {
        process::run(&mut cargo(&["fmt", "--all", "--check", "--manifest-path", manifest]))
            .map_err(|error| format!("{error}; `cargo fmt --all --manifest-path {manifest}` repairs it"))?;
    }
    Ok(())
}

fn clippy() -> Outcome {
    process::run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    let without = ["clippy", "--package", "shiftformer-cli", "--no-default-features", "--all-targets"];
    process::run(&mut cargo(&[&without[..], &["--", "-D", "warnings"]].concat()))?;
    let place = link::target_dir();
    for target in link::TARGETS {
        let clippy =
            ["clippy", "--release", "--manifest-path", "firmware/Cargo.toml", "--target-dir", &place];
        process::run(&mut cargo(&[&clippy[..], &["--target", target, "--", "-D", "warnings"]].concat()))?;
    }
    for (target, packages) in BOARDS {
        let clippy =
            ["clippy", "--release", "--manifest-path", "firmware/Cargo.toml", "--target-dir", &place];
        let packages: Vec<&str> = packages.iter().flat_map(|package| ["--package", package]).collect();
        for features in [&[][..], &["--features", "defmt"]] {
            process::run(&mut cargo(
                &[&clippy[..], &["--target", target], &packages, features, &["--", "-D", "warnings"]]
                    .concat(),
            ))?;
        }
    }
    let place = process::target_dir().join("fuzz").display().to_string();
    let fuzz = ["clippy", "--manifest-path", "fuzz/Cargo.toml", "--target-dir", &place];
    process::run(&mut cargo(&[&fuzz[..], &["--", "-D", "warnings"]].concat()))
}

fn unit() -> Outcome {
    process::run(&mut cargo(&["test", "--workspace"]))?;
    let place = link::target_dir();
    let app = ["test", "--manifest-path", "firmware/Cargo.toml", "--package", "shiftformer-app"];
    process::run(&mut cargo(&[&app[..], &["--target-dir", &place]].concat()))
}

fn golden() -> Outcome {
    // The others have no ignored tests, and take minutes to link.
    let tests = ["golden", "golden_bivit", "golden_bivit_recipe", "converted", "emulated"];
    let tests: Vec<&str> = tests.iter().flat_map(|test| ["--test", test]).collect();
    let test = ["test", "--release", "--package", "shiftformer-tests"];
    process::run(&mut cargo(&[&test[..], &tests, &["--", "--ignored"]].concat()))?;
    // Not optimised, and of the whole workspace: so the step `unit` has built it, with the decoder
    // that it needs.
    process::run(&mut cargo(&["test", "--workspace", "--test", "log", "--", "--ignored"]))
}

fn bare() -> Outcome {
    let targets = [
        "thumbv6m-none-eabi",
        "thumbv7em-none-eabihf",
        "thumbv8m.main-none-eabihf",
        "riscv32imc-unknown-none-elf",
        "wasm32-unknown-unknown",
    ];
    for target in targets {
        let packages = ["shiftformer-quant", "shiftformer-runtime", "shiftformer-link"]
            .map(|p| ["--package", p])
            .concat();
        process::run(&mut cargo(&[&["build", "--release", "--target", target][..], &packages].concat()))?;
    }
    process::run(&mut cargo(&[
        "build",
        "--release",
        "--target",
        "wasm32-unknown-unknown",
        "--package",
        "shiftformer-cpu",
    ]))
}

fn emulate() -> Outcome {
    for target in ["aarch64-unknown-linux-gnu", "armv7-unknown-linux-gnueabihf"] {
        let test = ["test", "--release", "--package", "shiftformer-tests", "--test", "same_bytes"];
        process::run(&mut cargo(&[&test[..], &["--target", target]].concat()))?;
    }
    Ok(())
}

fn doc() -> Outcome {
    // The library and the binary are both called `shiftformer`: only libraries have pages.
    process::run(cargo(&["doc", "--workspace", "--no-deps", "--lib"]).env("RUSTDOCFLAGS", "-D warnings"))
}
