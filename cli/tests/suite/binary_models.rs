//! Binarized models: converted, described, and refused in the wrong format.

use crate::common::{fails, json};

fn data(name: &str) -> String {
    crate::common::data(name).display().to_string()
}

/// Arguments with the bundled checkpoint and calibration images.
fn args<'a>(model: &'a str, calib: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["convert", model, "-o", "b.shf", "--calib", calib, "--calib-samples", "8"], more].concat()
}

#[test]
fn a_binarized_checkpoint_is_converted_and_its_bits_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (model, calib) =
        (data("vit_fmnist_bivit.safetensors"), data("fmnist-train-128-images-idx3-ubyte.gz"));
    let more = ["--format", "bivit", "--precision", "blocks.0.mlp.fc1=w1a8", "--json"];
    let converted = json(path, &args(&model, &calib, &more));
    assert!(converted["flash_bytes"].as_u64().unwrap() <= 72 * 1024, "{converted}");

    let inspected = json(path, &["inspect", "b.shf", "--json"]);
    let ops = inspected["ops"].as_array().unwrap();
    let bits = |name: &str| &ops.iter().find(|op| op["name"] == name).unwrap()["bits"];
    assert_eq!(bits("blocks.0.attn.qkv.sign"), "W1A1");
    assert_eq!(bits("blocks.0.attn.mix.sign"), "A1×A1");
    assert_eq!(bits("blocks.0.add1"), "W1A2");
    assert_eq!(bits("blocks.0.mlp.fc1"), "W1A8");
    assert_eq!(bits("blocks.1.mlp.fc1"), "W1A16");
    assert_eq!(bits("head"), "W8A8");
}

#[test]
fn a_checkpoint_of_the_recipe_needs_no_images() {
    let folder = tempfile::tempdir().unwrap();
    let (path, model) = (folder.path(), data("vit_fmnist_bivit_recipe.safetensors"));
    let convert = ["convert", &model, "-o", "r.shf", "--format"];
    fails(path, 1, &[&convert[..], &["ivit"]].concat(), &["--format bivit"]);
    assert!(!path.join("r.shf").exists());
    let converted = json(path, &[&convert[..], &["bivit", "--json"]].concat());
    assert!(converted["flash_bytes"].as_u64().unwrap() <= 72 * 1024, "{converted}");
    let images = data("fmnist-test-1000-images-idx3-ubyte.gz");
    let result = json(path, &["eval", "r.shf", "--data", &images, "--limit", "200", "--json"]);
    assert!(result["top1"].as_f64().unwrap() > 85.0, "{result}");
}

#[test]
fn a_budget_of_flash_is_kept_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (model, calib) =
        (data("vit_fmnist_bivit.safetensors"), data("fmnist-train-128-images-idx3-ubyte.gz"));
    let with = |more: &[&'static str]| args(&model, &calib, &[&["--format", "bivit"], more].concat());
    fails(path, 1, &with(&["--max-flash", "20K"]), &["20480 are allowed", "smaller width"]);
    assert!(!path.join("b.shf").exists());
    let flash = |converted: serde_json::Value| converted["flash_bytes"].as_u64().unwrap();
    let free = flash(json(path, &with(&["--json"])));
    let kinds = |kind: &str| {
        let inspected = json(path, &["inspect", "b.shf", "--json"]);
        let changes = inspected["conversion"]["changes"].as_array().unwrap().clone();
        changes.iter().filter(|change| change["kind"] == kind).count()
    };
    let all = kinds("escalated");
    assert_eq!(kinds("withheld"), 0);
    // The layer that the user decides for is not among those that give way.
    let tight = ["--max-flash", "70000", "--precision", "blocks.5.mlp.fc2=w1a16", "--json"];
    let bytes = flash(json(path, &with(&tight)));
    assert!(bytes <= 70_000 && free > 70_000, "{bytes} {free}");
    let (kept, withheld) = (kinds("escalated"), kinds("withheld"));
    assert!(kept > 0 && withheld > 0, "{kept} {withheld}");
    assert_eq!(kept + withheld + 1, all);
    let inspected = json(path, &["inspect", "b.shf", "--json"]);
    let ops = inspected["ops"].as_array().unwrap();
    let of = |name: &str| ops.iter().find(|op| op["name"] == name).unwrap()["bits"].clone();
    assert_eq!(of("blocks.5.add2"), "W1A16");
}

#[test]
fn the_wrong_format_is_refused_with_the_right_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let calib = data("fmnist-train-128-images-idx3-ubyte.gz");
    for (model, format, words) in [
        ("vit_fmnist_bivit.safetensors", "ivit", "--format bivit"),
        ("vit_fmnist_ivit_qat.safetensors", "bivit", "--format ivit"),
        ("vit_fmnist_fp32.onnx", "bivit", "--format ivit"),
    ] {
        let mut more = vec!["--format", format];
        if model.ends_with("onnx") {
            more.extend(["--mean", "0.286", "--std", "0.353"]);
        }
        fails(path, 1, &args(&data(model), &calib, &more), &[words]);
        assert!(!path.join("b.shf").exists());
    }
}

#[test]
fn one_bit_is_only_for_layers_trained_so() {
    let folder = tempfile::tempdir().unwrap();
    let (model, calib) =
        (data("vit_fmnist_bivit.safetensors"), data("fmnist-train-128-images-idx3-ubyte.gz"));
    let more = ["--format", "bivit", "--precision", "head=w1a8"];
    fails(folder.path(), 1, &args(&model, &calib, &more), &["`head`", "i8 and i16"]);
    let more = ["--format", "bivit", "--precision", "head=w2a8"];
    fails(folder.path(), 2, &args(&model, &calib, &more), &["w1a16"]);
}
