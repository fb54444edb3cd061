//! What the commands print, and that engines agree.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::common::{checkpoint, fails, images, json, model, run, stderr};

fn stdout_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What the program prints, which must succeed.
fn stdout(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    stdout_of(&output)
}

fn has(value: &Value, keys: &[&str]) {
    for key in keys {
        assert!(!value[key].is_null(), "no `{key}` in {value}");
    }
}

#[test]
fn eval_gives_the_same_logits_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    model(path);
    let data = images();
    let eval = |limit: &str, out: &str, more: &[&str]| {
        let args = ["eval", "model.shf", "--data", &data, "--limit", limit, "--logits", out, "--json"];
        json(path, &[&args[..], more].concat())
    };
    let whole = eval("300", "whole.npy", &[]);
    has(&whole, &["top1", "top5", "n", "seconds", "images_per_s", "backend", "kernels", "threads"]);
    assert_eq!((&whole["n"], &whole["backend"]), (&300.into(), &"cpu".into()));
    assert!(whole["top1"].as_f64().unwrap() > 88.0, "{whole}");
    eval("50", "cpu.npy", &["--threads", "1"]);
    let reference = eval("50", "reference.npy", &["--backend", "reference", "--threads", "2"]);
    assert_eq!(reference["kernels"], "reference");
    let cpu = fs::read(path.join("cpu.npy")).unwrap();
    assert!(cpu.starts_with(b"\x93NUMPY"));
    assert_eq!(cpu, fs::read(path.join("reference.npy")).unwrap());
    assert_eq!(cpu[128..], fs::read(path.join("whole.npy")).unwrap()[128..128 + 50 * 10 * 4]);
}

#[test]
fn inspect_and_identity() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    model(path);
    let source = checkpoint();
    let args = ["convert", &source, "-o", "packed.shf", "--format", "ivit", "--target", "portable", "--json"];
    let packed = json(path, &args);
    has(&packed, &["output", "flash_bytes", "arena_bytes", "identity"]);
    let (one, two) =
        (json(path, &["inspect", "model.shf", "--json"]), json(path, &["inspect", "packed.shf", "--json"]));
    let keys = [
        "file",
        "macs",
        "flash_bytes",
        "weight_bytes",
        "arena_bytes",
        "packs",
        "inputs",
        "outputs",
        "ops",
        "tile_groups",
    ];
    has(&one, &keys);
    assert_eq!(one["identity"], two["identity"]);
    assert_eq!(one["identity"], packed["identity"]);
    assert_eq!(one["identity_verified"], true);
    assert_eq!((&one["packs"][0], &two["packs"][0]), (&"row-major".into(), &"panel16x4".into()));
    assert_eq!(one["flash_bytes"].as_u64(), Some(fs::metadata(path.join("model.shf")).unwrap().len()));
    assert_eq!(one["inputs"][0]["shape"], serde_json::json!([28, 28, 1]));
    let text = stdout(path, &["inspect", "model.shf"]);
    for word in
        ["equals the hash of the content", "6 of 6 boards", "emulated     fits: virtual-m0, mps2-an386"]
    {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(!text.contains("blocks.0.attn.qact1"), "{text}");
    let listed = stdout(path, &["inspect", "model.shf", "--ops"]);
    assert!(listed.starts_with("container") && listed.contains("blocks.0.attn.qact1"), "{listed}");
}

#[test]
fn one_board_is_answered_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    model(path);
    let text = stdout(path, &["inspect", "model.shf", "--board", "pico"]);
    assert!(text.starts_with("model.shf fits pico: flash ") && text.lines().count() == 1, "{text}");
    let boards = &json(path, &["inspect", "model.shf", "--board", "pico", "--json"])["boards"];
    assert_eq!((boards.as_array().unwrap().len(), &boards[0]["emulated"]), (1, &false.into()));
    let large = converter::arch::Arch::by_name("deit-tiny").unwrap().random(1);
    let large = converter::build(&large, converter::BuildOptions::default()).unwrap();
    fs::write(path.join("large.shf"), large).unwrap();
    let refused = ["inspect", "large.shf", "--board", "pico"];
    fails(path, 1, &refused, &["does not fit pico", "more of flash needed"]);
    assert!(stdout_of(&run(path, &refused)).starts_with("large.shf does not fit pico: flash "));
}

/// Tile records are in the container, and nowhere counted as instructions.
#[test]
fn every_command_counts_the_same_instructions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let source = checkpoint();
    let converted = json(path, &["convert", &source, "-o", "model.shf", "--format", "ivit", "--json"]);
    let inspected = json(path, &["inspect", "model.shf", "--json"]);
    let verified = json(path, &["verify", "model.shf", "--frames", "1", "--json"]);
    let rows = |value: &Value| value.as_array().unwrap().len();
    let count = rows(&inspected["ops"]);
    assert!(rows(&inspected["tile_groups"]) > 0);
    assert_eq!(converted["instructions"], count);
    assert_eq!(inspected["instructions"], count);
    assert_eq!(rows(&verified["instructions"]), count);
    let container = fs::read(path.join("model.shf")).unwrap();
    let facts = report::ProgramFacts::new(&container).unwrap();
    assert_eq!(facts.instructions.len(), count);
}

#[test]
fn verify_agrees_fused_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    model(path);
    let source = checkpoint();
    json(path, &["convert", &source, "-o", "trace.shf", "--format", "ivit", "--no-fuse", "--json"]);
    for file in ["model.shf", "trace.shf"] {
        for kernels in ["portable", "reference"] {
            let result = json(path, &["verify", file, "--backend", "cpu", "--kernels", kernels, "--json"]);
            assert_eq!((&result["identical"], &result["frames"]), (&true.into(), &4.into()));
            has(&result["instructions"][0], &["index", "name", "op", "hash"]);
        }
    }
}

#[test]
fn run_ranks_classes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    model(path);
    fs::write(path.join("grey.pgm"), [b"P5 28 28 255\n".as_slice(), &[40; 784]].concat()).unwrap();
    fs::write(path.join("names.txt"), (0..10).map(|c| format!("class {c}\n")).collect::<String>()).unwrap();
    let result =
        json(path, &["run", "model.shf", "grey.pgm", "--top", "3", "--labels", "names.txt", "--json"]);
    let top = result[0]["top"].as_array().unwrap();
    assert_eq!(top.len(), 3);
    has(&top[0], &["class", "label", "probability", "logit"]);
    assert!(top[0]["logit"].as_i64() >= top[1]["logit"].as_i64());
    fs::write(path.join("names.txt"), "one\n").unwrap();
    fails(path, 1, &["run", "model.shf", "grey.pgm", "--labels", "names.txt"], &["names.txt", "10 classes"]);
    fs::write(path.join("bad.png"), "no").unwrap();
    fails(path, 1, &["run", "model.shf", "bad.png"], &["bad.png"]);
}

#[test]
fn bench_measures() {
    let here = Path::new(".");
    let args =
        ["bench", "--arch", "micro", "--batch", "4", "--threads", "2", "--runs", "3", "--profile", "--json"];
    let result = json(here, &args);
    has(&result, &["median_ms", "images_per_s", "batch", "threads", "backend", "kernels", "arena_bytes"]);
    has(&result, &["open_ms", "first_result_ms"]);
    if cfg!(target_os = "linux") {
        has(&result["memory"], &["resident_bytes", "peak_bytes"]);
    }
    assert_eq!((&result["batch"], &result["threads"], &result["runs"]), (&4.into(), &2.into(), &3.into()));
    has(&result["profile"][0], &["index", "name", "op", "ms", "macs"]);
}

#[test]
fn bench_compares_instructions_with_the_peak_of_kernels() {
    let here = Path::new(".");
    let args = ["bench", "--arch", "micro", "--runs", "1", "--roofline"];
    fails(here, 1, &[&args[..], &["--kernels", "portable"]].concat(), &["portable", "no peak"]);
    fails(here, 1, &[&args[..], &["--backend", "reference"]].concat(), &["reference", "leave --backend out"]);
    if shiftformer::Cpu::best().peak_macs_per_second().is_none() {
        return fails(here, 1, &args, &["no peak"]);
    }
    let roofline = &json(here, &[&args[..], &["--json"]].concat())["roofline"];
    has(roofline, &["kernels", "peak_gmacs_per_s", "instructions", "ops", "total"]);
    assert!(roofline["peak_gmacs_per_s"].as_f64().unwrap() > 1.0, "{roofline}");
    for kind in ["instructions", "ops"] {
        let rows = roofline[kind].as_array().unwrap();
        let sum = |key: &str| rows.iter().map(|row| row[key].as_f64().unwrap()).sum::<f64>();
        assert!((sum("share") - 1.0).abs() < 1e-9, "{rows:?}");
        assert_eq!(sum("macs"), roofline["total"]["macs"].as_f64().unwrap());
        assert_eq!(sum("bytes"), roofline["total"]["bytes"].as_f64().unwrap());
    }
    for row in roofline["instructions"].as_array().unwrap() {
        assert_eq!(row["macs"] != 0, row["of_peak"].as_f64().unwrap() > 0.0, "{row}");
    }
}

#[test]
fn demo_runs() {
    let folder = tempfile::tempdir().unwrap();
    let result = json(folder.path(), &["demo", "-o", "demo.shf", "--json"]);
    has(&result, &["top1", "n", "identical", "ms_per_image", "flash_bytes", "arena_bytes", "seconds"]);
    let compared = |key: &str| result["comparison"][key].as_f64().unwrap();
    assert!((compared("float_top1") - 93.1).abs() <= 0.1, "{result}");
    assert!(compared("integer_top1") >= 92.6 && compared("agreement") >= 98.5, "{result}");
    assert!(folder.path().join("demo.shf").exists());
    let binarized = &result["binarized"];
    has(binarized, &["output", "top1", "ms_per_image", "flash_bytes", "arena_bytes"]);
    assert!(folder.path().join("demo-bivit.shf").exists());
    for (format, least) in [(&result, 92.0), (binarized, 90.0)] {
        assert_eq!((&format["n"], &format["identical"]), (&1000.into(), &100.into()));
        assert!(format["top1"].as_f64().unwrap() >= least, "{format}");
        has(format, &["instructions"]);
    }
    let flash = |format: &Value| format["flash_bytes"].as_u64().unwrap();
    assert!(3 * flash(binarized) < flash(&result), "{result}");
}

#[test]
fn records_hold_elsewhere_and_edited_ones_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    model(path);
    let record = ["verify", "model.shf", "--frames", "3", "--kernels", "portable", "--record", "desk.json"];
    stdout(path, &record);
    let check = ["verify", "model.shf", "--check", "desk.json", "--kernels", "reference", "--json"];
    let checked = json(path, &check);
    assert_eq!((&checked["identical"], &checked["frames"]), (&true.into(), &3.into()));
    assert_eq!(checked["recorded"]["kernels"], "portable");
    assert_eq!(checked["recorded"]["version"], env!("CARGO_PKG_VERSION"));

    let text = fs::read_to_string(path.join("desk.json")).unwrap();
    fs::write(path.join("edited.json"), text.replace("\"portable\"", "\"faster\"")).unwrap();
    let edited = ["verify", "model.shf", "--check", "edited.json"];
    fails(path, 1, &edited, &["edited.json was changed after it was recorded", "help"]);
    fs::write(path.join("none.json"), "{}").unwrap();
    fails(path, 1, &["verify", "model.shf", "--check", "none.json"], &["none.json is no record", "--record"]);
    let both = ["verify", "model.shf", "--check", "desk.json", "--frames", "2"];
    fails(path, 2, &both, &["--frames"]);
}
