//! Writes the container of an architecture with random weights: the program that
//! `shiftformer bench --arch` measures, as quantization-aware training gives it.
//!
//! ```sh
//! cargo run --release -p shiftformer-converter --example random -- deit-tiny deit-tiny.shf
//! ```

use std::error::Error;
use std::fs;

use shiftformer_converter::arch::{ARCHS, Arch};
use shiftformer_converter::{BuildOptions, build};

/// Seed of the weights.
const SEED: u64 = 1;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, path] = arguments.as_slice() else {
        return Err(format!(
            "usage: random ARCHITECTURE OUT.shf, of {}",
            ARCHS.map(|arch| arch.name).join(", ")
        )
        .into());
    };
    let arch = Arch::by_name(name).ok_or_else(|| format!("there is no architecture `{name}`"))?;
    fs::write(path, build(&arch.random(SEED), BuildOptions::default())?)?;
    Ok(())
}
