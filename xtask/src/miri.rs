//! Miri: undefined behaviour in the dependencies that quant and runtime cast bytes with.

use crate::outcome::Outcome;
use crate::process::{self, command, nightly};

/// Tests whose size is their point; under Miri they would take hours.
const LARGE: &[&str] = &["extreme_ratios_are_exact", "the_largest_sums_fit"];

/// Runs the tests of the two `no_std` crates, with two cases a property: Miri is slow.
pub fn run() -> Outcome {
    let parts = ["--profile", "minimal", "--component", "miri", "--component", "rust-src"];
    process::run(&mut command("rustup", &[&["toolchain", "install", "nightly"][..], &parts].concat()))?;
    let packages = ["--package", "shiftformer-quant", "--package", "shiftformer-runtime"];
    let skip: Vec<&str> = LARGE.iter().flat_map(|test| ["--skip", *test]).collect();
    process::run(
        nightly(&[&["miri", "test", "--lib"][..], &packages, &["--"], &skip].concat())
            .env("PROPTEST_CASES", "2")
            .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "true")
            .env("MIRIFLAGS", "-Zmiri-disable-isolation"),
    )
}
