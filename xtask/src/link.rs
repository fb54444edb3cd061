//! The link check: the whole runtime on bare metal, and what it must not contain.

use std::path::PathBuf;

use boards::Core;
use boards::firmware::{BuildError, Firmware, folder};

use crate::elf::{Executable, Suspect};
use crate::outcome::Outcome;
use crate::process::root;

/// Cores that are linked for: the smallest Arm core, one with a float unit, one that is not Arm.
const CORES: [Core; 3] = [Core::CortexM0, Core::CortexM4, Core::Rv32imc];

/// The symbol that the panic handler refers to and nobody defines.
const PANIC: &str = "shiftformer_panics";

/// Where the firmware workspace is built.
pub fn target_dir() -> String {
    folder(&root()).display().to_string()
}

/// Links for every core, looks for what must not be there, and prints the sizes.
pub fn run() -> Outcome {
    let mut table = vec![format!("{:30} {:>8} {:>8} {:>8}", "target", "code", "rodata", "ram")];
    for core in CORES {
        let target = core.target();
        let program = Executable::read(&link(core)?)?;
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
fn link(core: Core) -> Result<PathBuf, String> {
    println!("    linking for {}", core.target());
    match build(core, &[]) {
        Err(BuildError::Build { report, .. }) if report.contains(PANIC) => {}
        built => return built.map_err(|error| failed(&error)),
    }
    let file = build(core, &["links-anyway"]).map_err(|error| failed(&error))?;
    Err(format!(
        "a panic can be reached on {}:\n{}",
        core.target(),
        report(&Executable::read(&file)?.suspects())
    ))
}

/// A check that cannot fail shows nothing: with a feature that panics, it must not link.
fn proof_of_the_check() -> Outcome {
    match build(Core::CortexM0, &["panics"]) {
        Err(BuildError::Build { report, .. }) if report.contains(PANIC) => Ok(()),
        Err(error) => Err(failed(&error)),
        Ok(_) => Err("the link check lets a panic pass".into()),
    }
}

fn build(core: Core, features: &[&str]) -> Result<PathBuf, BuildError> {
    Firmware { features, ..Firmware::new("link-check", core) }.build(&root())
}

/// The error, and what to do about it.
pub fn failed(error: &BuildError) -> String {
    match error.help() {
        Some(help) => format!("{error}; {help}"),
        None => error.to_string(),
    }
}

fn report(suspects: &[Suspect]) -> String {
    let line = |s: &Suspect| match s.referrers.as_slice() {
        [] => format!("  {}", s.name),
        from => format!("  {}\n    from {}", s.name, from.join("\n    from ")),
    };
    suspects.iter().map(line).collect::<Vec<_>>().join("\n")
}
