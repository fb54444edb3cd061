//! The link check: the whole runtime on bare metal, and what it must not contain.

use std::path::PathBuf;
use std::process::Command;

use crate::Outcome;
use crate::elf::{Program, Suspect};
use crate::process::{self, capture, cargo};

/// Targets that are linked: the smallest Arm core, one with a float unit, one that is not Arm.
pub const TARGETS: &[&str] = &["thumbv6m-none-eabi", "thumbv7em-none-eabihf", "riscv32imc-unknown-none-elf"];

/// The symbol that the panic handler refers to and nobody defines.
const PANIC: &str = "shiftformer_panics";

/// Where the firmware workspace is built.
pub fn target_dir() -> String {
    process::target_dir().join("firmware").display().to_string()
}

/// Links for every target, looks for what must not be there, and prints the sizes.
pub fn run() -> Outcome {
    let mut table = vec![format!("{:30} {:>8} {:>8} {:>8}", "target", "code", "rodata", "ram")];
    for target in TARGETS {
        let program = Program::read(&link(target)?)?;
        let suspects = program.suspects();
        if !suspects.is_empty() {
            return Err(format!("{target} links what it must not:\n{}", report(&suspects)));
        }
        let size = program.size();
        table.push(format!("{target:30} {:>8} {:>8} {:>8}", size.code, size.rodata, size.ram));
    }
    proof_of_the_check()?;
    println!(
        "bytes of quant and runtime with the reference kernels, opt-level \"s\"; no panic, no float, no allocator"
    );
    println!("{}", table.join("\n"));
    Ok(())
}

/// Builds the link check and returns the ELF file; where a panic keeps it from linking, says
/// which function panics.
fn link(target: &str) -> Result<PathBuf, String> {
    let file = PathBuf::from(target_dir()).join(target).join("release/link-check");
    println!("    linking for {target}");
    let (done, stderr) = capture(&mut build(target))?;
    if done {
        return Ok(file);
    }
    if !stderr.contains(PANIC) {
        return Err(format!("the link check does not build for {target}:\n{stderr}"));
    }
    let (done, stderr) = capture(build(target).env("RUSTFLAGS", "-Clink-arg=--warn-unresolved-symbols"))?;
    if !done {
        return Err(format!("the link check does not build for {target}:\n{stderr}"));
    }
    Err(format!("a panic can be reached on {target}:\n{}", report(&Program::read(&file)?.suspects())))
}

/// A check that cannot fail shows nothing: with a feature that panics, it must not link.
fn proof_of_the_check() -> Outcome {
    let (done, stderr) = capture(build("thumbv6m-none-eabi").args(["--features", "panics"]))?;
    if !done && stderr.contains(PANIC) { Ok(()) } else { Err("the link check lets a panic pass".into()) }
}

fn build(target: &str) -> Command {
    let place = ["--target-dir", &target_dir(), "--target", target];
    let build = ["build", "--release", "--manifest-path", "firmware/Cargo.toml", "--package", "link-check"];
    cargo(&[&build[..], &place].concat())
}

fn report(suspects: &[Suspect]) -> String {
    let line = |s: &Suspect| match s.referrers.as_slice() {
        [] => format!("  {}", s.name),
        from => format!("  {}\n    from {}", s.name, from.join("\n    from ")),
    };
    suspects.iter().map(line).collect::<Vec<_>>().join("\n")
}
