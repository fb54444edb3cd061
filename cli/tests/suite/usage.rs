//! Wrong usage exits with 2 and says what is right.

use std::path::Path;

use crate::common::{fails, run};

#[test]
fn wrong_usage() {
    let here = Path::new(".");
    let wrong = |args: &[&str], words: &[&str]| fails(here, 2, args, words);
    wrong(&[], &["Usage"]);
    wrong(&["fly"], &["fly"]);
    wrong(
        &["convert", "m.onnx", "-o", "o.shf", "--precision", "fc1=f32"],
        &["--precision", "i8, i16, w1a8 and w1a16"],
    );
    wrong(&["convert", "m.onnx", "-o", "o.shf", "--calib-samples", "0"], &["--calib-samples"]);
    wrong(&["convert", "m.onnx", "-o", "o.shf", "--escalate", "101"], &["--escalate"]);
    wrong(&["convert", "m.safetensors", "--format", "ivit"], &["--output"]);
    wrong(&["convert", "m.safetensors", "-o", "o.shf", "--format", "fp64"], &["fp64", "ivit"]);
    wrong(&["convert", "m.safetensors", "-o", "o.shf", "--format", "ivit", "--mean", "x"], &["--mean"]);
    for (option, values, divided) in [
        ("--mean", "123.675,116.28,103.53", "0.485,0.456,0.406"),
        ("--std", "58.395,57.12,57.375", "0.229,0.224,0.225"),
    ] {
        wrong(&["convert", "m.onnx", "-o", "o.shf", option, values], &[option, "divided by 255", divided]);
    }
    wrong(&["eval", "m.shf"], &["--data"]);
    wrong(&["eval", "m.shf", "--data", "d", "--limit", "0"], &["--limit"]);
    wrong(
        &["eval", "m.shf", "--data", "d", "--backend", "abacus"],
        &["there is no `abacus` backend", "reference, cpu, gpu"],
    );
    wrong(&["eval", "m.shf", "--data", "d", "--kernels", "x"], &["this build has no `x` kernel set"]);
    wrong(&["inspect", "m.shf", "--board", "abacus"], &["--board", "nrf52840-dk"]);
    wrong(&["inspect", "m.shf", "--board", "pico", "--ops"], &["--ops"]);
    wrong(&["run", "m.shf"], &["IMAGES"]);
    for threshold in ["-0.1", "1.5", "half", "NaN"] {
        let given = format!("--threshold={threshold}");
        wrong(&["run", "m.shf", "i.png", &given], &["--threshold", "a number from 0 to 1"]);
    }
    wrong(&["bench"], &["--arch"]);
    wrong(&["bench", "m.shf", "--arch", "micro"], &["--arch"]);
    wrong(&["tune"], &["--arch"]);
    wrong(&["bench", "--arch", "resnet"], &["resnet", "deit-tiny"]);
    wrong(&["bench", "--arch", "micro", "--threads", "0"], &["--threads"]);
}

#[test]
fn every_command_explains_itself() {
    for command in ["demo", "convert", "eval", "run", "inspect", "verify", "bench", "tune", "flash"] {
        let output = run(Path::new("."), &[command, "--help"]);
        assert!(output.status.success());
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("Usage") && text.contains("Examples"), "{text}");
    }
}
