//! Pixels are normalised once, as the command or the model says, or the conversion is refused.

use std::fs;
use std::path::Path;

use onnx::proto::{ModelProto, NodeProto, TensorProto};
use prost::Message;

use crate::common::{data, fails, images, json, run, stderr};

/// Mean and standard deviation of the bundled model's pixels.
const MEAN: f32 = 0.286;
const STD: f32 = 0.353;

/// The bundled model, which rescales its input by `steps`, each an op and its constant.
fn preceded(path: &Path, steps: &[(&str, f32)]) {
    let file = fs::read(data("vit_fmnist_fp32.onnx")).unwrap();
    let mut model = ModelProto::decode(file.as_slice()).unwrap();
    let graph = model.graph.as_mut().unwrap();
    let input = graph.input[0].name.clone();
    let name = |step: usize| if step == 0 { input.clone() } else { format!("step{step}") };
    for read in graph.node.iter_mut().flat_map(|node| &mut node.input).filter(|read| **read == input) {
        *read = name(steps.len());
    }
    let nodes = steps.iter().enumerate().map(|(at, (op, _))| NodeProto {
        input: vec![name(at), format!("constant{at}")],
        output: vec![name(at + 1)],
        op_type: (*op).to_owned(),
        ..NodeProto::default()
    });
    graph.node.splice(0..0, nodes.collect::<Vec<_>>());
    graph.initializer.extend(steps.iter().enumerate().map(|(at, (_, value))| TensorProto {
        data_type: 1,
        float_data: vec![*value],
        name: format!("constant{at}"),
        ..TensorProto::default()
    }));
    fs::write(path, model.encode_to_vec()).unwrap();
}

/// Converts `m.onnx` to `out`, with a few images.
fn convert(folder: &Path, out: &str, more: &[&str]) -> std::process::Output {
    let calib = data("fmnist-train-128-images-idx3-ubyte.gz").display().to_string();
    let args = ["convert", "m.onnx", "-o", out, "--calib", &calib, "--calib-samples", "16"];
    run(folder, &[&args[..], more].concat())
}

#[test]
fn a_model_that_is_normalized_nowhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(data("vit_fmnist_fp32.onnx"), folder.path().join("m.onnx")).unwrap();
    let refused = convert(folder.path(), "m.shf", &[]);
    assert_eq!(refused.status.code(), Some(1));
    for word in ["m.onnx", "--mean 0.5 --std 0.5", "--no-normalize"] {
        assert!(stderr(&refused).contains(word), "{}", stderr(&refused));
    }
    assert!(!folder.path().join("m.shf").exists());
    let raw = convert(folder.path(), "m.shf", &["--no-normalize"]);
    assert!(raw.status.success() && !stderr(&raw).contains("note"), "{}", stderr(&raw));
    let both = ["convert", "m.onnx", "-o", "o.shf", "--no-normalize", "--mean", "0.5"];
    fails(folder.path(), 2, &both, &["--no-normalize", "--mean"]);
}

#[test]
fn what_models_do_with_pixels_themselves_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let bytes: [&[(&str, f32)]; 3] = [
        &[("Div", 127.5), ("Sub", 1.0), ("Div", 0.7)],
        &[("Sub", MEAN * 255.0), ("Div", STD * 255.0)],
        &[("Mul", 1.0 / 255.0), ("Sub", MEAN), ("Mul", 1.0 / STD)],
    ];
    let unit: [&[(&str, f32)]; 2] = [&[("Sub", MEAN), ("Div", STD)], &[("Mul", 255.0), ("Sub", 73.0)]];
    let (stated, none) = (&["--mean", "0.286", "--std", "0.353"][..], &["--no-normalize"][..]);
    let as_bytes = &["--mean", "0", "--std", "0.00392157"][..];
    let said = |steps: &[(&str, f32)], options: &[&str], expected: &str| {
        preceded(&path.join("m.onnx"), steps);
        // It is said before the images are read.
        let args = ["convert", "m.onnx", "-o", "m.shf", "--calib", "absent.npz"];
        let said = stderr(&run(path, &[&args[..], options].concat()));
        assert!(said.contains("absent.npz"), "{said}");
        let notes: Vec<&str> = said.lines().filter(|line| line.starts_with("note: ")).collect();
        match expected {
            "" => assert!(notes.is_empty(), "{steps:?} {options:?}: {notes:?}"),
            words => {
                assert!(notes.len() == 1 && notes[0].contains(words), "{steps:?} {options:?}: {notes:?}")
            }
        }
    };
    for steps in bytes {
        said(steps, &[], "m.onnx expects bytes, 0 to 255: it is given them");
        said(steps, stated, "normalized twice? Leave --mean and --std out");
        said(steps, none, "Leave --no-normalize out");
        said(steps, as_bytes, "");
    }
    for steps in unit {
        said(steps, &[], "m.onnx normalizes pixels itself: it is given them scaled to [0, 1]");
        said(steps, stated, "normalized twice? Leave --mean and --std out");
        said(steps, none, "");
    }
    said(&[], stated, "");
    said(&[], none, "");
}

#[test]
fn a_model_that_rescales_bytes_is_given_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    preceded(
        &path.join("m.onnx"),
        &[("Div", 127.5), ("Sub", 1.0), ("Sub", MEAN * 2.0 - 1.0), ("Div", STD * 2.0)],
    );
    let own = convert(path, "m.shf", &[]);
    assert!(own.status.success(), "{}", stderr(&own));
    let images = images();
    let eval = ["eval", "m.shf", "--data", &images, "--limit", "100", "--json", "--against", "m.onnx"];
    let with_facts = json(path, &eval);
    assert!(with_facts["top1"].as_f64().unwrap() > 88.0, "{with_facts}");
    fs::remove_file(path.join("m.facts.json")).unwrap();
    let without = json(path, &eval);
    for evaluated in [with_facts, without] {
        assert!(evaluated["logit_cosine"].as_f64().unwrap() > 0.99, "{evaluated}");
    }
}

#[test]
fn the_float_model_is_normalized_as_in_the_conversion() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    preceded(&path.join("m.onnx"), &[("Sub", 0.1), ("Div", 0.5)]);
    assert!(convert(path, "m.shf", &["--mean", "0.2154", "--std", "0.706"]).status.success());
    let images = images();
    let eval = ["eval", "m.shf", "--data", &images, "--limit", "50", "--json", "--against", "m.onnx"];
    let evaluated = json(path, &eval);
    assert!(evaluated["logit_cosine"].as_f64().unwrap() > 0.99, "{evaluated}");
    assert!(evaluated["float_top1"].as_f64().unwrap() > 85.0, "{evaluated}");
}
