//! Output files are written whole or not at all.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::{checkpoint, fails, model, stderr};

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
