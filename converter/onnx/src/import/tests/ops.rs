//! Ops one by one.

use float::{Node, math};
use runtime::OutputKind;

use super::{Sketch, close, ints, ops};
use crate::import::{Normalisation, build};
use crate::model::{Array, Attribute, Element, Output};

#[test]
fn layer_norm_and_softmax_take_any_layout() {
    for perm in [[0, 1, 2, 3], [0, 2, 3, 1], [0, 3, 1, 2]] {
        let mut sketch = Sketch::new([1, 3, 4, 5]);
        let turned = sketch.transpose("x", &perm);
        let two = sketch.constant(Array::scalar(-2.0));
        let scaled = sketch.node("Mul", &[&turned, &two], &[]);
        let len = [1, 3, 4, 5][perm[3] as usize];
        let (gamma, beta) = (sketch.floats(&[len]), sketch.floats(&[len]));
        let values = sketch.truth(&scaled);
        let norm = sketch.node("LayerNormalization", &[&scaled, &gamma, &beta], &[]);
        let [gamma, beta] = [gamma, beta].map(|name| sketch.model.constants[&name].to_f32s());
        let mut expected = Vec::new();
        for row in values.chunks(len) {
            let mean = row.iter().sum::<f32>() / len as f32;
            let variance = row.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / len as f32;
            let std = (variance + 1e-5).sqrt();
            expected.extend(row.iter().enumerate().map(|(at, x)| (x - mean) / std * gamma[at] + beta[at]));
        }
        close(&sketch.run(&norm), &expected);
        let soft = sketch.node("Softmax", &[&scaled], &[]);
        let mut expected = Vec::new();
        for row in values.chunks(len) {
            let sum: f32 = row.iter().map(|x| math::expf(*x)).sum();
            expected.extend(row.iter().map(|x| math::expf(*x) / sum));
        }
        close(&sketch.run(&soft), &expected);
    }
}

#[test]
fn patches_by_reshape_are_a_convolution() {
    let mut sketch = Sketch::new([1, 3, 8, 8]);
    let cut = sketch.reshape("x", &[1, 3, 2, 4, 2, 4]);
    let turned = sketch.transpose(&cut, &[0, 2, 4, 3, 5, 1]);
    let rows = sketch.reshape(&turned, &[1, 4, 48]);
    let w = sketch.floats(&[48, 5]);
    let out = sketch.node("MatMul", &[&rows, &w], &[]);
    sketch.check(&out);
    assert_eq!(ops(&sketch.build(&out).unwrap())[..2], ["Pixels", "Conv"]);
}

#[test]
fn resize_matches_the_constant_evaluation() {
    for (mode, mapping, scale) in [
        ("nearest", "asymmetric", 2.0),
        ("nearest", "half_pixel", 1.5),
        ("linear", "half_pixel", 2.0),
        ("linear", "align_corners", 3.0),
        ("linear", "pytorch_half_pixel", 1.4),
        ("cubic", "half_pixel", 2.0),
    ] {
        let mut sketch = Sketch::new([1, 3, 4, 5]);
        let scales = sketch.constant(Array::vector(vec![1.0_f32, 1.0, scale, scale]));
        let out = sketch.node(
            "Resize",
            &["x", "", &scales],
            &[
                ("mode", Attribute::String(mode.into())),
                ("coordinate_transformation_mode", Attribute::String(mapping.into())),
            ],
        );
        sketch.check(&out);
    }
}

#[test]
fn depth_to_space_shuffles_pixels() {
    for mode in ["DCR", "CRD"] {
        let mut sketch = Sketch::new([1, 4, 2, 3]);
        let attributes = [("blocksize", Attribute::Int(2)), ("mode", Attribute::String(mode.into()))];
        let out = sketch.node("DepthToSpace", &["x"], &attributes);
        // With one channel left both modes are one permutation.
        let mut truth = Sketch::new([1, 4, 2, 3]);
        let cut = truth.reshape("x", &[2, 2, 2, 3]);
        let turned = truth.transpose(&cut, &[2, 0, 3, 1]);
        close(&sketch.run(&out), &truth.truth(&turned));
    }
}

#[test]
fn normalisation_inside_the_model_is_that_of_the_image() {
    let mut sketch = Sketch::new([1, 3, 4, 4]);
    let bytes = sketch.constant(Array::scalar(255.0));
    let mean = sketch.constant(Array { shape: vec![1, 3, 1, 1], data: vec![0.5_f32, 0.4, 0.3].into() });
    let std = sketch.constant(Array { shape: vec![1, 3, 1, 1], data: vec![0.2_f32, 0.25, 0.5].into() });
    let x = sketch.node("Div", &["x", &bytes], &[]);
    let x = sketch.node("Sub", &[&x, &mean], &[]);
    let out = sketch.node("Div", &[&x, &std], &[]);
    let graph = sketch.build(&out).unwrap();
    let Node::Pixels { mean, std, .. } = &graph.nodes[0] else { panic!("{:?}", graph.nodes[0]) };
    close(mean, &[0.5, 0.4, 0.3]);
    close(std, &[0.2, 0.25, 0.5]);
    assert_eq!(f32::from_bits(graph.image.std[1].0), std[1]);
    assert_eq!(ops(&graph)[1..], ["Permute"]);
}

#[test]
fn a_bias_that_others_read_stays_where_it_is() {
    let mut sketch = Sketch::new([1, 3, 2, 2]);
    let last = sketch.transpose("x", &[0, 2, 3, 1]);
    let (w, b) = (sketch.floats(&[3, 4]), sketch.floats(&[4]));
    let product = sketch.node("MatMul", &[&last, &w], &[]);
    let biased = sketch.node("Add", &[&product, &b], &[]);
    sketch.check(&biased);
    assert_eq!(ops(&sketch.build(&biased).unwrap()), ["Pixels", "Linear", "Permute"]);
    let both = sketch.node("Sub", &[&biased, &product], &[]);
    sketch.check(&both);
}

#[test]
fn outputs_are_named_by_what_they_are() {
    let mut sketch = Sketch::new([1, 3, 4, 4]);
    let w = sketch.floats(&[6, 3, 4, 4]);
    let map = sketch.node("Conv", &["x", &w], &[("pads", ints(&[1, 1, 2, 2]))]);
    let pooled = sketch.node("GlobalAveragePool", &[&map], &[]);
    let pooled = sketch.node("Flatten", &[&pooled], &[]);
    let head = sketch.floats(&[6, 10]);
    let scores = sketch.node("MatMul", &[&pooled, &head], &[]);
    let soft = sketch.node("Softmax", &[&scores], &[]);
    let mut model = sketch.model.clone();
    let output = |name: &str| Output { name: name.into(), shape: Vec::new() };
    model.outputs = vec![output(&pooled), output(&soft), output(&map)];
    let graph = build(model, Normalisation::default()).unwrap();
    let kinds: Vec<_> = graph.outputs.iter().map(|output| (output.kind, output.shape)).collect();
    assert_eq!(
        kinds,
        [
            (OutputKind::Embedding, [6, 1, 1, 1]),
            (OutputKind::Logits, [10, 1, 1, 1]),
            (OutputKind::Dense, [4, 4, 6, 1]),
        ]
    );
    assert!(!ops(&graph).contains(&"Softmax".to_string()));
}

#[test]
fn refusals_name_the_node_and_what_would_work() {
    let message = |op: &str, inputs: &[&str]| {
        let mut sketch = Sketch::new([1, 3, 4, 4]);
        let out = sketch.node(op, inputs, &[]);
        sketch.build(&out).unwrap_err().to_string()
    };
    assert!(message("ReduceL2", &["x"]).contains("`v0` (ReduceL2)"));
    assert!(message("ReduceL2", &["x"]).contains("divides an output"));
    assert!(message("Div", &["x", "x"]).contains("products are, and quotients by constants"));
    assert!(message("InstanceNormalization", &["x"]).contains("BatchNorm"));
    assert!(message("Erf", &["x"]).contains("GELU"));
    assert!(message("ArgMax", &["x"]).contains("at the end"));
    assert!(message("Abs", &["x"]).contains("of constants only"));
    let accepted = message("GridSample", &["x"]);
    assert!(accepted.contains("accepted are Add, Attention, AveragePool,"), "{accepted}");
    assert!(!accepted.contains("AtLeast") && !accepted.contains("FusedMatMul"), "{accepted}");

    let mut sketch = Sketch::new([1, 3, 4, 4]);
    let weights = sketch.floats(&[4, 2]);
    let product = sketch.node("Gather", &[&weights, "x"], &[]);
    assert!(sketch.build(&product).unwrap_err().to_string().contains("`c0` is constant"));
    let mut sketch = Sketch::new([1, 3, 4, 4]);
    let out = sketch.node("Relu", &["x"], &[]);
    sketch.model.nodes[0].domain = "com.example".into();
    let foreign = sketch.build(&out).unwrap_err().to_string();
    assert!(foreign.contains("(com.example::Relu)") && foreign.contains("accepted are"), "{foreign}");

    let mut sketch = Sketch::new([1, 3, 4, 4]);
    let out = sketch.node("Relu", &["x"], &[]);
    let build = |sketch: &Sketch| sketch.build(&out).unwrap_err().to_string();
    sketch.model.inputs[0].shape[0] = Some(8);
    assert!(build(&sketch).contains("batch is fixed at 8"));
    sketch.model.inputs[0].shape[0] = None;
    sketch.model.inputs[0].shape[2] = None;
    assert!(build(&sketch).contains("dimension 2"), "{}", build(&sketch));
}

#[test]
fn other_image_layouts_are_understood() {
    let mut sketch = Sketch::new([1, 3, 4, 4]);
    let out = sketch.node("Relu", &["x"], &[]);
    for (shape, element, size) in [
        (vec![None, Some(6), Some(5), Some(3)], Element::U8, (6, 5, 3)),
        (vec![None, Some(1), Some(6), Some(5)], Element::Float, (6, 5, 1)),
        (vec![None, Some(6), Some(5)], Element::Float, (6, 5, 1)),
        (vec![Some(3), Some(6), Some(5)], Element::Float, (6, 5, 3)),
        (vec![None, Some(784)], Element::Float, (28, 28, 1)),
        (vec![None, Some(3072)], Element::Float, (32, 32, 3)),
    ] {
        (sketch.model.inputs[0].shape, sketch.model.inputs[0].element) = (shape, element);
        let graph = sketch.build(&out).unwrap();
        assert_eq!((graph.image.height, graph.image.width, graph.image.channels), size);
    }
}

#[test]
fn the_bundled_model_computes_its_golden_logits() {
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data");
    let bytes = std::fs::read(data.join("vit_fmnist_fp32.onnx")).unwrap();
    let normalisation = Normalisation { mean: &[0.2860], std: &[0.3530] };
    let graph = crate::read(bytes.into(), None, normalisation).unwrap();
    let file = std::fs::File::open(data.join("fmnist-test-1000-images-idx3-ubyte.gz")).unwrap();
    let mut images = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(file), &mut images).unwrap();
    // What ONNX Runtime computes; data/golden_logits_ivit.npz differs by up to 1e-3.
    let golden = [
        [-0.35234, -0.21661, -0.1539, -0.26829, -0.46977, -0.42856, -0.48589, 0.12585, -0.26073, 4.20915],
        [-0.59935, -0.60117, 3.87345, -0.31455, -0.5944, -0.53253, -0.37208, -0.50405, -0.75762, -0.36766],
    ];
    for (image, golden) in images[16..].chunks(784).zip(golden) {
        let frame: Vec<f32> = image.iter().map(|&pixel| f32::from(pixel)).collect();
        close(&super::run::run(&graph, &frame)[0], &golden);
    }
    let embedded = &graph.tensors[graph.nodes[1].output()];
    assert_eq!((embedded.rows, embedded.width, embedded.name.as_str()), (49, 64, "patch_embed.proj"));
}

#[test]
fn an_embedding_of_unit_length_is_left_as_it_is() {
    let mut sketch = Sketch::new([1, 2, 3, 4]);
    let x = sketch.reshape("x", &[1, 24]);
    let unit = sketch.node("LpNormalization", &[&x], &[]);
    let mut model = sketch.model.clone();
    model.outputs = vec![Output { name: unit.clone(), shape: Vec::new() }];
    let graph = build(model, Normalisation::default()).unwrap();
    assert_eq!((graph.outputs[0].kind, graph.outputs[0].shape), (OutputKind::Embedding, [24, 1, 1, 1]));
    let half = sketch.constant(Array::scalar(0.5));
    let out = sketch.node("Add", &[&unit, &half], &[]);
    assert!(sketch.build(&out).unwrap_err().to_string().contains("divides an output"));
}

#[test]
fn masks_hold_negative_infinities() {
    for (shape, axis) in [([1, 4], -1), ([3, 1], -2)] {
        let mut sketch = Sketch::new([1, 3, 2, 2]);
        let rows = sketch.reshape("x", &[3, 4]);
        let mut values = vec![0.0; shape[0] * shape[1]];
        values[1] = f32::NEG_INFINITY;
        let mask = sketch.constant(Array { shape: shape.to_vec(), data: values.into() });
        let masked = sketch.node("Add", &[&rows, &mask], &[]);
        let soft = sketch.node("Softmax", &[&masked], &[("axis", Attribute::Int(axis))]);
        let w = sketch.floats(&[4, 2]);
        let last = sketch.node("MatMul", &[&soft, &w], &[]);
        let graph = sketch.build(&last).unwrap();
        let added = graph.nodes.iter().find_map(|node| match node {
            Node::AddConstant { values, .. } => Some(values),
            _ => None,
        });
        let excluded = added.expect("a mask").iter().filter(|&&value| value == f32::NEG_INFINITY).count();
        assert_eq!(excluded, 12 / (shape[0] * shape[1]));
    }
}
