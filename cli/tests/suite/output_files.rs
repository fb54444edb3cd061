//! Output files are written whole or not at all.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::{checkpoint, data, fails, images, model, run, stderr};

fn listing(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A size limit on files stops a write half way, as a full disk does.
#[test]
fn an_interrupted_write_leaves_the_old_output_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("out.shf"), "old").unwrap();
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" convert \"$1\" -o out.shf --format ivit";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_shiftformer"), &checkpoint()]);
    let output = shell.current_dir(folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("cannot write out.shf"), "{}", stderr(&output));
    assert_eq!(fs::read_to_string(folder.path().join("out.shf")).unwrap(), "old");
    assert_eq!(listing(folder.path()), ["out.shf"]);
}

#[test]
fn folders_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    let checkpoint = checkpoint();
    for out in ["absent/out.shf", "folder", "/proc/out.shf", "/dev/full"] {
        let args = ["convert", &checkpoint, "-o", out, "--format", "ivit"];
        fails(folder.path(), 1, &args, &["cannot write", out, "help"]);
    }
    assert_eq!(listing(folder.path()), ["folder"]);
}

#[test]
fn a_new_output_replaces_the_old_one_through_a_link() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("target.shf"), "old").unwrap();
    std::os::unix::fs::symlink("target.shf", folder.path().join("model.shf")).unwrap();
    model(folder.path());
    assert!(fs::read(folder.path().join("target.shf")).unwrap().starts_with(b"SHFM"));
    assert_eq!(listing(folder.path()), ["model.shf", "target.shf"]);
}

#[test]
fn outputs_over_inputs_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let fixture = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name);
    for name in ["external.onnx", "external.data"] {
        fs::copy(fixture(name), path.join(name)).unwrap();
    }
    fs::copy(data("fmnist-train-128-images-idx3-ubyte.gz"), path.join("calib-images.gz")).unwrap();
    std::os::unix::fs::symlink("external.onnx", path.join("link")).unwrap();
    fs::hard_link(path.join("external.data"), path.join("hard")).unwrap();
    let refused = |output: &[&str], words: &[&str]| {
        let args = ["convert", "external.onnx", "--calib", "calib-images.gz"];
        fails(path, 1, &[&args[..], output].concat(), words);
    };
    let before: Vec<(String, Vec<u8>)> =
        listing(path).into_iter().map(|name| (name.clone(), fs::read(path.join(name)).unwrap())).collect();
    let new = "new.shf";
    refused(&["-o", "external.onnx"], &["-o external.onnx", "overwrite the model", "another name"]);
    refused(&["-o", "./link"], &["-o ./link", "the model external.onnx"]);
    refused(&["-o", new, "--report", "external.data"], &["--report external.data", "the model's weights"]);
    refused(&["-o", new, "--report", "hard"], &["--report hard", "the model's weights external.data"]);
    refused(&["-o", "calib-images.gz"], &["the data calib-images.gz"]);
    refused(&["-o", new, "--report", "./new.shf"], &["-o and --report are one file"]);
    refused(&["-o", new, "--report", "new.facts.json"], &["the facts file and --report are one file"]);
    fails(path, 1, &["demo", "-o", "new.html"], &["-o and the report are one file, new.html"]);
    for (name, bytes) in &before {
        assert_eq!(&fs::read(path.join(name)).unwrap(), bytes, "{name}");
    }
    assert_eq!(listing(path).len(), before.len());
}

#[test]
fn logits_and_images_for_boards_leave_the_container_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    model(path);
    let before = fs::read(path.join("model.shf")).unwrap();
    let images = images();
    let eval = ["eval", "model.shf", "--data", &images, "--limit", "1", "--logits"];
    fails(path, 1, &[&eval[..], &["model.shf"]].concat(), &["--logits model.shf", "the container"]);
    let flash = ["flash", "model.shf", "--board", "pico2", "--dry-run", "-o", "./model.shf"];
    fails(path, 1, &flash, &["-o ./model.shf", "the container"]);
    assert_eq!(fs::read(path.join("model.shf")).unwrap(), before);
    let written = run(path, &[&eval[..], &["logits.npy"]].concat());
    assert!(written.status.success(), "{}", stderr(&written));
}
