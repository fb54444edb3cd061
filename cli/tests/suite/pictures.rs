//! How pictures become frames, and which class a folder of pictures is of.

use std::fs;
use std::path::Path;

use onnx::proto::{MetadataProto, ModelProto, NodeProto, TensorProto};
use prost::Message;

use crate::common::{data, fails, json, run, stderr};

/// Writes the bundled model behind a convolution of three channels to its one, and `metadata`.
fn coloured(path: &Path, metadata: &[(&str, &str)]) {
    let file = fs::read(data("vit_fmnist_fp32.onnx")).unwrap();
    let mut model = ModelProto::decode(file.as_slice()).unwrap();
    model.metadata_props = metadata
        .iter()
        .map(|(key, value)| MetadataProto {
            key: key.as_bytes().to_vec().into(),
            value: value.as_bytes().to_vec().into(),
        })
        .collect();
    let graph = model.graph.as_mut().unwrap();
    let input = &mut graph.input[0];
    let shape = input.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().shape.as_mut().unwrap();
    shape.dim[1].dim_value = Some(3);
    let name = input.name.clone();
    for read in graph.node.iter_mut().flat_map(|node| &mut node.input).filter(|read| **read == name) {
        *read = "mixed".to_owned();
    }
    let mix = NodeProto {
        input: vec![name, "mix".into()],
        output: vec!["mixed".into()],
        op_type: "Conv".into(),
        ..NodeProto::default()
    };
    graph.node.insert(0, mix);
    graph.initializer.push(TensorProto {
        dims: vec![1, 3, 1, 1],
        data_type: 1,
        float_data: vec![0.9, 0.3, -0.2],
        name: "mix".into(),
        ..TensorProto::default()
    });
    fs::write(path, model.encode_to_vec()).unwrap();
}

/// Converts `m.onnx` to `out` with a few images.
fn convert(folder: &Path, out: &str, more: &[&str]) {
    let calib = data("fmnist-train-128-images-idx3-ubyte.gz").display().to_string();
    let args = ["convert", "m.onnx", "-o", out, "--calib", &calib, "--calib-samples", "16"];
    let normal = ["--mean", "0.286", "--std", "0.353"];
    let converted = run(folder, &[&args[..], &normal, more].concat());
    assert!(converted.status.success(), "{}", stderr(&converted));
}

/// A picture of `side` × `side` pixels in PPM, whose channels are in `order`.
fn picture(path: &Path, side: usize, order: [usize; 3]) {
    let mut file = format!("P6 {side} {side} 255\n").into_bytes();
    for at in 0..side * side {
        let (row, column) = (at / side, at % side);
        let pixel = [(7 * row) as u8, (row * column) as u8, (255 - 5 * column % 256) as u8];
        file.extend(order.map(|channel| pixel[channel]));
    }
    fs::write(path, file).unwrap();
}

#[test]
fn blue_first_is_what_red_first_is_of_swapped_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    coloured(&path.join("m.onnx"), &[]);
    convert(path, "rgb.shf", &[]);
    convert(path, "bgr.shf", &["--bgr", "--crop", "0.875", "--interpolation", "bicubic"]);
    picture(&path.join("a.ppm"), 28, [0, 1, 2]);
    picture(&path.join("b.ppm"), 28, [2, 1, 0]);
    let logits = |model: &str, picture: &str| {
        let ran = json(path, &["run", model, picture, "--json", "--top", "10"]);
        ran[0]["top"].as_array().unwrap().iter().map(|top| top["logit"].clone()).collect::<Vec<_>>()
    };
    let fit = |model: &str| json(path, &["inspect", model, "--json"])["inputs"][0]["fit"].clone();
    assert_eq!(fit("rgb.shf"), "stretch, antialiased bilinear");
    let cropped = "resize the short side to 32, crop the centre, antialiased bicubic, blue first";
    assert_eq!(fit("bgr.shf"), cropped);
    convert(path, "bgr.shf", &["--bgr", "--no-antialias"]);
    assert_eq!(fit("bgr.shf"), "stretch, bilinear without antialiasing, blue first");
    assert_eq!(logits("bgr.shf", "b.ppm"), logits("rgb.shf", "a.ppm"));
    assert_ne!(logits("bgr.shf", "a.ppm"), logits("rgb.shf", "a.ppm"));
    // Three times the size: the two rules differ, and the swapped picture does not.
    picture(&path.join("a.ppm"), 84, [0, 1, 2]);
    picture(&path.join("b.ppm"), 84, [2, 1, 0]);
    assert_ne!(logits("bgr.shf", "b.ppm"), logits("rgb.shf", "a.ppm"));
    convert(path, "bgr.shf", &["--bgr"]);
    assert_eq!(logits("bgr.shf", "b.ppm"), logits("rgb.shf", "a.ppm"));
}

#[test]
fn metadata_of_the_model_are_heeded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let bytes = [("model_info mean_values", "72.93"), ("model_info scale_values", "90.015 90.015 90.015")];
    coloured(&path.join("m.onnx"), &bytes);
    let said = |options: &[&str]| {
        // It is said before the images are read.
        let args = ["convert", "m.onnx", "-o", "m.shf", "--calib", "absent.npz"];
        let said = stderr(&run(path, &[&args[..], options].concat()));
        assert!(said.contains("absent.npz"), "{said}");
        said.lines().filter(|line| line.starts_with("note: ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let used = said(&[]);
    assert_eq!(used.len(), 1, "{used:?}");
    assert!(used[0].ends_with("how pixels are normalized: --mean 0.286 --std 0.353,0.353,0.353"), "{used:?}");
    assert!(said(&["--mean", "0.286", "--std", "0.353"]).is_empty());
    assert!(said(&["--mean", "0.5", "--std", "0.5"])[0].contains("what the command says is done"));
}

#[test]
fn folders_are_matched_with_classes_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::copy(data("vit_fmnist_fp32.onnx"), path.join("m.onnx")).unwrap();
    for (class, picture) in [("ankle boot", "ankle-boot.png"), ("pullover", "pullover.png")] {
        fs::create_dir_all(path.join("few").join(class)).unwrap();
        fs::copy(data(picture), path.join("few").join(class).join(picture)).unwrap();
    }
    let names = data("fmnist-labels.txt").display().to_string();
    let args =
        ["convert", "m.onnx", "-o", "m.shf", "--mean", "0.286", "--std", "0.353", "--json", "--calib", "few"];
    let unnamed = run(path, &args);
    let said = stderr(&unnamed);
    assert!(
        unnamed.status.success() && said.contains("2 folders of classes, and the model has 10"),
        "{said}"
    );
    let unnamed: serde_json::Value = serde_json::from_slice(&unnamed.stdout).unwrap();
    assert!(unnamed["comparison"]["float_top1"].is_null(), "{unnamed}");
    // By position, pullovers would be trousers.
    let named = json(path, &[&args[..], &["--labels", &names]].concat());
    assert_eq!(named["comparison"]["float_top1"], 100.0, "{named}");
    let eval = ["eval", "m.shf", "--data", "few", "--json"];
    fails(path, 1, &eval, &["2 folders of classes, and the model has 10", "--labels FILE"]);
    assert_eq!(json(path, &[&eval[..], &["--labels", &names]].concat())["top1"], 100.0);
    fs::write(path.join("nine.txt"), "a name\n".repeat(9)).unwrap();
    fails(path, 1, &[&args[..], &["--labels", "nine.txt"]].concat(), &["9 names, the model has 10"]);
    fs::rename(path.join("few/pullover"), path.join("few/jumper")).unwrap();
    fails(
        path,
        1,
        &[&args[..], &["--labels", &names]].concat(),
        &["jumper", "no class of the model", "rename"],
    );
}
