//! What is left out at the end, and what the outputs say of it.

use float::{Graph, math};
use runtime::{Ending, OutputKind};

use super::{Sketch, close};
use crate::error::OnnxError;
use crate::import::{Normalisation, build};
use crate::model::{Array, Attribute, Model, Output};

type Attributes = Vec<(&'static str, Attribute)>;

fn axis(axis: i64) -> (&'static str, Attribute) {
    ("axis", Attribute::Int(axis))
}

/// A sketch whose value, the second in the pair, has `shape`.
fn values(shape: &[i64]) -> (Sketch, String) {
    let mut sketch = Sketch::new([1, 3, 2, 2]);
    let x = match shape {
        [1, 3, 2, 2] => "x".to_owned(),
        shape => sketch.reshape("x", shape),
    };
    (sketch, x)
}

fn graph(sketch: &Sketch, outputs: &[(&str, &str)]) -> Result<Graph, OnnxError> {
    let mut model: Model = sketch.model.clone();
    for (value, name) in outputs {
        for node in &mut model.nodes {
            let names = node.inputs.iter_mut().chain(&mut node.outputs);
            names.filter(|found| found == value).for_each(|found| *found = (*name).to_owned());
        }
    }
    model.outputs =
        outputs.iter().map(|(_, name)| Output { name: (*name).to_owned(), shape: Vec::new() }).collect();
    build(model, Normalisation::default())
}

/// The ending and kind of the only output, which no node is left of.
fn ending(sketch: &Sketch, value: &str, name: &str) -> (Option<Ending>, OutputKind) {
    let graph = graph(sketch, &[(value, name)]).unwrap();
    let [output] = graph.outputs.as_slice() else { panic!("{:?}", graph.outputs) };
    (output.ending, output.kind)
}

#[test]
fn each_ending_is_stated() {
    let rows: [(&str, Attributes, Ending, OutputKind); 7] = [
        ("Softmax", vec![], Ending::Softmax, OutputKind::Logits),
        ("LogSoftmax", vec![axis(1)], Ending::LogSoftmax, OutputKind::Logits),
        ("Sigmoid", vec![], Ending::Sigmoid, OutputKind::Logits),
        ("ArgMax", vec![axis(-1)], Ending::ArgMax, OutputKind::Logits),
        ("LpNormalization", vec![], Ending::UnitLength, OutputKind::Embedding),
        ("LpNormalization", vec![("p", Attribute::Int(2))], Ending::UnitLength, OutputKind::Embedding),
        ("LpNormalization", vec![("p", Attribute::Int(1))], Ending::UnitSum, OutputKind::Embedding),
    ];
    for (op, attributes, expected, kind) in rows {
        let (mut sketch, x) = values(&[1, 12]);
        let out = sketch.node(op, &[&x], &attributes);
        assert_eq!(ending(&sketch, &out, "out"), (Some(expected), kind), "{op}");
    }
    let (sketch, x) = values(&[1, 12]);
    assert_eq!(ending(&sketch, &x, "out"), (None, OutputKind::Embedding));
}

#[test]
fn endings_that_follow_each_other_are_one() {
    for (ops, expected) in [
        (&["Softmax", "Log"][..], Ending::LogSoftmax),
        (&["Softmax", "ArgMax"], Ending::ArgMax),
        (&["LogSoftmax", "ArgMax"], Ending::ArgMax),
        (&["Softmax", "Log", "ArgMax"], Ending::ArgMax),
        (&["Sigmoid", "ArgMax"], Ending::ArgMax),
        (&["LpNormalization", "ArgMax"], Ending::ArgMax),
    ] {
        let (mut sketch, mut x) = values(&[1, 12]);
        for op in ops {
            let attributes = if *op == "ArgMax" { vec![axis(1)] } else { vec![] };
            x = sketch.node(op, &[&x], &attributes);
        }
        assert_eq!(ending(&sketch, &x, "out").0, Some(expected), "{ops:?}");
        let graph = graph(&sketch, &[(&x, "out")]).unwrap();
        assert_eq!(super::ops(&graph), ["Pixels", "Permute"], "{ops:?}");
    }
}

/// What the only output gives with its ending, and the image in the order of the model.
fn given(sketch: &Sketch, value: &str) -> (Vec<f32>, Vec<f32>) {
    let graph = graph(sketch, &[(value, "out")]).unwrap();
    (super::run::run(&graph, &sketch.frame()).remove(0), sketch.image().to_f32s())
}

fn softmax(x: &[f32]) -> Vec<f32> {
    let sum: f32 = x.iter().map(|x| math::expf(*x)).sum();
    x.iter().map(|x| math::expf(*x) / sum).collect()
}

fn sigmoid(x: &[f32]) -> Vec<f32> {
    x.iter().map(|x| 1.0 / (1.0 + math::expf(-x))).collect()
}

/// Whatever is no ending together is computed as far as it must be.
#[test]
fn what_is_no_ending_together_is_computed() {
    for (ops, expected, left) in [
        (["Softmax", "Softmax"], Ending::Softmax, "Softmax"),
        (["Sigmoid", "Softmax"], Ending::Softmax, "Activate"),
        (["Softmax", "LpNormalization"], Ending::UnitLength, "Softmax"),
    ] {
        let (mut sketch, x) = values(&[1, 12]);
        let inner = sketch.node(ops[0], &[&x], &[]);
        let out = sketch.node(ops[1], &[&inner], &[]);
        let graph = graph(&sketch, &[(&out, "out")]).unwrap();
        assert_eq!(graph.outputs[0].ending, Some(expected), "{ops:?}");
        assert!(super::ops(&graph).contains(&left.to_owned()), "{ops:?}");
        let (found, x) = given(&sketch, &out);
        let inner = if ops[0] == "Softmax" { softmax(&x) } else { sigmoid(&x) };
        let length = inner.iter().map(|x| x * x).sum::<f32>().sqrt();
        close(
            &found,
            &match ops[1] {
                "Softmax" => softmax(&inner),
                _ => inner.iter().map(|x| x / length).collect(),
            },
        );
    }
    let (mut sketch, x) = values(&[1, 12]);
    let out = sketch.node("Log", &[&x], &[]);
    let graph = graph(&sketch, &[(&out, "out")]).unwrap();
    assert_eq!(graph.outputs[0].ending, None);
    assert!(super::ops(&graph).contains(&"Activate".to_owned()));
}

#[test]
fn an_ending_that_other_shapes_hide_is_found() {
    for op in ["Softmax", "Sigmoid"] {
        let (mut sketch, x) = values(&[1, 12]);
        let w = sketch.floats(&[12, 10]);
        let raw = sketch.node("MatMul", &[&x, &w], &[]);
        let x = sketch.truth(&raw);
        let out = sketch.node(op, &[&raw], &[]);
        let flat = sketch.reshape(&out, &[10]);
        let graph = graph(&sketch, &[(&flat, "out")]).unwrap();
        assert_eq!(super::ops(&graph), ["Pixels", "Permute", "Linear"]);
        let expected = if op == "Softmax" { Ending::Softmax } else { Ending::Sigmoid };
        assert_eq!((graph.outputs[0].ending, graph.outputs[0].kind), (Some(expected), OutputKind::Logits));
        let (found, _) = given(&sketch, &flat);
        close(&found, &if op == "Softmax" { softmax(&x) } else { sigmoid(&x) });
    }
    // A softmax of groups is none of the row.
    let (mut sketch, x) = values(&[3, 4]);
    let soft = sketch.node("Softmax", &[&x], &[]);
    let flat = sketch.reshape(&soft, &[1, 12]);
    assert_eq!(graph(&sketch, &[(&flat, "out")]).unwrap().outputs[0].ending, None);
    let (found, x) = given(&sketch, &flat);
    close(&found, &x.chunks(4).flat_map(softmax).collect::<Vec<f32>>());
}

#[test]
fn along_one_element_nothing_is_left_out() {
    let (mut sketch, x) = values(&[1, 12]);
    let w = sketch.constant(Array::new(vec![12, 1], vec![-1.0_f32; 12]).unwrap());
    let raw = sketch.node("MatMul", &[&x, &w], &[]);
    // The sign of the only element.
    let unit = sketch.node("LpNormalization", &[&raw], &[]);
    assert_eq!(graph(&sketch, &[(&unit, "out")]).unwrap().outputs[0].ending, None);
    close(&given(&sketch, &unit).0, &[-1.0]);
    // A sigmoid is of each element.
    let chance = sketch.node("Sigmoid", &[&raw], &[]);
    assert_eq!(graph(&sketch, &[(&chance, "out")]).unwrap().outputs[0].ending, Some(Ending::Sigmoid));
    // The others are the same for any image.
    for (op, constant) in [("Softmax", 1), ("ArgMax", 0), ("LogSoftmax", 0)] {
        let out = sketch.node(op, &[&raw], &[axis(1)]);
        let refused = graph(&sketch, &[(&out, "out")]).unwrap_err().to_string();
        let expected = format!("along an axis of one element it is {constant} for any image");
        assert!(refused.contains(&expected), "{refused}");
    }
}

/// As a factor it is right; as an output it says nothing, whatever stands behind it.
#[test]
fn a_softmax_of_one_element_is_one() {
    for opset in [12, 17] {
        let (mut sketch, x) = values(&[1, 12]);
        sketch.model.opset = opset;
        let raw = sketch.node("ReduceMin", &[&x], &[("axes", Attribute::Ints(vec![1]))]);
        let one = sketch.node("Softmax", &[&raw], &[axis(1)]);
        let mean = sketch.node("ReduceMean", &[&one], &[("axes", Attribute::Ints(vec![1]))]);
        let flat = sketch.reshape(&mean, &[1, -1]);
        let product = sketch.node("Mul", &[&x, &flat], &[]);
        let (found, image) = given(&sketch, &product);
        close(&found, &image);
        let refused = graph(&sketch, &[(&flat, "out")]).unwrap_err().to_string();
        let expected =
            format!("does not depend on the image, since softmax `{one}` over one element is always 1");
        assert!(refused.contains("`out`") && refused.contains(&expected), "{refused}");
    }
    // Channels of a map, each of which has one.
    let (mut sketch, x) = values(&[1, 3, 2, 2]);
    let w = sketch.floats(&[1, 3, 1, 1]);
    let map = sketch.node("Conv", &[&x, &w], &[]);
    let one = sketch.node("Softmax", &[&map], &[axis(1)]);
    let sum = sketch.node("Add", &[&map, &one], &[]);
    let (found, _) = given(&sketch, &sum);
    let (raw, _) = given(&sketch, &map);
    close(&found, &raw.iter().map(|value| value + 1.0).collect::<Vec<f32>>());
}

#[test]
fn maps_end_along_their_channels() {
    for (op, along, expected) in [
        ("Softmax", 1, Some(Ending::Softmax)),
        ("ArgMax", 1, Some(Ending::ArgMax)),
        ("Softmax", 2, None),
        ("Softmax", -1, None),
    ] {
        let (mut sketch, x) = values(&[1, 3, 2, 2]);
        let out = sketch.node(op, &[&x], &[axis(along)]);
        assert_eq!(ending(&sketch, &out, "out"), (expected, OutputKind::Dense), "{op} {along}");
    }
    // Channels that are last stay last.
    let (mut sketch, x) = values(&[1, 3, 2, 2]);
    let last = sketch.transpose(&x, &[0, 2, 3, 1]);
    let out = sketch.node("ArgMax", &[&last], &[axis(3)]);
    let graph = graph(&sketch, &[(&out, "out")]).unwrap();
    assert_eq!((graph.outputs[0].ending, graph.outputs[0].shape), (Some(Ending::ArgMax), [2, 2, 3, 1]));
    let frame = sketch.frame();
    let classes: Vec<f32> = frame
        .chunks(3)
        .map(|p| (0..3).rev().max_by(|&a, &b| p[a].total_cmp(&p[b])).unwrap() as f32)
        .collect();
    close(&super::run::run(&graph, &frame)[0], &classes);
}

#[test]
fn another_axis_behind_an_ending_is_refused() {
    let (mut sketch, x) = values(&[1, 3, 2, 2]);
    let soft = sketch.node("Softmax", &[&x], &[axis(1)]);
    let out = sketch.node("ArgMax", &[&soft], &[axis(3)]);
    let refused = graph(&sketch, &[(&out, "out")]).unwrap_err().to_string();
    assert!(refused.contains("behind a softmax") && refused.contains("same axis"), "{refused}");
    // Before opset 13 a softmax is over all axes from one on: of a map over more than the channels.
    let (mut sketch, x) = values(&[1, 3, 2, 2]);
    let out = sketch.node("Softmax", &[&x], &[axis(1)]);
    sketch.model.opset = 12;
    let graph = graph(&sketch, &[(&out, "out")]).unwrap();
    assert_eq!(graph.outputs[0].ending, None);
    let soft = softmax(&sketch.image().to_f32s());
    let found = super::run::run(&graph, &sketch.frame()).remove(0);
    close(&found, &(0..12).map(|at| soft[at % 3 * 4 + at / 3]).collect::<Vec<f32>>());
}

#[test]
fn an_output_that_is_given_twice_has_the_richer_ending() {
    let (mut sketch, x) = values(&[1, 12]);
    let w = sketch.floats(&[12, 10]);
    let raw = sketch.node("MatMul", &[&x, &w], &[]);
    let soft = sketch.node("Softmax", &[&raw], &[]);
    let class = sketch.node("ArgMax", &[&soft], &[axis(1)]);
    for (outputs, expected) in [
        (&[(&raw, "logits"), (&soft, "p")][..], Some(Ending::Softmax)),
        (&[(&class, "class"), (&soft, "p")], Some(Ending::Softmax)),
        (&[(&class, "class"), (&raw, "logits")], None),
        (&[(&raw, "logits"), (&class, "class")], None),
        (&[(&soft, "p"), (&class, "class"), (&raw, "raw")], Some(Ending::Softmax)),
    ] {
        let outputs: Vec<(&str, &str)> =
            outputs.iter().map(|(value, name)| (value.as_str(), *name)).collect();
        let graph = graph(&sketch, &outputs).unwrap();
        assert_eq!(graph.outputs.len(), 1);
        assert_eq!((graph.outputs[0].ending, graph.outputs[0].kind), (expected, OutputKind::Logits));
    }
}

#[test]
fn names_say_what_numbers_are() {
    let kinds = |width: i64, name: &str, sigmoid: bool| {
        let (mut sketch, x) = values(&[1, 12]);
        let w = sketch.floats(&[12, width as usize]);
        let mut out = sketch.node("MatMul", &[&x, &w], &[]);
        if sigmoid {
            out = sketch.node("Sigmoid", &[&out], &[]);
        }
        ending(&sketch, &out, name)
    };
    assert_eq!(kinds(4, "pred_boxes", false), (None, OutputKind::Values));
    assert_eq!(kinds(4, "pred_boxes", true), (Some(Ending::Sigmoid), OutputKind::Values));
    assert_eq!(kinds(1, "out", false), (None, OutputKind::Values));
    assert_eq!(kinds(1, "logit", false), (None, OutputKind::Logits));
    assert_eq!(kinds(1, "out", true), (Some(Ending::Sigmoid), OutputKind::Logits));
    assert_eq!(kinds(4, "out", false), (None, OutputKind::Logits));
    assert_eq!(kinds(4, "features", false), (None, OutputKind::Embedding));
}
