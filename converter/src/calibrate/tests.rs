//! Tests: what is done where few rows are seen, where a padded convolution wants a zero point, and
//! where pixels share a scale.

use facts::ChangeKind;
use float::{Dense, Function, Geometry, Graph, Node, Output, Part};
use runtime::{ChannelOrder, Image, OutputKind};

use super::QuantizeOptions;
use super::testing::{push, values};
use crate::graph::Width;
use crate::{BuildOptions, Conversion, convert, measure};

const SIDE: u32 = 6;
const WIDTH: usize = 8;

fn dense(seed: u64, n: usize, k: usize) -> Dense {
    let weights = values(seed, n * k).into_iter().map(|w| 2.0 * w / (k as f32).sqrt()).collect();
    Dense { n, k, weights, bias: values(seed + 1, n) }
}

/// Two padded convolutions with HardSwish between them, a mean over pixels, a norm and a classifier.
fn model() -> Graph {
    let image = Image::plain([SIDE as u16, SIDE as u16], 3, ChannelOrder::Rgb);
    let mut graph = Graph::new(image);
    let pixels = (SIDE * SIDE) as usize;
    let geometry = |channels| Geometry {
        input: [SIDE, SIDE, channels],
        kernel: [3, 3],
        stride: [1, 1],
        padding: [1, 1],
        output: [SIDE, SIDE],
        groups: 1,
    };
    let g = &mut graph;
    let x =
        push(g, "pixels", pixels, 3, |out| Node::Pixels { x: 0, out, mean: vec![0.5; 3], std: vec![0.2; 3] });
    let x = push(g, "first", pixels, WIDTH, |out| Node::Conv {
        x,
        out,
        geometry: geometry(3),
        dense: dense(1, WIDTH, 27),
    });
    let x = push(g, "active", pixels, WIDTH, |out| Node::Activate { x, out, function: Function::HardSwish });
    let x = push(g, "second", pixels, WIDTH, |out| Node::Conv {
        x,
        out,
        geometry: geometry(WIDTH as u32),
        dense: dense(3, WIDTH, 9 * WIDTH),
    });
    let x = push(g, "mean", 1, WIDTH, |out| Node::Mean { x, out });
    let x = push(g, "norm", 1, WIDTH, |out| Node::LayerNorm {
        x,
        out,
        gamma: vec![1.0; WIDTH],
        beta: vec![0.0; WIDTH],
        eps: 1e-5,
        centred: true,
    });
    let tensor = push(g, "head", 1, 5, |out| Node::Linear { x, out, dense: dense(5, 5, WIDTH) });
    graph.outputs.push(Output {
        name: "logits".into(),
        tensor,
        kind: OutputKind::Logits,
        shape: [5, 1, 1, 1],
        ending: None,
    });
    graph
}

fn frames(seed: u64, count: u64) -> Vec<Vec<u8>> {
    let pixels = (3 * SIDE * SIDE) as usize;
    let byte = |v: f32| (127.5 + 127.0 * v) as u8;
    (0..count).map(|i| values(seed + i, pixels).into_iter().map(byte).collect()).collect()
}

fn converted(model: Graph, images: u64) -> Conversion {
    convert(model, &frames(100, images), &QuantizeOptions::default(), BuildOptions::default(), &()).unwrap()
}

#[test]
fn what_reads_few_rows_reads_sixteen_bits() {
    let bits = |images| {
        let Conversion { quantized, container } = converted(model(), images);
        let tensors = &quantized.graph.tensors;
        let norm = tensors.iter().find(|tensor| tensor.name == "norm").expect("it is made");
        (norm.bits, quantized, container)
    };
    let (few, quantized, container) = bits(16);
    assert_eq!((few, bits(128).0), (Width::I16, Width::I8));
    // Logits of int16 inputs are not cut off, on these images or others.
    let unseen = frames(900, 8);
    let facts = measure::fidelity(&quantized.float, &quantized.graph, &container, &unseen, &()).unwrap();
    let head = facts.iter().find(|fact| fact.name == "head").expect("it is an instruction");
    let norm = facts.iter().find(|fact| fact.name == "norm").expect("it is an instruction");
    println!("norm {:.1} dB, head {:.1} dB", norm.snr_db, head.snr_db);
    assert!(head.snr_db > norm.snr_db - 3.0, "{facts:?}");
}

#[test]
fn padding_is_laid_out_where_a_zero_point_is_worth_it() {
    let snr = |model: Graph| {
        let Conversion { quantized, container } = converted(model, 16);
        let laid_out =
            |change: &facts::Change| change.kind == ChangeKind::Escalated && change.layer == "second";
        let unseen = frames(900, 8);
        let facts = measure::fidelity(&quantized.float, &quantized.graph, &container, &unseen, &()).unwrap();
        let active = facts.iter().find(|fact| fact.name == "active").expect("it is an instruction");
        (quantized.changes.iter().any(laid_out), active.snr_db)
    };
    let (laid_out, with) = snr(model());
    assert!(laid_out);
    // An even function in its place has no use for a zero point.
    let mut other = model();
    for node in &mut other.nodes {
        if let Node::Activate { function, .. } = node {
            *function = Function::Tanh;
        }
    }
    assert!(!snr(other).0);
    println!("{with:.1} dB");
    assert!(with > 35.0, "{with}");
}

#[test]
fn what_is_below_a_relu_takes_no_levels() {
    let mut other = model();
    for node in &mut other.nodes {
        if let Node::Activate { function, .. } = node {
            *function = Function::Relu;
        }
    }
    let Conversion { quantized, .. } = converted(other, 16);
    // The convolution behind it is padded, which is laid out for the zero point.
    let active = quantized.graph.tensors.iter().find(|tensor| tensor.name == "active").expect("it is made");
    assert_eq!((active.bits, active.zero), (Width::I8, -128));
    let seen = quantized.tensors.iter().find(|fact| fact.name == "active").expect("a fact");
    assert!((active.scale * 255.0 - seen.max).abs() <= 0.35 * seen.max, "{seen:?}");
}

#[test]
fn what_is_joined_to_pixels_is_not_cut_off() {
    let fact = |factor: f32| {
        let mut graph = Graph::new(Image::plain([SIDE as u16, SIDE as u16], 3, ChannelOrder::Rgb));
        let (g, rows) = (&mut graph, (SIDE * SIDE) as usize);
        let pixels = push(g, "pixels", rows, 3, |out| Node::Pixels {
            x: 0,
            out,
            mean: vec![0.5; 3],
            std: vec![0.5; 3],
        });
        let near =
            push(g, "near", rows, 3, |out| Node::Activate { x: pixels, out, function: Function::Tanh });
        let far = push(g, "far", rows, 3, |out| Node::Affine {
            x: near,
            out,
            scale: vec![factor; 3],
            offset: vec![0.0; 3],
        });
        let parts = vec![Part::Tensor(pixels), Part::Tensor(far)];
        let x = push(g, "joined", 2 * rows, 3, |out| Node::Concat { parts, out });
        let x = push(g, "head", 2 * rows, 5, |out| Node::Linear { x, out, dense: dense(5, 5, 3) });
        let tensor = push(g, "mean", 1, 5, |out| Node::Mean { x, out });
        let (name, kind) = ("logits".into(), OutputKind::Logits);
        graph.outputs.push(Output { name, tensor, kind, shape: [5, 1, 1, 1], ending: None });
        let facts = converted(graph, 16).quantized.tensors;
        facts.into_iter().find(|fact| fact.name == "joined").expect("a fact")
    };
    let (within, beyond) = (fact(1.0), fact(5.0));
    assert_eq!(within.method, "all pixel values");
    assert!(beyond.clipped == 0.0 && beyond.max > within.range[1], "{beyond:?}");
}
