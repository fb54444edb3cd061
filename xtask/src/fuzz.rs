//! Fuzzing: every target for a while.

use std::fs;

use crate::outcome::Outcome;
use crate::process::{self, command, exists, nightly, root, stdout};

/// Runs each target in `fuzz/fuzz_targets` for `seconds`.
pub fn run(seconds: u32) -> Outcome {
    let fuzz = root().join("fuzz");
    let folder = fuzz.join("fuzz_targets");
    let files = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut targets: Vec<String> = files
        .filter_map(|file| file.ok()?.file_name().to_str()?.strip_suffix(".rs").map(str::to_owned))
        .collect();
    targets.sort();
    if targets.is_empty() {
        return Err(format!("{} holds no targets", folder.display()));
    }
    if stdout(&mut command("rustup", &["run", "nightly", "rustc", "--version"])).is_none() {
        process::run(&mut command("rustup", &["toolchain", "install", "nightly", "--profile", "minimal"]))?;
    }
    if !exists("cargo-fuzz") {
        process::run(&mut command("cargo", &["install", "cargo-fuzz", "--locked"]))?;
    }
    for target in &targets {
        // What is found goes to the first folder; the second holds starting points.
        let (corpus, seeds) = (format!("corpus/{target}"), format!("seeds/{target}"));
        let limit = format!("-max_total_time={seconds}");
        let mut folders = vec![corpus.as_str()];
        if fuzz.join(&seeds).exists() {
            folders.push(&seeds);
        }
        fs::create_dir_all(fuzz.join(&corpus)).map_err(|error| format!("{corpus}: {error}"))?;
        let run = [&["fuzz", "run", "--fuzz-dir", ".", target][..], &folders, &["--", &limit]].concat();
        process::run(nightly(&run).current_dir(&fuzz))?;
    }
    println!("{} targets, {seconds} s each, nothing found", targets.len());
    Ok(())
}
