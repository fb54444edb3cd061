//! Ops one by one.

use float::{Node, math};
use runtime::OutputKind;

use super::{Sketch, close, ints, ops};
use crate::import::{Normalisation, build};
use crate::model::{Array, Attribute, Element, Input, Output};

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
    assert!(message("ReduceL2", &["x"]).contains("divides that vector"));
    assert!(message("Div", &["x", "x"]).contains("products are, and quotients by constants"));
    assert!(message("InstanceNormalization", &["x"]).contains("BatchNorm"));
    assert!(message("Erf", &["x"]).contains("GELU"));
    assert!(message("ArgMax", &["x"]).contains("at the end"));
    assert!(message("Abs", &["x"]).contains("of constants and shapes only"));
    assert!(message("Equal", &["x", "x"]).contains("of constants and shapes only"));
    assert!(message("QuantizeLinear", &["x"]).contains("quantized already"));
    assert!(message("TopK", &["x"]).contains("up to the scores"));
    assert!(message("LSTM", &["x"]).contains("recurrent"));
    assert!(message("Unique", &["x"]).contains("not among those that are read"));

    let mut sketch = Sketch::new([1, 3, 4, 4]);
    let weights = sketch.floats(&[4, 2]);
    let product = sketch.node("Gather", &[&weights, "x"], &[]);
    assert!(sketch.build(&product).unwrap_err().to_string().contains("`c0` is constant"));
    let mut sketch = Sketch::new([1, 3, 4, 4]);
    let out = sketch.node("Relu", &["x"], &[]);
    for (domain, op, words) in [
        ("com.example", "Relu", ["(com.example::Relu)", "`com.example`"]),
        ("com.microsoft.nchwc", "Conv", ["optimized for one CPU", "graph_optimization_level"]),
        ("com.microsoft", "QLinearAdd", ["quantized already", "float model"]),
        ("com.microsoft", "MatMulNBits", ["quantized already", "float model"]),
        ("com.microsoft", "Attention", ["of this operator is accepted", "packed weights"]),
        ("ai.onnx.ml", "Scaler", ["classical machine learning", "vision models"]),
    ] {
        (sketch.model.nodes[0].domain, sketch.model.nodes[0].op) = (domain.into(), op.into());
        let foreign = sketch.build(&out).unwrap_err().to_string();
        assert!(words.iter().all(|word| foreign.contains(word)), "{foreign}");
    }

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
    ] {
        (sketch.model.inputs[0].shape, sketch.model.inputs[0].element) = (shape, element);
        let graph = sketch.build(&out).unwrap();
        assert_eq!((graph.image.height, graph.image.width, graph.image.channels), size);
    }
}

#[test]
fn inputs_that_are_no_images_are_refused() {
    let mut sketch = Sketch::new([1, 3, 4, 4]);
    let out = sketch.node("Relu", &["x"], &[]);
    let some = |dims: &[usize]| dims.iter().copied().map(Some).collect::<Vec<_>>();
    for (name, shape, element, word) in [
        ("x", some(&[1, 1024]), Element::Float, "a flat vector of 1024 values"),
        ("x", vec![None, None], Element::Float, "a flat vector of some values"),
        ("input_ids", some(&[1, 77]), Element::Int, "token ids of text"),
        ("x", some(&[1, 1, 16000]), Element::Float, "as audio is"),
        ("input_features", some(&[1, 80, 3000]), Element::Float, "is audio"),
        ("mask", some(&[1, 1, 4, 4]), Element::Bool, "truth values"),
        ("x", some(&[1, 8, 3, 4, 4]), Element::Float, "as video has"),
        ("x", some(&[10]), Element::Float, "no height and width"),
        ("x", some(&[1, 6, 4, 7]), Element::Float, "is not an image's"),
        ("x", some(&[1, 1, 1, 65536]), Element::Float, "a side of 65536 exceeds the limit of 16384"),
        ("x", some(&[1, 1, 16384, 16384]), Element::Float, "exceed the limit of 67108864"),
    ] {
        sketch.model.inputs[0] = Input { name: name.into(), shape, element };
        sketch.model.nodes[0].inputs[0] = name.into();
        let said = sketch.build(&out).unwrap_err().to_string();
        assert!(said.contains(word) && said.contains(&format!("input `{name}`")), "{said}");
        assert!(said.contains("N × C × H × W") || said.contains("a smaller image"), "{said}");
    }
    sketch.model.inputs.push(Input { name: "ids".into(), shape: some(&[1, 77]), element: Element::Int });
    assert!(sketch.build(&out).unwrap_err().to_string().contains("export the image encoder alone"));
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
    assert!(ops(&sketch.build(&out).unwrap()).contains(&"LayerNorm".into()), "within a model it is computed");
}

#[test]
fn factors_of_heads_are_those_of_their_scores() {
    let mut sketch = Sketch::new([1, 2, 3, 4]);
    let turned = sketch.transpose("x", &[0, 1, 3, 2]);
    let scores = sketch.node("MatMul", &["x", &turned], &[]);
    let by_head = sketch.floats(&[2, 1, 1]);
    let scaled = sketch.node("Mul", &[&scores, &by_head], &[]);
    sketch.check(&scaled);
    let graph = sketch.build(&scaled).unwrap();
    assert!(!ops(&graph).iter().any(|op| op == "Affine" || op == "Mul"), "{:?}", ops(&graph));
    let by_key = sketch.floats(&[2, 1, 3]);
    let other = sketch.node("Mul", &[&scores, &by_key], &[]);
    sketch.check(&other);
    let by_query = sketch.floats(&[2, 3, 1]);
    let other = sketch.node("Mul", &[&scores, &by_query], &[]);
    sketch.check(&other);
}

#[test]
fn a_choice_of_constants_is_a_constant() {
    let mut sketch = Sketch::new([1, 2, 3, 4]);
    let shape = sketch.node("Shape", &["x"], &[]);
    let (rank, three) = (sketch.node("Size", &[&shape], &[]), sketch.constant(Array::integer(3)));
    let more = sketch.node("Greater", &[&rank, &three], &[]);
    let (then, other) = (sketch.ints(&[1, 6, 4]), sketch.ints(&[5, 5]));
    let picked = sketch.node("If", &[&more, &then, &other], &[]);
    let out = sketch.node("Reshape", &["x", &picked], &[]);
    close(&sketch.run(&out), &sketch.image().to_f32s());
}

#[test]
fn pads_of_own_elements_are_those_that_indices_pick() {
    for (mode, pads, rows, columns) in [
        ("reflect", [2, 1, 0, 1], &[2, 1, 0, 1, 2, 3][..], &[1, 0, 1, 2, 3, 4, 3][..]),
        ("edge", [1, 0, 2, 0], &[0, 0, 1, 2, 3, 3, 3], &[0, 1, 2, 3, 4]),
        ("wrap", [1, 2, 0, 0], &[3, 0, 1, 2, 3], &[3, 4, 0, 1, 2, 3, 4]),
        ("constant", [-1, 0, -1, -2], &[1, 2], &[0, 1, 2]),
    ] {
        let mut sketch = Sketch::new([1, 2, 4, 5]);
        let [top, left, bottom, right] = pads;
        let amounts = sketch.ints(&[0, 0, top, left, 0, 0, bottom, right]);
        let padded = sketch.node("Pad", &["x", &amounts], &[("mode", Attribute::String(mode.into()))]);
        let found = sketch.run(&padded);
        let (rows, columns) = (sketch.ints(rows), sketch.ints(columns));
        let picked = sketch.node("Gather", &["x", &rows], &[("axis", Attribute::Int(2))]);
        let picked = sketch.node("Gather", &[&picked, &columns], &[("axis", Attribute::Int(3))]);
        close(&found, &sketch.run(&picked));
    }
    let mut sketch = Sketch::new([1, 2, 4, 5]);
    let amounts = sketch.ints(&[0, 0, 4, 0, 0, 0, 0, 0]);
    let padded = sketch.node("Pad", &["x", &amounts], &[("mode", Attribute::String("reflect".into()))]);
    assert!(sketch.build(&padded).unwrap_err().to_string().contains("on an axis of 4"));
}

#[test]
fn products_with_rows_powers_and_selu() {
    let mut sketch = Sketch::new([1, 3, 4, 5]);
    let two = sketch.constant(Array::scalar(2.0));
    let factors = sketch.floats(&[3, 4, 1]);
    let rows = sketch.node("Mul", &["x", &factors], &[]);
    let square = sketch.node("Pow", &[&rows, &two], &[]);
    let one = sketch.constant(Array::scalar(1.0));
    let same = sketch.node("Pow", &[&square, &one], &[]);
    sketch.check(&same);
    let shifted = sketch.node("Sub", &["x", &two], &[]);
    let below = sketch.truth(&shifted);
    let selu = sketch.node("Selu", &[&shifted], &[]);
    let expected: Vec<f32> =
        below.iter().map(|x| 1.050_701 * 1.673_263_2 * math::expm1(f64::from(*x)) as f32).collect();
    close(&sketch.run(&selu), &expected);
    let cube = sketch.constant(Array::scalar(3.0));
    let cubed = sketch.node("Pow", &["x", &cube], &[]);
    assert!(sketch.build(&cubed).unwrap_err().to_string().contains("powers of 1 and 2"));
}

#[test]
fn dots_in_equations_stand_for_axes() {
    let run = |equation: &str| {
        let mut sketch = Sketch::new([1, 2, 4, 4]);
        let text = Attribute::String(equation.into());
        let product = sketch.node("Einsum", &["x", "x"], &[("equation", text)]);
        sketch.run(&product)
    };
    close(&run("...qd,...kd->...qk"), &run("abqd,abkd->abqk"));
    close(&run("b...d,b...d->b..."), &run("bxyd,bxyd->bxy"));
}

#[test]
fn a_mean_of_many_rows_is_a_mean_of_means() {
    let mut sketch = Sketch::new([1, 1, 300, 400]);
    let mean = sketch.node("GlobalAveragePool", &["x"], &[]);
    let image = sketch.image().to_f32s();
    let expected = image.iter().map(|&value| f64::from(value)).sum::<f64>() / image.len() as f64;
    close(&sketch.run(&mean), &[expected as f32]);
    let graph = sketch.build(&mean).unwrap();
    let rows = graph.nodes.iter().filter_map(|node| match node {
        Node::Mean { x, .. } => Some(graph.tensors[*x].rows),
        _ => None,
    });
    assert_eq!(rows.collect::<Vec<_>>(), [60_000, 2]);
}

#[test]
fn an_image_that_is_turned_around_has_a_positive_deviation() {
    let mut sketch = Sketch::new([1, 3, 4, 5]);
    let one = sketch.constant(Array::scalar(1.0));
    let turned = sketch.node("Sub", &[&one, "x"], &[]);
    let weights = sketch.floats(&[5, 2]);
    let product = sketch.node("MatMul", &[&turned, &weights], &[]);
    sketch.check(&product);
    let graph = sketch.build(&product).unwrap();
    assert!(graph.image.std[..3].iter().all(|std| std.is_positive()));
}
