//! The table of architectures in the documents, measured on models that the recipe trained.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use boards::MPS2_AN386;
use serde_json::Value;

use crate::outcome::Outcome;
use crate::process;
use crate::tables::{code, replace, row};

/// Where the table is.
const TABLE: (&str, &str) = ("docs/architectures.md", "architectures");
/// Mean and deviation of the recipe's pixels.
const PIXELS: [&str; 4] = ["--mean", "0.2860", "--std", "0.3530"];

/// Converts every ONNX model in `folder`, evaluates it on the images there beside its float model,
/// counts its instructions on an emulated Cortex-M4, and writes the table.
pub fn write(folder: &Path) -> Outcome {
    let entries =
        fs::read_dir(folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut models: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "onnx")).collect();
    models.sort();
    if models.is_empty() {
        return Err(format!(
            "{} holds no model: converter/recipes/architectures.py makes them",
            folder.display()
        ));
    }
    process::run(&mut process::cargo(&["build", "--release", process::NO_PROBES]))?;
    let mut rows = vec![row([
        "architecture",
        "top-1 float",
        "top-1 int8",
        "same answer",
        "cosine",
        "flash, bytes",
        "arena, bytes",
        "multiply-accumulates",
        "instructions on M4",
    ])];
    for model in &models {
        let figures = measure(model, folder)?;
        eprintln!("    {}", figures.join("  "));
        rows.push(figures);
    }
    replace(TABLE.0, TABLE.1, &rows)
}

/// The row of one model.
fn measure(model: &Path, folder: &Path) -> Result<Vec<String>, String> {
    let name = model.file_stem().map_or(String::new(), |name| name.to_string_lossy().into_owned());
    let container = process::target_dir().join("architectures").join(format!("{name}.shf"));
    if let Some(parent) = container.parent() {
        fs::create_dir_all(parent).map_err(|error| format!("cannot make {}: {error}", parent.display()))?;
    }
    let [model, container] = [model, &*container].map(|path| path.display().to_string());
    let [calibration, test] =
        ["calibration.npz", "test.npz"].map(|data| folder.join(data).display().to_string());
    shiftformer(&[&["convert", &model, "-o", &container, "--calib", &calibration][..], &PIXELS].concat())?;
    let tested = shiftformer(&["eval", &container, "--data", &test, "--against", &model])?;
    let inspected = shiftformer(&["inspect", &container])?;
    let board = format!("qemu:{}", MPS2_AN386.name);
    let timed = shiftformer(&["bench", &container, "--backend", &board, "--runs", "1"])?;
    // With `-icount shift=0` an instruction takes a nanosecond of the emulator's time.
    let instructions = number(&timed["device"], "nanoseconds")?;
    Ok(vec![
        code(&name),
        format!("{:.1}", number(&tested, "float_top1")?),
        format!("{:.1}", number(&tested, "top1")?),
        format!("{:.1} %", number(&tested, "agreement")?),
        format!("{:.4}", number(&tested, "logit_cosine")?),
        number(&inspected, "flash_bytes")?.to_string(),
        number(&inspected, "arena_bytes")?.to_string(),
        number(&inspected, "macs")?.to_string(),
        format!("{:.1} M", instructions / 1e6),
    ])
}

/// What the command says of `args` as JSON.
fn shiftformer(args: &[&str]) -> Result<Value, String> {
    let program = process::target_dir().join("release/shiftformer");
    let mut command = Command::new(&program);
    let text = process::stdout(command.args(args).arg("--json"));
    let text = text.ok_or_else(|| format!("`shiftformer {}` failed", args.join(" ")))?;
    serde_json::from_str(&text).map_err(|error| format!("`shiftformer {}`: {error}", args.join(" ")))
}

fn number(value: &Value, key: &str) -> Result<f64, String> {
    value[key].as_f64().ok_or_else(|| format!("the result has no number `{key}`"))
}
