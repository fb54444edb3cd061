//! Folders as a hub has them, each a model.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{fails, idx, json, run, stderr};

fn hub(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/hub").join(name);
    path.display().to_string()
}

/// Images of `side × side` with labels of three classes.
fn images(folder: &Path, side: usize) -> PathBuf {
    let count = 24;
    let pixels: Vec<u8> = (0..count * side * side).map(|i| (i * i / 7 % 251) as u8).collect();
    let labels: Vec<u8> = (0..count).map(|i| (i % 3) as u8).collect();
    fs::write(folder.join("t-labels-idx1-ubyte"), idx(&[count as u32], &labels)).unwrap();
    let path = folder.join("t-images-idx3-ubyte");
    fs::write(&path, idx(&[count as u32, side as u32, side as u32], &pixels)).unwrap();
    path
}

#[test]
fn a_folder_is_a_model_for_every_command_that_takes_one() {
    let folder = tempfile::tempdir().unwrap();
    let data = images(folder.path(), 32).display().to_string();
    let model = hub("swin");
    let output = run(folder.path(), &["convert", &model, "-o", "out.shf", "--calib", &data]);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    for words in [
        "note: model.safetensors, config.json and preprocessor_config.json of ",
        "note: pictures become frames of 32 × 32: stretch, antialiased bilinear; mean 0.5, standard deviation 0.5",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let container = fs::read(folder.path().join("out.shf")).unwrap();
    assert!(container.windows(11).any(|bytes| bytes == b"white shark"), "the classes have no names");
    let compared = json(folder.path(), &["eval", "out.shf", "--data", &data, "--against", &model, "--json"]);
    assert!(compared["logit_cosine"].as_f64().unwrap() > 0.99, "{compared}");
}

#[test]
fn a_part_of_a_folder_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let data = images(folder.path(), 12).display().to_string();
    for entry in fs::read_dir(hub("vit")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    for part in ["model.safetensors", "preprocessor_config.json"] {
        let args = ["convert", ".", "-o", part, "--calib", &data];
        fails(folder.path(), 1, &args, &["would overwrite a part of the model", part]);
    }
    let empty = tempfile::tempdir().unwrap();
    let args = ["convert", ".", "-o", "out.shf", "--calib", &data];
    fails(empty.path(), 1, &args, &["neither model.safetensors", "save_pretrained"]);
}
