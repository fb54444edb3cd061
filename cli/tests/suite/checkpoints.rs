//! Bad checkpoints are refused by name, and nothing is written.

use std::collections::BTreeMap;
use std::fs;

use crate::common::{Floats, checkpoint, edited, fails};

fn refused(edit: impl FnOnce(&mut BTreeMap<String, Floats>), words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    edited(&folder.path().join("bad.safetensors"), edit);
    fails(folder.path(), 1, &["convert", "bad.safetensors", "-o", "out.shf", "--format", "ivit"], words);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["bad.safetensors"]);
}

const WEIGHT: &str = "blocks.0.attn.qkv.weight_integer";
const SCALE: &str = "blocks.1.mlp.fc1.fc_scaling_factor";

#[test]
fn missing_tensor() {
    let edit = |t: &mut BTreeMap<_, _>| drop(t.remove(WEIGHT));
    refused(edit, &["bad.safetensors", WEIGHT, "missing", "help"]);
}

#[test]
fn wrong_shape() {
    refused(
        |t| t.get_mut(WEIGHT).unwrap().shape.reverse(),
        &["bad.safetensors", WEIGHT, "shape", "expected"],
    );
}

#[test]
fn not_a_number() {
    refused(|t| t.get_mut(WEIGHT).unwrap().values[7] = f32::NAN, &[WEIGHT, "NaN", "element 7"]);
}

#[test]
fn infinite_scale() {
    refused(|t| t.get_mut(SCALE).unwrap().values[0] = f32::INFINITY, &[SCALE, "inf"]);
}

#[test]
fn zero_scale() {
    refused(|t| t.get_mut(SCALE).unwrap().values[3] = 0.0, &[SCALE, "element 3", "positive scale"]);
    refused(
        |t| t.get_mut("qact1.act_scaling_factor").unwrap().values[0] = 0.0,
        &["qact1.act_scaling_factor"],
    );
}

#[test]
fn fractional_weight() {
    refused(|t| t.get_mut(WEIGHT).unwrap().values[0] = 0.5, &[WEIGHT, "0.5", "integer"]);
}

#[test]
fn another_layout() {
    let rename = |t: &mut BTreeMap<String, Floats>| {
        let scale = t.remove("qact_input.act_scaling_factor").unwrap();
        t.insert("other".into(), scale);
    };
    refused(rename, &["bad.safetensors", "qact_input.act_scaling_factor"]);
}

#[test]
fn cut_short_or_absent() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = fs::read(checkpoint()).unwrap();
    for len in [0, 4, 100, bytes.len() / 2, bytes.len() - 1] {
        fs::write(folder.path().join("cut.safetensors"), &bytes[..len]).unwrap();
        let args = ["convert", "cut.safetensors", "-o", "out.shf", "--format", "ivit"];
        fails(folder.path(), 1, &args, &["cut.safetensors", "help"]);
    }
    let args = ["convert", "absent.safetensors", "-o", "out.shf", "--format", "ivit"];
    fails(folder.path(), 1, &args, &["absent.safetensors", "No such file"]);
    assert!(!folder.path().join("out.shf").exists());
}

#[test]
fn bad_config_and_normalisation() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), "{\"img_size\": 28}").unwrap();
    let model = checkpoint();
    let convert = ["convert", &model, "-o", "out.shf", "--format", "ivit"];
    let with = |more: &[&'static str]| [&convert[..], more].concat();
    fails(folder.path(), 1, &with(&["--config", "config.json"]), &["patch_size"]);
    fails(folder.path(), 1, &with(&["--config", "absent.json"]), &["absent.json"]);
    fails(folder.path(), 1, &with(&["--std", "0"]), &["std"]);
    fails(folder.path(), 1, &with(&["--mean", "0.1,0.2"]), &["mean has 2 values"]);
    assert!(!folder.path().join("out.shf").exists());
}
