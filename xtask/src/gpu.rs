//! What a machine with a GPU needs to measure: one folder.

use std::fs;

use crate::outcome::Outcome;
use crate::process::{self, cargo, root, target_dir};

/// Builds the program and puts it into a folder with the script that measures it beside PyTorch.
pub fn bench() -> Outcome {
    let build = ["build", "--release", "--package", "shiftformer-cli", "--no-default-features"];
    process::run(&mut cargo(&[&build[..], &["--features", "gpu"]].concat()))?;
    let folder = target_dir().join("bench-gpu");
    fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let program = target_dir().join("release").join("shiftformer");
    for (from, name) in [(program, "shiftformer"), (root().join("xtask/bench-gpu/bench.py"), "bench.py")] {
        let to = folder.join(name);
        fs::copy(&from, &to).map_err(|error| format!("cannot copy {}: {error}", from.display()))?;
    }
    println!("{}: on the machine with the GPU, `python3 bench.py`", folder.display());
    Ok(())
}
