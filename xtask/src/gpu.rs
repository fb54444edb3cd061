//! What a machine with a GPU needs to measure: one folder.

use std::fs;

use crate::outcome::Outcome;
use crate::process::{self, cargo, root, target_dir};

/// Builds the program and the kernels' measurements, and puts them into a folder with the script that
/// runs them beside PyTorch.
pub fn bench() -> Outcome {
    let packages = ["--package", "shiftformer-cli", "--package", "shiftformer-tests"];
    let chosen = ["--bin", "shiftformer", "--example", "gpu_kernels"];
    let features = ["--no-default-features", "--features", "shiftformer-cli/gpu"];
    let build = [&["build", "--release"][..], &packages, &chosen, &features].concat();
    process::run(&mut cargo(&build))?;
    let folder = target_dir().join("bench-gpu");
    fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let built = target_dir().join("release");
    for from in [
        built.join("shiftformer"),
        built.join("examples/gpu_kernels"),
        root().join("xtask/bench-gpu/bench.py"),
    ] {
        let to = folder.join(from.file_name().unwrap_or_default());
        fs::copy(&from, &to).map_err(|error| format!("cannot copy {}: {error}", from.display()))?;
    }
    println!("{}: on the machine with the GPU, `python3 bench.py`", folder.display());
    Ok(())
}
