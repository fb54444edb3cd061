//! What people read of models that end otherwise than in logits.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use converter::BuildOptions;
use converter::arch::Arch;
use onnx::proto::{ModelProto, NodeProto, TensorProto};
use prost::Message;
use serde_json::Value;
use shiftformer::runtime::{Ending, OutputKind};
use shiftformer::{Cpu, Model};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::common::{data, fails, images, json, run, stderr};

/// Images of 8 × 8 of the small model, which gives three numbers for each.
const COUNT: usize = 12;
const SIDE: usize = 8;
const CLASSES: usize = 3;

/// Writes a small model whose output has the ending and the kind to `m.shf`, and gives the integers
/// of each image of [`pixels`], and the real value of one.
fn container(
    folder: &Path,
    kind: OutputKind,
    ending: Option<Ending>,
    shape: [u32; 4],
    labels: &[&str],
) -> (Vec<Vec<i32>>, f64) {
    let mut graph = Arch::by_name("micro").unwrap().random(7);
    let output = &mut graph.outputs[0];
    (output.kind, output.ending, output.shape) = (kind, ending, shape);
    graph.labels = labels.iter().map(|label| (*label).to_owned()).collect();
    let file = converter::build(&graph, BuildOptions::default()).unwrap();
    fs::write(folder.join("m.shf"), &file).unwrap();
    let model = Model::from_bytes("m.shf", &file).unwrap();
    let mut session = model.session_on(&Cpu::reference()).unwrap();
    let rows = (0..COUNT).map(|image| session.run(&pixels(image)).unwrap().values(0).unwrap().to_vec());
    (rows.collect(), model.outputs()[0].scale.into())
}

/// The pixels of an image.
fn pixels(image: usize) -> Vec<u8> {
    (0..SIDE * SIDE).map(|at| ((at * at * (image + 3) / 5 + 40 * image) % 251) as u8).collect()
}

fn pgm(folder: &Path, image: usize) {
    let header = format!("P5 {SIDE} {SIDE} 255\n");
    fs::write(folder.join("i.pgm"), [header.as_bytes(), &pixels(image)].concat()).unwrap();
}

/// An array of NumPy's.
fn npy(descr: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = (dict.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", length.as_slice(), dict.as_bytes(), bytes].concat()
}

/// Writes all images with `labels` of the type and shape to `d.npz`.
fn archive(folder: &Path, descr: &str, shape: &str, labels: &[u8]) {
    let all: Vec<u8> = (0..COUNT).flat_map(pixels).collect();
    let images = npy("|u1", &format!("({COUNT}, 1, {SIDE}, {SIDE})"), &all);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in [("images.npy", images), ("labels.npy", npy(descr, shape, labels))] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(&bytes).unwrap();
    }
    fs::write(folder.join("d.npz"), zip.finish().unwrap().into_inner()).unwrap();
}

fn eval(folder: &Path, more: &[&str]) -> Value {
    json(folder, &[&["eval", "m.shf", "--data", "d.npz", "--json"], more].concat())
}

fn text(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args);
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn near(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap_or_else(|| panic!("no number: {found}"));
    assert!((found - expected).abs() < 1e-5 * expected.abs().max(1.0), "{found} for {expected}");
}

fn sigmoid(value: i32, scale: f64) -> f64 {
    1.0 / (1.0 + (-f64::from(value) * scale).exp())
}

fn best(row: &[i32]) -> usize {
    (0..row.len()).rev().max_by_key(|&class| row[class]).unwrap()
}

const ROW: [u32; 4] = [CLASSES as u32, 1, 1, 1];

#[test]
fn shares_are_said_to_be_of_a_softmax_or_of_logits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    pgm(path, 4);
    for (ending, words) in [
        (Some(Ending::Softmax), "the model's softmax"),
        (Some(Ending::LogSoftmax), "the model's softmax"),
        (None, "softmax of the logits"),
    ] {
        let (rows, scale) = container(path, OutputKind::Logits, ending, ROW, &["cat", "", "dog"]);
        let answer = &json(path, &["run", "m.shf", "i.pgm", "--json"])[0];
        assert_eq!((&answer["answer"], &answer["output"]), (&"shares".into(), &"logits".into()));
        assert_eq!(answer["ending"], ending.map_or(Value::Null, |ending| ending.name().into()));
        let sum: f64 = rows[4].iter().map(|&value| (f64::from(value) * scale).exp()).sum();
        let top = answer["top"].as_array().unwrap();
        assert_eq!(top.len(), CLASSES);
        for ranked in top {
            let class = ranked["class"].as_u64().unwrap() as usize;
            near(&ranked["probability"], (f64::from(rows[4][class]) * scale).exp() / sum);
            assert_eq!(ranked["label"], [Value::from("cat"), Value::Null, Value::from("dog")][class]);
        }
        assert_eq!(top[0]["class"], best(&rows[4]));
        let said = text(path, &["run", "m.shf", "i.pgm"]);
        assert!(said.contains(words) && said.contains(" cat"), "{said}");
        let inspected = text(path, &["inspect", "m.shf"]);
        assert!(inspected.contains("labels       cat, dog"), "{inspected}");
    }
    // A file of names goes before those of the container.
    fs::write(path.join("names.txt"), "one\ntwo\nthree\n").unwrap();
    let said = text(path, &["run", "m.shf", "i.pgm", "--labels", "names.txt"]);
    assert!(said.contains("three") && !said.contains("dog"), "{said}");
}

#[test]
fn chances_are_each_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (rows, scale) = container(path, OutputKind::Logits, Some(Ending::Sigmoid), ROW, &[]);
    pgm(path, 4);
    let chances: Vec<f64> = rows[4].iter().map(|&value| sigmoid(value, scale)).collect();
    let answer = &json(path, &["run", "m.shf", "i.pgm", "--json"])[0];
    assert_eq!((&answer["answer"], &answer["threshold"]), (&"chances".into(), &0.5.into()));
    for ranked in answer["top"].as_array().unwrap() {
        let chance = chances[ranked["class"].as_u64().unwrap() as usize];
        near(&ranked["probability"], chance);
        assert_eq!(ranked["above"], chance >= 0.5);
    }
    let lines = |threshold: &str| text(path, &["run", "m.shf", "i.pgm", "--threshold", threshold]);
    let said = lines("0");
    assert!(said.contains("the model's sigmoid, threshold 0 %"), "{said}");
    assert_eq!(said.lines().count(), 1 + CLASSES);
    assert!(lines("1").contains("none reaches the threshold"), "{}", lines("1"));
    let inspected = json(path, &["inspect", "m.shf", "--json"]);
    assert_eq!(inspected["outputs"][0]["ending"], "sigmoid");

    // Marks that are all right, and then one that is not.
    let mut marks: Vec<u8> = rows.iter().flatten().map(|&value| (value >= 0).into()).collect();
    archive(path, "|u1", &format!("({COUNT}, {CLASSES})"), &marks);
    let found = eval(path, &[]);
    for figure in ["mean_average_precision", "f1", "exact"] {
        near(&found[figure], 100.0);
    }
    marks[0] = 1 - marks[0];
    archive(path, "|b1", &format!("({COUNT}, {CLASSES})"), &marks);
    near(&eval(path, &[])["exact"], 100.0 * (COUNT - 1) as f64 / COUNT as f64);
    // One class for each image is a classifier's.
    archive(path, "|u1", &format!("({COUNT},)"), &rows.iter().map(|row| best(row) as u8).collect::<Vec<_>>());
    near(&eval(path, &[])["top1"], 100.0);
    archive(path, "|u1", &format!("({COUNT}, {CLASSES})"), &[2; COUNT * CLASSES]);
    fails(path, 1, &["eval", "m.shf", "--data", "d.npz"], &["a mark of image 0 is 2, not 0 or 1"]);
}

#[test]
fn a_class_alone_has_no_share() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (rows, _) = container(path, OutputKind::Logits, Some(Ending::ArgMax), ROW, &[]);
    pgm(path, 4);
    let answer = &json(path, &["run", "m.shf", "i.pgm", "--json"])[0];
    let top = answer["top"].as_array().unwrap();
    assert_eq!((top.len(), &top[0]["class"]), (1, &best(&rows[4]).into()));
    assert!(top[0]["probability"].is_null(), "{answer}");
    assert!(!text(path, &["run", "m.shf", "i.pgm"]).contains('%'));
}

#[test]
fn numbers_are_shown_and_measured() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (rows, scale) = container(path, OutputKind::Values, None, ROW, &[]);
    pgm(path, 4);
    let answer = &json(path, &["run", "m.shf", "i.pgm", "--json"])[0];
    assert_eq!(answer["answer"], "values");
    for (found, &value) in answer["values"].as_array().unwrap().iter().zip(&rows[4]) {
        near(found, f64::from(value) * scale);
    }
    // The first number of each image is 3 too small, the others are right.
    let target = |(at, &value): (usize, &i32)| f64::from(value) * scale + if at == 0 { 3.0 } else { 0.0 };
    let targets = rows.iter().flat_map(|row| row.iter().enumerate().map(target));
    let bytes: Vec<u8> = targets.flat_map(f64::to_le_bytes).collect();
    archive(path, "<f8", &format!("({COUNT}, {CLASSES})"), &bytes);
    let found = eval(path, &["--logits", "l.npy"]);
    near(&found["mae"], 1.0);
    near(&found["rmse"], 3f64.sqrt());
    assert!(path.join("l.npy").exists());
    let nan: Vec<u8> = [f64::NAN; COUNT * CLASSES].iter().flat_map(|value| value.to_le_bytes()).collect();
    archive(path, "<f8", &format!("({COUNT}, {CLASSES})"), &nan);
    fails(path, 1, &["eval", "m.shf", "--data", "d.npz"], &["a label of image 0 is NaN"]);
}

#[test]
fn vectors_are_compared_by_angle() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let (rows, scale) = container(path, OutputKind::Embedding, Some(Ending::UnitLength), ROW, &[]);
    pgm(path, 4);
    let answer = &json(path, &["run", "m.shf", "i.pgm", "--json"])[0];
    let length = |row: &[i32]| row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    near(&answer["norm"], length(&rows[4]) * scale);
    for (found, &value) in answer["values"].as_array().unwrap().iter().zip(&rows[4]) {
        near(found, f64::from(value) / length(&rows[4]));
    }
    let labels: Vec<u8> = (0..COUNT as u8).map(|image| image / 3 % 2).collect();
    let cosine = |a: &[i32], b: &[i32]| {
        let product: f64 = a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum();
        product / (length(a) * length(b))
    };
    let right = (0..COUNT).filter(|&image| {
        let others = (0..COUNT).filter(|&other| other != image);
        let nearest =
            others.max_by(|&a, &b| cosine(&rows[image], &rows[a]).total_cmp(&cosine(&rows[image], &rows[b])));
        labels[nearest.unwrap()] == labels[image]
    });
    let expected = 100.0 * right.count() as f64 / COUNT as f64;
    archive(path, "|u1", &format!("({COUNT},)"), &labels);
    near(&eval(path, &[])["retrieval"], expected);
    // One class says nothing, and logits there are none.
    archive(path, "|u1", &format!("({COUNT},)"), &[1; COUNT]);
    let evaluated = ["eval", "m.shf", "--data", "d.npz"];
    fails(path, 1, &evaluated, &["say nothing of output logits", "more than one class", "--outputs"]);
    fails(path, 1, &[&evaluated[..], &["--logits", "l.npy"]].concat(), &["no output of logits", "--outputs"]);
}

#[test]
fn maps_are_measured_by_intersection_over_union() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let map = [1, 1, CLASSES as u32, 1];
    let (rows, _) = container(path, OutputKind::Dense, Some(Ending::ArgMax), map, &["a", "b", "c"]);
    pgm(path, 4);
    let answer = &json(path, &["run", "m.shf", "i.pgm", "--json"])[0];
    assert_eq!((&answer["answer"], &answer["shape"]), (&"map".into(), &serde_json::json!([1, 1, 3])));
    assert_eq!(answer["areas"][0]["class"], best(&rows[4]));
    near(&answer["areas"][0]["share"], 1.0);

    let found: Vec<usize> = rows.iter().map(|row| best(row)).collect();
    // The first pixel is of the next class, the second is left out.
    let mut labels: Vec<i16> = found.iter().map(|&class| class as i16).collect();
    labels[0] = (labels[0] + 1) % CLASSES as i16;
    labels[1] = -1;
    let iou = (0..CLASSES).filter_map(|class| {
        let pairs = || found.iter().zip(&labels).filter(|(_, label)| **label >= 0);
        let both = pairs().filter(|(f, l)| **f == class && **l == class as i16).count();
        let union = pairs().filter(|(f, l)| **f == class || **l == class as i16).count();
        (union > 0).then(|| 100.0 * both as f64 / union as f64)
    });
    let iou: Vec<f64> = iou.collect();
    let bytes: Vec<u8> = labels.iter().flat_map(|label| label.to_le_bytes()).collect();
    archive(path, "<i2", &format!("({COUNT}, 1, 1)"), &bytes);
    let evaluated = eval(path, &[]);
    near(&evaluated["mean_iou"], iou.iter().sum::<f64>() / iou.len() as f64);
    near(&evaluated["pixel_accuracy"], 100.0 * (COUNT - 2) as f64 / (COUNT - 1) as f64);
    let beyond: Vec<u8> = [7i16; COUNT].iter().flat_map(|label| label.to_le_bytes()).collect();
    archive(path, "<i2", &format!("({COUNT}, 1, 1)"), &beyond);
    fails(path, 1, &["eval", "m.shf", "--data", "d.npz"], &["labelled 7", "3 classes"]);
}

#[test]
fn outputs_are_written_for_numpy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let map = [1, 1, CLASSES as u32, 1];
    for (kind, shape, dimensions) in [
        (OutputKind::Logits, ROW, vec![COUNT, CLASSES]),
        (OutputKind::Embedding, ROW, vec![COUNT, CLASSES]),
        (OutputKind::Dense, map, vec![COUNT, 1, 1, CLASSES]),
    ] {
        let (rows, scale) = container(path, kind, None, shape, &[]);
        archive(path, "|u1", &format!("({COUNT},)"), &[0; COUNT]);
        let evaluated = eval(path, &["--outputs", "o.npz"]);
        assert_eq!((&evaluated["n"], &evaluated["output"]), (&COUNT.into(), &"logits".into()));
        let file = path.join("o.npz");
        let (found, integers) = data::npz::read_i32(&file, "logits.int").unwrap();
        assert_eq!((found, &integers), (dimensions.clone(), &rows.concat()));
        let (found, real) = data::npz::read_f32(&file, "logits").unwrap();
        assert_eq!(found, dimensions);
        for (real, integer) in real.iter().zip(&integers) {
            assert_eq!(*real, (f64::from(*integer) * scale) as f32);
        }
    }
    let over = ["eval", "m.shf", "--data", "d.npz", "--outputs", "m.shf"];
    fails(path, 1, &over, &["--outputs", "overwrite the container"]);
    let few = ["eval", "m.shf", "--data", "d.npz", "--outputs", "o.npz", "--limit", "2"];
    text(path, &few);
    assert_eq!(data::npz::read_i32(&path.join("o.npz"), "logits.int").unwrap().0[0], 2);
}

/// The bundled model with one chance more beside its logits, from ONNX to the float model's own.
#[test]
fn an_onnx_model_says_what_it_ends_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut model = ModelProto::decode(fs::read(data("vit_fmnist_fp32.onnx")).unwrap().as_slice()).unwrap();
    let graph = model.graph.as_mut().unwrap();
    // 4 · (boot − 1): whether it is an ankle boot.
    let mut weights = vec![0.0; 10];
    weights[9] = 4.0;
    let constant = |name: &str, dims: Vec<i64>, float_data: Vec<f32>| TensorProto {
        dims,
        data_type: 1,
        float_data,
        name: name.to_owned(),
        ..TensorProto::default()
    };
    graph.initializer.push(constant("w", vec![10, 1], weights));
    graph.initializer.push(constant("b", vec![1], vec![-4.0]));
    let node = |op: &str, input: &[&str], output: &str| NodeProto {
        input: input.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.to_owned()],
        op_type: op.to_owned(),
        ..NodeProto::default()
    };
    graph.node.push(node("MatMul", &["logits", "w"], "product"));
    graph.node.push(node("Add", &["product", "b"], "logit"));
    graph.node.push(node("Sigmoid", &["logit"], "boot"));
    graph.node.push(node("Softmax", &["logits"], "shares"));
    for name in ["boot", "shares"] {
        let mut output = graph.output[0].clone();
        output.name = name.to_owned();
        graph.output.push(output);
    }
    fs::write(path.join("m.onnx"), model.encode_to_vec()).unwrap();
    let calib = data("fmnist-train-128-images-idx3-ubyte.gz").display().to_string();
    let normal = ["--mean", "0.286", "--std", "0.353", "--calib-samples", "16"];
    let args = [&["convert", "m.onnx", "-o", "m.shf", "--calib", &calib, "--json"], &normal[..]].concat();
    let converted = json(path, &args);
    let answers = converted["answers"].as_array().unwrap();
    assert_eq!(answers.len(), 2);
    assert_eq!((&answers[0]["answer"], &answers[0]["ending"]), (&"shares".into(), &"softmax".into()));
    assert_eq!((&answers[1]["answer"], &answers[1]["ending"]), (&"chances".into(), &"sigmoid".into()));

    let boot = data("ankle-boot.png").display().to_string();
    let pullover = data("pullover.png").display().to_string();
    let ran = json(path, &["run", "m.shf", &boot, &pullover, "--json"]);
    let chance = |image: usize| ran[image]["others"][0]["top"][0]["probability"].as_f64().unwrap();
    assert_eq!(ran[0]["top"][0]["class"], 9);
    assert!(chance(0) > 0.9 && chance(1) < 0.1, "{ran}");

    let evaluated = json(
        path,
        &["eval", "m.shf", "--data", &images(), "--limit", "100", "--against", "m.onnx", "--json"],
    );
    assert!(evaluated["agreement"].as_f64().unwrap() >= 98.0, "{evaluated}");
    let compared = evaluated["compared"].as_array().unwrap();
    let names: Vec<&Value> = compared.iter().map(|compared| &compared["output"]).collect();
    assert_eq!(names, ["logits", "boot"]);
    for compared in compared {
        assert!(compared["snr_db"].as_f64().unwrap() > 25.0, "{compared}");
    }
}
