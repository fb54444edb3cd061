//! Float models are calibrated and converted; bad input is refused by name, and nothing is
//! written.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use crate::common::{Floats, data, fails, idx, json, run, stderr};

const SIDE: usize = 8;
const WIDTH: usize = 8;
const CONFIG: &str = r#"{"num_heads": 2}"#;

/// A small checkpoint with timm's names.
fn checkpoint(path: &Path, edit: impl FnOnce(&mut BTreeMap<String, Floats>)) {
    let mut state = 1u32;
    let mut tensors = BTreeMap::new();
    let mut add = |name: &str, shape: &[usize], around: f32| {
        let values = (0..shape.iter().product()).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            around + (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        });
        tensors.insert(name.to_owned(), Floats { shape: shape.to_vec(), values: values.collect() });
    };
    add("patch_embed.proj.weight", &[WIDTH, 1, 4, 4], 0.0);
    add("cls_token", &[1, 1, WIDTH], 0.0);
    add("pos_embed", &[1, 5, WIDTH], 0.0);
    for norm in ["blocks.0.norm1", "blocks.0.norm2", "norm"] {
        add(&format!("{norm}.weight"), &[WIDTH], 1.0);
        add(&format!("{norm}.bias"), &[WIDTH], 0.0);
    }
    for (layer, n, k) in [
        ("blocks.0.attn.qkv", 3 * WIDTH, WIDTH),
        ("blocks.0.attn.proj", WIDTH, WIDTH),
        ("blocks.0.mlp.fc1", 12, WIDTH),
        ("blocks.0.mlp.fc2", WIDTH, 12),
        ("head", 3, WIDTH),
    ] {
        add(&format!("{layer}.weight"), &[n, k], 0.0);
        add(&format!("{layer}.bias"), &[n], 0.0);
    }
    edit(&mut tensors);
    let bytes = |t: &Floats| t.values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let raw: Vec<_> = tensors.iter().map(|(name, t)| (name, t.shape.clone(), bytes(t))).collect();
    let views = raw.iter().map(|(name, shape, bytes)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    let metadata = [("config", CONFIG), ("mean", "0.5"), ("std", "0.25")];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    fs::write(path, safetensors::serialize(views, Some(metadata)).unwrap()).unwrap();
}

/// `count` images that differ.
fn images(path: &Path, count: usize) {
    let pixels: Vec<u8> = (0..count * SIDE * SIDE).map(|i| (i * i / 7 % 251) as u8).collect();
    fs::write(path, idx(&[count as u32, SIDE as u32, SIDE as u32], &pixels)).unwrap();
}

/// Runs `convert` on the checkpoint as edited; it must fail with `words` and write nothing.
fn refused(edit: impl FnOnce(&mut BTreeMap<String, Floats>), more: &[&str], words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    checkpoint(&folder.path().join("m.safetensors"), edit);
    images(&folder.path().join("calib-images-idx3-ubyte"), 20);
    let args = [&["convert", "m.safetensors", "-o", "out.shf", "--report", "out.html"], more].concat();
    fails(folder.path(), 1, &args, words);
    let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["calib-images-idx3-ubyte", "m.safetensors"]);
}

const CALIB: [&str; 2] = ["--calib", "calib-images-idx3-ubyte"];

#[test]
fn a_checkpoint_becomes_a_container_with_facts_and_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    checkpoint(&path.join("m.safetensors"), |_| {});
    images(&path.join("calib-images-idx3-ubyte"), 40);
    let args = [
        "convert",
        "m.safetensors",
        "-o",
        "m.shf",
        "--calib",
        "calib-images-idx3-ubyte",
        "--calib-samples",
        "32",
    ];
    let more = ["--report", "m.html", "--precision", "blocks.0.mlp.fc1=i16", "--json"];
    let converted = json(path, &[&args[..], &more].concat());
    let compared = &converted["comparison"];
    assert_eq!(compared["images"], 8, "{converted}");
    assert!(compared["cosine"].as_f64().unwrap() > 0.98, "{converted}");
    assert!(fs::read_to_string(path.join("m.html")).unwrap().starts_with("<!DOCTYPE html>"));

    let inspected = json(path, &["inspect", "m.shf", "--json"]);
    let facts = &inspected["conversion"];
    assert_eq!(facts["calibration_images"], 32, "{facts}");
    assert_eq!(facts["identity"], inspected["identity"]);
    let norm = facts["tensors"].as_array().unwrap().iter().find(|t| t["name"] == "blocks.0.norm2");
    assert_eq!(norm.unwrap()["bits"], 16);
    let changed = facts["changes"].as_array().unwrap();
    assert!(changed.iter().any(|c| c["kind"] == "overridden" && c["layer"] == "blocks.0.mlp.fc1"));

    let against = ["eval", "m.shf", "--data", "calib-images-idx3-ubyte", "--against", "m.safetensors"];
    fs::write(path.join("calib-labels-idx1-ubyte"), idx(&[40], &[0; 40])).unwrap();
    let evaluated = json(path, &[&against[..], &["--json"]].concat());
    for key in ["agreement", "float_top1", "logit_cosine", "top1", "top5", "n", "seconds"] {
        assert!(evaluated[key].is_number(), "no `{key}` in {evaluated}");
    }
    assert!(evaluated["logit_cosine"].as_f64().unwrap() > 0.98, "{evaluated}");
}

#[test]
fn the_float_model_is_compared_in_the_configuration_of_the_conversion() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    checkpoint(&path.join("m.safetensors"), |_| {});
    images(&path.join("calib-images-idx3-ubyte"), 40);
    fs::write(path.join("calib-labels-idx1-ubyte"), idx(&[40], &[0; 40])).unwrap();
    fs::write(path.join("four.json"), r#"{"num_heads": 4}"#).unwrap();
    fs::write(path.join("two.json"), CONFIG).unwrap();
    let convert = ["convert", "m.safetensors", "-o", "m.shf", "--config", "four.json"];
    json(path, &[&convert[..], &CALIB, &["--json"]].concat());
    let eval = ["eval", "m.shf", "--data", "calib-images-idx3-ubyte", "--against", "m.safetensors", "--json"];
    let cosine = |more: &[&str]| json(path, &[&eval[..], more].concat())["logit_cosine"].as_f64().unwrap();
    let (kept, four, two) =
        (cosine(&[]), cosine(&["--config", "four.json"]), cosine(&["--config", "two.json"]));
    assert!(kept > 0.98 && kept == four && two < kept, "{kept} {four} {two}");
    fails(path, 2, &["eval", "m.shf", "--data", "d", "--config", "two.json"], &["--against"]);
}

#[test]
fn a_float_model_of_another_size_is_not_compared() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    crate::common::model(path);
    checkpoint(&path.join("m.safetensors"), |_| {});
    let images = crate::common::images();
    let eval = ["eval", "model.shf", "--data", &images, "--limit", "2", "--against", "m.safetensors"];
    fails(path, 1, &eval, &["m.safetensors takes images of 8 × 8 × 1", "28 × 28 × 1", "converted from"]);
}

#[test]
fn calibration_is_needed() {
    refused(|_| {}, &[], &["m.safetensors", "float model", "--calib"]);
}

#[test]
fn weights_that_are_not_finite() {
    let nan = |t: &mut BTreeMap<String, Floats>| {
        t.get_mut("blocks.0.mlp.fc1.weight").unwrap().values[5] = f32::NAN;
    };
    refused(nan, &CALIB, &["blocks.0.mlp.fc1.weight", "NaN", "element 5"]);
    let infinite =
        |t: &mut BTreeMap<String, Floats>| t.get_mut("norm.bias").unwrap().values[0] = f32::INFINITY;
    refused(infinite, &CALIB, &["norm.bias", "inf"]);
}

#[test]
fn a_layer_that_is_zero_throughout_converts() {
    let dead = |t: &mut BTreeMap<String, Floats>| {
        t.get_mut("blocks.0.mlp.fc1.weight").unwrap().values.fill(0.0);
        t.get_mut("blocks.0.mlp.fc1.bias").unwrap().values.fill(0.0);
    };
    let folder = tempfile::tempdir().unwrap();
    checkpoint(&folder.path().join("m.safetensors"), dead);
    images(&folder.path().join("calib-images-idx3-ubyte"), 20);
    let args = [&["convert", "m.safetensors", "-o", "m.shf"], &CALIB[..], &["--json"]].concat();
    let converted = json(folder.path(), &args);
    assert!(converted["comparison"]["cosine"].as_f64().unwrap() > 0.98, "{converted}");
}

#[test]
fn a_program_that_is_no_answer_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    images(&path.join("calib-images-idx3-ubyte"), 40);
    let args = ["convert", "m.safetensors", "-o", "m.shf", "--report", "m.html", "--json"];
    let converted = |factor: f32| {
        checkpoint(&path.join("m.safetensors"), |tensors| {
            for name in ["head.weight", "head.bias"] {
                tensors.get_mut(name).unwrap().values.iter_mut().for_each(|value| *value *= factor);
            }
        });
        let output = run(path, &[&args[..], &CALIB].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (json["agrees"].clone(), stderr(&output))
    };
    let (agrees, said) = converted(1.0);
    assert_eq!((agrees, said.contains("warning")), (true.into(), false), "{said}");

    // Products of these weights are below what the scale of an accumulator can be.
    let (agrees, said) = converted(1e-30);
    assert_eq!(agrees, false, "{said}");
    for words in ["warning: The program does not answer", "It breaks at `head`", "--precision LAYER=i16"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(fs::read_to_string(path.join("m.html")).unwrap().contains("The program does not answer"));
    let inspected = run(path, &["inspect", "m.shf"]);
    assert!(String::from_utf8_lossy(&inspected.stdout).contains("warning      The program does not answer"));
}

#[test]
fn images_that_tell_little_are_remarked_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    checkpoint(&path.join("m.safetensors"), |_| {});
    // Two black images.
    fs::write(path.join("calib-images-idx3-ubyte"), idx(&[2, 8, 8], &[0; 128])).unwrap();
    let args = [&["convert", "m.safetensors", "-o", "m.shf"], &CALIB[..]].concat();
    let converted = json(path, &[&args[..], &["--json"]].concat());
    assert_eq!(converted["comparison"]["seen"], true, "{converted}");
    let remarks = converted["remarks"].as_array().unwrap();
    for words in [
        "calibrated the model",
        "one value throughout",
        "equal an earlier one",
        "No image was left",
        "one class",
    ] {
        assert!(
            remarks.iter().any(|remark| remark.as_str().unwrap().contains(words)),
            "{words}: {converted}"
        );
    }
    // Others are left to compare on, which have no labels.
    images(&path.join("calib-images-idx3-ubyte"), 40);
    let converted = json(path, &[&args[..], &["--calib-samples", "32", "--json"]].concat());
    assert_eq!(converted["comparison"]["seen"], false, "{converted}");
    assert!(!converted["remarks"].to_string().contains("No image was left"), "{converted}");
}

#[test]
fn a_tensor_of_another_shape() {
    let edit = |t: &mut BTreeMap<String, Floats>| t.get_mut("head.bias").unwrap().shape = vec![3, 1];
    refused(edit, &CALIB, &["head.bias", "shape", "expected"]);
    let edit = |t: &mut BTreeMap<String, Floats>| drop(t.remove("blocks.0.norm1.bias"));
    refused(edit, &CALIB, &["blocks.0.norm1.bias", "missing"]);
}

#[test]
fn a_mean_of_the_wrong_length() {
    refused(|_| {}, &[&CALIB[..], &["--mean", "0.1,0.2,0.3"]].concat(), &["mean has 3 values", "1 channel"]);
    refused(|_| {}, &[&CALIB[..], &["--std", "0.1,0.2"]].concat(), &["std has 2 values"]);
}

#[test]
fn a_layer_that_is_not_there() {
    let more = [&CALIB[..], &["--precision", "blocks.7=i16"]].concat();
    refused(|_| {}, &more, &["blocks.7", "blocks.0.attn.qkv", "head"]);
}

#[test]
fn an_empty_folder_and_a_broken_image() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    checkpoint(&path.join("m.safetensors"), |_| {});
    fs::create_dir(path.join("photos")).unwrap();
    let args = ["convert", "m.safetensors", "-o", "out.shf", "--calib", "photos"];
    fails(path, 1, &args, &["photos", "at least one image"]);
    fs::write(path.join("photos/broken.png"), b"\x89PNG\r\n\x1a\nnothing").unwrap();
    fails(path, 1, &args, &["broken.png"]);
    assert!(!path.join("out.shf").exists() && !path.join("out.facts.json").exists());
}

/// The bundled ONNX model with `from` replaced by `to`, of the same length.
fn damaged(path: &Path, from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    let mut file = fs::read(data("vit_fmnist_fp32.onnx")).unwrap();
    let starts: Vec<usize> =
        (0..file.len() - from.len()).filter(|&i| &file[i..i + from.len()] == from).collect();
    assert!(!starts.is_empty());
    for start in starts {
        file[start..start + from.len()].copy_from_slice(to);
    }
    fs::write(path, file).unwrap();
}

/// Converts `m.onnx` in the folder; that must fail with `words` and write nothing.
fn refused_onnx(folder: &Path, more: &[&str], words: &[&str]) {
    images(&folder.join("calib-images-idx3-ubyte"), 4);
    let args = ["convert", "m.onnx", "-o", "out.shf", "--report", "out.html"];
    fails(folder, 1, &[&args[..], &CALIB, more].concat(), words);
    for name in ["out.shf", "out.facts.json", "out.html"] {
        assert!(!folder.join(name).exists(), "{name} was written");
    }
}

#[test]
fn an_op_that_is_not_supported() {
    let folder = tempfile::tempdir().unwrap();
    damaged(&folder.path().join("m.onnx"), b"\"\x07Softmax", b"\"\x07Softmix");
    let words = ["m.onnx", "node `", "(Softmix)", "not supported", "docs/onnx-operators.md"];
    refused_onnx(folder.path(), &[], &words);
}

/// The dimensions 1 × 28 × 28 of the input in the file.
const DIMENSIONS: [u8; 12] = [10, 2, 8, 1, 10, 2, 8, 28, 10, 2, 8, 28];

#[test]
fn an_image_size_that_is_not_fixed() {
    let folder = tempfile::tempdir().unwrap();
    let open = [10, 2, 8, 1, 10, 2, 18, 0, 10, 2, 18, 0];
    damaged(&folder.path().join("m.onnx"), &DIMENSIONS, &open);
    refused_onnx(folder.path(), &[], &["input", "dimension 2", "1 × ? × ?", "fixed image size"]);
}

#[test]
fn an_input_of_another_shape() {
    let folder = tempfile::tempdir().unwrap();
    let channels = [10, 2, 8, 50, 10, 2, 8, 28, 10, 2, 8, 28];
    damaged(&folder.path().join("m.onnx"), &DIMENSIONS, &channels);
    refused_onnx(folder.path(), &[], &["input", "50, 28, 28", "not an image's", "1 to 4 channels"]);
    let size = [10, 2, 8, 1, 10, 2, 8, 32, 10, 2, 8, 32];
    damaged(&folder.path().join("m.onnx"), &DIMENSIONS, &size);
    refused_onnx(folder.path(), &[], &["node `", "[1, 65, 64]", "[1, 50, 64]"]);
}

#[test]
fn an_onnx_weight_that_is_not_finite() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = fs::read(data("vit_fmnist_fp32.onnx")).unwrap();
    // However the floats are aligned, one of them is all ones now: NaN.
    let middle = file.len() / 2;
    file[middle..middle + 7].fill(0xff);
    fs::write(folder.path().join("m.onnx"), file).unwrap();
    refused_onnx(folder.path(), &[], &["tensor `", "NaN", "element", "expected a finite number"]);
}

#[test]
fn weights_in_a_file_that_is_missing_or_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures").join(name);
    fs::copy(fixture("external.onnx"), folder.path().join("m.onnx")).unwrap();
    refused_onnx(
        folder.path(),
        &[],
        &["tensor `", "external.data", "No such file", "directory of the model"],
    );
    let weights = fs::read(fixture("external.data")).unwrap();
    fs::write(folder.path().join("external.data"), &weights[..weights.len() / 2]).unwrap();
    refused_onnx(folder.path(), &[], &["tensor `", "external.data", "outside"]);
}

#[test]
fn a_normalisation_that_does_not_fit_an_onnx_model() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(data("vit_fmnist_fp32.onnx"), folder.path().join("m.onnx")).unwrap();
    refused_onnx(folder.path(), &["--mean", "0.1,0.2,0.3"], &["mean has 3 values", "1 channel;"]);
    refused_onnx(folder.path(), &["--std", "0.1,0.2"], &["std has 2 values", "1 channel;"]);
    refused_onnx(folder.path(), &["--std", "0"], &["std must be finite and above zero"]);
}

#[test]
fn no_images_at_all() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(data("vit_fmnist_fp32.onnx"), folder.path().join("m.onnx")).unwrap();
    fs::write(folder.path().join("none-images-idx3-ubyte"), idx(&[0, 28, 28], &[])).unwrap();
    let args = ["convert", "m.onnx", "-o", "out.shf", "--calib", "none-images-idx3-ubyte", "--no-normalize"];
    fails(folder.path(), 1, &args, &["none-images-idx3-ubyte", "at least one image"]);
    assert!(!folder.path().join("out.shf").exists());
}

#[test]
fn a_file_that_is_no_model() {
    let folder = tempfile::tempdir().unwrap();
    images(&folder.path().join("calib-images-idx3-ubyte"), 4);
    let args = ["convert", "m.onnx", "-o", "out.shf", "--calib", "calib-images-idx3-ubyte"];
    fails(folder.path(), 1, &args, &["m.onnx", "No such file"]);
    fs::write(folder.path().join("m.onnx"), b"<html>not found</html>").unwrap();
    fails(folder.path(), 1, &args, &["m.onnx", "an HTML page"]);
    fs::write(folder.path().join("m.onnx"), b"not found").unwrap();
    fails(folder.path(), 1, &args, &["m.onnx", "not a readable ONNX file"]);
}

#[test]
fn images_that_the_model_does_not_take() {
    let folder = tempfile::tempdir().unwrap();
    checkpoint(&folder.path().join("m.safetensors"), |_| {});
    let args = ["convert", "m.safetensors", "-o", "out.shf", "--calib", "calib.npz"];
    fs::write(folder.path().join("calib.npz"), b"PK\x03\x04 nothing").unwrap();
    fails(folder.path(), 1, &args, &["calib.npz"]);
}
