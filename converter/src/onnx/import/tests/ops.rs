//! Ops one by one.

use super::{Sketch, close, noise, ops};
use crate::float::Node;
use crate::import::ImportOptions;
use crate::onnx::import::build;
use crate::onnx::model::{Array, Attribute, Element, Output};
use runtime::OutputKind;

fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

/// A convolution as ONNX defines it, channels first.
fn convolution(x: &Array, w: &Array, stride: i64, pad: i64, dilation: i64, groups: usize) -> Vec<f32> {
    let (xs, ws) = (x.to_f32s(), w.to_f32s());
    let (c, h, wide) = (x.shape[1], x.shape[2] as i64, x.shape[3] as i64);
    let [n, cg, kh, kw] = [w.shape[0], w.shape[1], w.shape[2], w.shape[3]];
    assert_eq!(c, cg * groups);
    let size = |len: i64, k: usize| (len + 2 * pad - dilation * (k as i64 - 1) - 1) / stride + 1;
    let mut out = Vec::new();
    for o in 0..n {
        for y in 0..size(h, kh) {
            for x_at in 0..size(wide, kw) {
                let mut sum = 0.0;
                for i in 0..cg {
                    for ky in 0..kh {
                        for kx in 0..kw {
                            let iy = y * stride - pad + ky as i64 * dilation;
                            let ix = x_at * stride - pad + kx as i64 * dilation;
                            if (0..h).contains(&iy) && (0..wide).contains(&ix) {
                                let channel = o / (n / groups) * cg + i;
                                sum += xs[(channel * h as usize + iy as usize) * wide as usize + ix as usize]
                                    * ws[((o * cg + i) * kh + ky) * kw + kx];
                            }
                        }
                    }
                }
                out.push(sum);
            }
        }
    }
    out
}

#[test]
fn conv_has_strides_padding_dilation_and_groups() {
    for (stride, pad, dilation, groups) in [(1, 1, 1, 1), (2, 1, 1, 2), (1, 2, 2, 1), (3, 0, 1, 4)] {
        let mut sketch = Sketch::new([1, 4, 7, 6]);
        let weights = noise(&[8, 4 / groups, 3, 3], 5);
        let w = sketch.constant(weights.clone());
        let out = sketch.node(
            "Conv",
            &["x", &w],
            &[
                ("strides", ints(&[stride, stride])),
                ("pads", ints(&[pad; 4])),
                ("dilations", ints(&[dilation; 2])),
                ("group", Attribute::Int(groups as i64)),
            ],
        );
        close(&sketch.run(&out), &convolution(&sketch.image(), &weights, stride, pad, dilation, groups));
    }
}

#[test]
fn zero_padding_before_a_convolution_is_its_padding() {
    let mut sketch = Sketch::new([1, 2, 5, 5]);
    let weights = noise(&[3, 2, 3, 3], 1);
    let (w, pads) = (sketch.constant(weights.clone()), sketch.ints(&[0, 0, 1, 1, 0, 0, 1, 1]));
    let padded = sketch.node("Pad", &["x", &pads], &[]);
    let out = sketch.node("Conv", &[&padded, &w], &[]);
    assert_eq!(ops(&sketch.build(&out).unwrap()).iter().filter(|op| *op == "Concat").count(), 0);
    close(&sketch.run(&out), &convolution(&sketch.image(), &weights, 1, 1, 1, 1));
    let mut sketch = Sketch::new([1, 2, 5, 5]);
    let pads = sketch.ints(&[0, 1, 0, 2, 0, 0, 1, 0]);
    let value = sketch.constant(Array::scalar(0.5));
    let padded = sketch.node("Pad", &["x", &pads, &value], &[]);
    sketch.check(&padded);
}

#[test]
fn transposed_convolution_scatters() {
    for (kernel, stride, pad, more, groups) in
        [(2, 2, 0, 0, 1), (4, 2, 1, 0, 1), (3, 2, 1, 1, 2), (3, 1, 1, 0, 1), (2, 3, 0, 0, 1), (5, 3, 2, 1, 2)]
    {
        let mut sketch = Sketch::new([1, 4, 3, 4]);
        let (c, ng) = (4, 3);
        let weights = noise(&[c, ng, kernel, kernel], 3);
        let (w, b) = (sketch.constant(weights.clone()), sketch.floats(&[ng * groups]));
        let bias = sketch.model.constants[&b].to_f32s();
        let out = sketch.node(
            "ConvTranspose",
            &["x", &w, &b],
            &[
                ("strides", ints(&[stride as i64; 2])),
                ("pads", ints(&[pad as i64; 4])),
                ("output_padding", ints(&[more as i64; 2])),
                ("group", Attribute::Int(groups as i64)),
            ],
        );
        let size = |len: usize| (len - 1) * stride + kernel + more - 2 * pad;
        let (h, wide) = (size(3), size(4));
        let mut expected: Vec<f32> = (0..ng * groups * h * wide).map(|at| bias[at / (h * wide)]).collect();
        let (image, ws) = (sketch.image().to_f32s(), weights.to_f32s());
        for (at, &value) in image.iter().enumerate() {
            let (i, y, x) = (at / 12, at / 4 % 3, at % 4);
            for tap in 0..ng * kernel * kernel {
                let (o, ky, kx) = (tap / (kernel * kernel), tap / kernel % kernel, tap % kernel);
                let (Some(oy), Some(ox)) =
                    ((y * stride + ky).checked_sub(pad), (x * stride + kx).checked_sub(pad))
                else {
                    continue;
                };
                if oy < h && ox < wide {
                    let channel = i / (c / groups) * ng + o;
                    expected[(channel * h + oy) * wide + ox] += value * ws[i * ng * kernel * kernel + tap];
                }
            }
        }
        close(&sketch.run(&out), &expected);
    }
}

#[test]
fn pooling_averages() {
    let mut sketch = Sketch::new([1, 3, 4, 6]);
    let pool = [("kernel_shape", ints(&[2, 3])), ("strides", ints(&[2, 3]))];
    let out = sketch.node("AveragePool", &["x"], &pool);
    let mut plain = Sketch::new([1, 3, 4, 6]);
    let cut = plain.reshape("x", &[1, 3, 2, 2, 2, 3]);
    let mean = plain.node("ReduceMean", &[&cut], &[("axes", ints(&[3, 5]))]);
    close(&sketch.run(&out), &plain.truth(&mean));
    let out = sketch.node("GlobalAveragePool", &["x"], &[]);
    let mean = plain.node("ReduceMean", &["x"], &[("axes", ints(&[2, 3]))]);
    close(&sketch.run(&out), &plain.truth(&mean));
}

#[test]
fn batch_norm_goes_into_the_convolution() {
    let mut sketch = Sketch::new([1, 3, 5, 5]);
    let weights = noise(&[4, 3, 3, 3], 2);
    let w = sketch.constant(weights.clone());
    let conv = sketch.node("Conv", &["x", &w], &[]);
    let params = [sketch.floats(&[4]), sketch.floats(&[4]), sketch.floats(&[4])];
    let variance = sketch.constant(Array::vector(vec![0.5_f32, 1.0, 2.0, 3.0]));
    let out = sketch.node("BatchNormalization", &[&conv, &params[0], &params[1], &params[2], &variance], &[]);
    let [gamma, beta, mean] = params.map(|name| sketch.model.constants[&name].to_f32s());
    let plain = convolution(&sketch.image(), &weights, 1, 0, 1, 1);
    let normed = |(at, &value): (usize, &f32)| {
        let c = at / 9;
        (value - mean[c]) / ([0.5_f32, 1.0, 2.0, 3.0][c] + 1e-5).sqrt() * gamma[c] + beta[c]
    };
    close(&sketch.run(&out), &plain.iter().enumerate().map(normed).collect::<Vec<_>>());
    assert!(!ops(&sketch.build(&out).unwrap()).contains(&"Affine".to_string()));
}

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
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / len as f32;
            let std = (variance + 1e-5).sqrt();
            expected.extend(row.iter().enumerate().map(|(at, x)| (x - mean) / std * gamma[at] + beta[at]));
        }
        close(&sketch.run(&norm), &expected);
        let soft = sketch.node("Softmax", &[&scaled], &[]);
        let mut expected = Vec::new();
        for row in values.chunks(len) {
            let sum: f32 = row.iter().map(|x| x.exp()).sum();
            expected.extend(row.iter().map(|x| x.exp() / sum));
        }
        close(&sketch.run(&soft), &expected);
    }
}

#[test]
fn products_of_two_tensors_need_no_copies_in_attention() {
    let mut sketch = Sketch::new([1, 3, 4, 4]);
    let tokens = sketch.reshape("x", &[1, 3, 16]);
    let tokens = sketch.transpose(&tokens, &[0, 2, 1]);
    let weights = sketch.floats(&[3, 24]);
    let qkv = sketch.node("MatMul", &[&tokens, &weights], &[]);
    let qkv = sketch.reshape(&qkv, &[1, 16, 3, 2, 4]);
    let qkv = sketch.transpose(&qkv, &[2, 0, 3, 1, 4]);
    let pick = |sketch: &mut Sketch, at: i64| {
        let at = sketch.constant(Array::integer(at));
        sketch.node("Gather", &[&qkv, &at], &[("axis", Attribute::Int(0))])
    };
    let [q, k, v] = [0, 1, 2].map(|at| pick(&mut sketch, at));
    let k = sketch.transpose(&k, &[0, 1, 3, 2]);
    let scores = sketch.node("MatMul", &[&q, &k], &[]);
    let half = sketch.constant(Array::scalar(0.5));
    let scaled = sketch.node("Mul", &[&scores, &half], &[]);
    let mixed = sketch.node("MatMul", &[&scaled, &v], &[]);
    let mixed = sketch.transpose(&mixed, &[0, 2, 1, 3]);
    let mixed = sketch.reshape(&mixed, &[1, 16, 8]);
    let proj = sketch.floats(&[8, 5]);
    let out = sketch.node("MatMul", &[&mixed, &proj], &[]);
    sketch.check(&out);
    let graph = sketch.build(&out).unwrap();
    assert_eq!(ops(&graph), ["Pixels", "Linear", "MatMul", "MatMul", "Linear", "Permute"]);
}

#[test]
fn einsum_and_constants_on_the_left() {
    let mut sketch = Sketch::new([1, 2, 3, 4]);
    let out =
        sketch.node("Einsum", &["x", "x"], &[("equation", Attribute::String("bhid,bhjd->bhij".into()))]);
    let turned = sketch.transpose("x", &[0, 1, 3, 2]);
    let plain = sketch.node("MatMul", &["x", &turned], &[]);
    let mut truth = Sketch::new([1, 2, 3, 4]);
    let turned = truth.transpose("x", &[0, 1, 3, 2]);
    let product = truth.node("MatMul", &["x", &turned], &[]);
    close(&sketch.run(&out), &truth.truth(&product));
    close(&sketch.run(&plain), &truth.truth(&product));
    let left = sketch.floats(&[5, 3]);
    let values = sketch.model.constants[&left].clone();
    let out = sketch.node("MatMul", &[&left, "x"], &[]);
    let left = truth.constant(values);
    let product = truth.node("MatMul", &[&left, "x"], &[]);
    close(&sketch.run(&out), &truth.truth(&product));
}

#[test]
fn gemm_scales_and_transposes() {
    let mut sketch = Sketch::new([1, 1, 3, 4]);
    let rows = sketch.reshape("x", &[3, 4]);
    let (w, b) = (sketch.floats(&[5, 3]), sketch.floats(&[4, 5]));
    let out = sketch.node(
        "Gemm",
        &[&rows, &w, &b],
        &[
            ("transA", Attribute::Int(1)),
            ("transB", Attribute::Int(1)),
            ("alpha", Attribute::Float(0.5)),
            ("beta", Attribute::Float(2.0)),
        ],
    );
    sketch.check(&out);
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
    let graph = build(model, &ImportOptions::default()).unwrap();
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
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../data");
    let options = ImportOptions { mean: vec![0.2860], std: vec![0.3530], ..ImportOptions::default() };
    let graph = crate::onnx::import(&data.join("vit_fmnist_fp32.onnx"), &options).unwrap();
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
fn an_equation_of_one_operand_reorders_and_sums() {
    let einsum = |sketch: &mut Sketch, x: &str, text: &str| {
        sketch.node("Einsum", &[x], &[("equation", Attribute::String(text.into()))])
    };
    let mut sketch = Sketch::new([1, 3, 4, 6]);
    let cut = sketch.reshape("x", &[1, 3, 2, 2, 3, 2]);
    let out = einsum(&mut sketch, &cut, "nchpwq -> nhwpqc");
    let mut truth = Sketch::new([1, 3, 4, 6]);
    let cut = truth.reshape("x", &[1, 3, 2, 2, 3, 2]);
    let turned = truth.transpose(&cut, &[0, 2, 4, 3, 5, 1]);
    close(&sketch.run(&out), &truth.truth(&turned));
    let out = einsum(&mut sketch, "x", "nchw->wn");
    let sum = truth.node("ReduceSum", &["x"], &[("axes", ints(&[1, 2])), ("keepdims", Attribute::Int(0))]);
    let turned = truth.transpose(&sum, &[1, 0]);
    close(&sketch.run(&out), &truth.truth(&turned));
    for equation in ["nchw", "nccw->nw", "nchw->nchx", "nch->nch"] {
        let out = einsum(&mut sketch, "x", equation);
        let error = sketch.build(&out).unwrap_err().to_string();
        assert!(error.contains(equation), "{error}");
    }
}

#[test]
fn stacks_of_constant_matrices() {
    // Batches of both, of the constant alone, of the image alone.
    for (weights, left) in [
        (&[1, 3, 6, 5][..], &[1, 3, 2, 4][..]),
        (&[3, 6, 1], &[3, 1, 4]),
        (&[2, 1, 6, 5], &[2, 1, 2, 4]),
        (&[2, 3, 6, 5], &[2, 3, 2, 4]),
    ] {
        let mut sketch = Sketch::new([1, 3, 4, 6]);
        let (w, a) = (sketch.floats(weights), sketch.floats(left));
        let right = sketch.node("MatMul", &["x", &w], &[]);
        sketch.check(&right);
        let out = sketch.node("MatMul", &[&a, &right], &[]);
        sketch.check(&out);
    }
    let mut sketch = Sketch::new([1, 3, 4, 6]);
    let w = sketch.floats(&[3, 6, 5]);
    let product = sketch.node("MatMul", &["x", &w], &[]);
    let turned = sketch.transpose(&product, &[0, 2, 1, 3]);
    let expected = sketch.truth(&turned);
    let einsum =
        sketch.node("Einsum", &["x", &w], &[("equation", Attribute::String("bhnd,hde->bnhe".into()))]);
    close(&sketch.run(&einsum), &expected);
    let w = sketch.floats(&[2, 6, 5]);
    let out = sketch.node("MatMul", &["x", &w], &[]);
    assert!(sketch.build(&out).unwrap_err().to_string().contains("have no product"));
}

/// The largest value of each window, channels first; padding never wins.
fn pooled(x: &Array, size: [i64; 2], stride: i64, pad: i64, dilation: i64, output: [i64; 2]) -> Vec<f32> {
    let values = x.to_f32s();
    let [c, h, wide] = [x.shape[1], x.shape[2], x.shape[3]];
    let mut out = Vec::new();
    for at in 0..c as i64 * output[0] * output[1] {
        let (channel, y, x_at) = (at / (output[0] * output[1]), at / output[1] % output[0], at % output[1]);
        let mut largest = f32::NEG_INFINITY;
        for tap in 0..size[0] * size[1] {
            let iy = y * stride - pad + tap / size[1] * dilation;
            let ix = x_at * stride - pad + tap % size[1] * dilation;
            if (0..h as i64).contains(&iy) && (0..wide as i64).contains(&ix) {
                largest = largest.max(values[(channel as usize * h + iy as usize) * wide + ix as usize]);
            }
        }
        out.push(largest);
    }
    out
}

#[test]
fn maxima_of_windows() {
    for (size, stride, pad, dilation, ceil, output) in [
        ([2, 2], 2, 0, 1, 0, [3, 3]),
        ([2, 2], 2, 0, 1, 1, [4, 3]),
        ([3, 3], 2, 1, 1, 0, [4, 3]),
        ([3, 2], 1, 1, 2, 0, [5, 6]),
        ([3, 1], 3, 0, 1, 0, [2, 2]),
    ] {
        let mut sketch = Sketch::new([1, 3, 7, 6]);
        let turned = sketch.node("Neg", &["x"], &[]);
        let attributes = [
            ("kernel_shape", ints(&size)),
            ("strides", ints(&[stride; 2])),
            ("pads", ints(&[pad; 4])),
            ("dilations", ints(&[dilation; 2])),
            ("ceil_mode", Attribute::Int(ceil)),
        ];
        let image = sketch.image();
        let negative = Array {
            shape: image.shape.clone(),
            data: image.to_f32s().iter().map(|v| -v).collect::<Vec<f32>>().into(),
        };
        for (x, values) in [("x", &image), (&turned, &negative)] {
            let out = sketch.node("MaxPool", &[x], &attributes);
            close(&sketch.run(&out), &pooled(values, size, stride, pad, dilation, output));
        }
    }
    let mut sketch = Sketch::new([1, 3, 7, 6]);
    let out = sketch.node("MaxPool", &["x"], &[("kernel_shape", ints(&[3, 40]))]);
    assert!(sketch.build(&out).unwrap_err().to_string().contains("window of [3, 40]"));
}

#[test]
fn maxima_over_axes_and_of_tensors() {
    for (op, axes, keep) in [
        ("ReduceMax", &[2_i64][..], 0),
        ("ReduceMax", &[-1, 1], 1),
        ("ReduceMin", &[1], 1),
        ("ReduceMin", &[2, 3], 0),
    ] {
        let mut sketch = Sketch::new([1, 3, 5, 7]);
        let shift = sketch.floats(&[7]);
        let x = sketch.node("Sub", &["x", &shift], &[]);
        let out = sketch.node(op, &[&x], &[("axes", ints(axes)), ("keepdims", Attribute::Int(keep))]);
        sketch.check(&out);
        sketch.check(&x);
    }
    let mut sketch = Sketch::new([1, 2, 3, 4]);
    let (third, half) = (sketch.constant(Array::scalar(0.3)), sketch.constant(Array::scalar(0.6)));
    let other = sketch.node("Neg", &["x"], &[]);
    let other = sketch.node("Add", &[&other, &half], &[]);
    let of = |sketch: &Sketch, x: &str| sketch.run(x);
    let (a, b) = (of(&sketch, "x"), of(&sketch, &other));
    let join = |f: fn(f32, f32) -> f32| a.iter().zip(&b).map(|(&a, &b)| f(a, b)).collect::<Vec<f32>>();
    let out = sketch.node("Max", &["x", &other], &[]);
    close(&of(&sketch, &out), &join(f32::max));
    let out = sketch.node("Min", &["x", &other], &[]);
    close(&of(&sketch, &out), &join(f32::min));
    let low = sketch.node("Max", &["x", &third], &[]);
    let out = sketch.node("Min", &[&half, &low], &[]);
    close(&of(&sketch, &out), &a.iter().map(|a| a.clamp(0.3, 0.6)).collect::<Vec<f32>>());
}

#[test]
fn an_embedding_of_unit_length_is_left_as_it_is() {
    let mut sketch = Sketch::new([1, 2, 3, 4]);
    let x = sketch.reshape("x", &[1, 24]);
    let unit = sketch.node("LpNormalization", &[&x], &[]);
    let mut model = sketch.model.clone();
    model.outputs = vec![Output { name: unit.clone(), shape: Vec::new() }];
    let graph = build(model, &ImportOptions::default()).unwrap();
    assert_eq!((graph.outputs[0].kind, graph.outputs[0].shape), (OutputKind::Embedding, [24, 1, 1, 1]));
    let half = sketch.constant(Array::scalar(0.5));
    let out = sketch.node("Add", &[&unit, &half], &[]);
    assert!(sketch.build(&out).unwrap_err().to_string().contains("divides an output"));
}
