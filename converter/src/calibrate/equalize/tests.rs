//! Tests: convolutions whose channels have ranges far apart.

use float::{Dense, Evaluator, Function, Geometry, Graph, Node, Output, Part, TensorId};
use runtime::{ChannelOrder, Image, OutputKind};

use super::layers::equalize;
use crate::calibrate::testing::{push, values};
use crate::calibrate::{QuantizeOptions, statistics};
use crate::{BuildOptions, convert, measure};

const SIDE: u32 = 12;
const PIXELS: usize = (SIDE * SIDE) as usize;
const WIDTH: usize = 8;

/// How large channel `c` is.
fn size(c: usize) -> f32 {
    [1.0 / 9.0, 1.0 / 3.0, 1.0, 3.0, 9.0][c % 5]
}

/// Weights whose output channels have different sizes, if `apart`.
fn dense(seed: u64, n: usize, k: usize, apart: bool) -> Dense {
    let row = |row: usize| if apart { size(row) } else { 1.0 };
    let scaled = |(at, w): (usize, f32)| 2.0 * row(at / k) * w / (k as f32).sqrt();
    let weights = values(seed, n * k).into_iter().enumerate().map(scaled).collect();
    let bias = values(seed + 1, n).into_iter().enumerate().map(|(at, b)| b * row(at)).collect();
    Dense { n, k, weights, bias }
}

fn conv(graph: &mut Graph, name: &str, x: TensorId, groups: u32, padding: u32, apart: bool) -> TensorId {
    let channels = graph.tensors[x].width as u32;
    let side = (graph.tensors[x].rows as f64).sqrt() as u32;
    let inner = side + 2 * padding - 2;
    let geometry = Geometry {
        input: [side, side, channels],
        kernel: [3, 3],
        stride: [1, 1],
        padding: [padding; 2],
        output: [inner, inner],
        groups,
    };
    let dense = dense(x as u64, WIDTH, 9 * (channels / groups) as usize, apart);
    push(graph, name, (inner * inner) as usize, WIDTH, |out| Node::Conv { x, out, geometry, dense })
}

/// A convolution, a depthwise and a grouped one, which a stream and a padded image lie between, and
/// layers; ReLU behind the first.
fn model() -> Graph {
    let image = Image::plain([SIDE as u16, SIDE as u16], 3, ChannelOrder::Rgb);
    let mut graph = Graph::new(image);
    let g = &mut graph;
    let (mean, std) = (vec![0.5; 3], vec![0.2; 3]);
    let x = push(g, "pixels", PIXELS, 3, |out| Node::Pixels { x: 0, out, mean, std });
    let x = conv(g, "first", x, 1, 1, true);
    let x = push(g, "active", PIXELS, WIDTH, |out| Node::Activate { x, out, function: Function::Relu });
    let x = conv(g, "depthwise", x, WIDTH as u32, 1, true);
    let layer = |seed, n| dense(seed, n, WIDTH, true);
    let y = push(g, "branch", PIXELS, WIDTH, |out| Node::Linear { x, out, dense: layer(90, WIDTH) });
    let z = push(g, "other", PIXELS, WIDTH, |out| Node::Linear { x, out, dense: layer(91, WIDTH) });
    let x = push(g, "stream", PIXELS, WIDTH, |out| Node::Add { x: y, y: z, out });
    let y = conv(g, "grouped", x, 2, 1, true);
    let sum = push(g, "sum", PIXELS, WIDTH, |out| Node::Add { x, y, out });
    let x = conv(g, "last", sum, 1, 0, true);
    let (rows, parts) = (g.tensors[x].rows, vec![Part::Tensor(x), Part::Constant(vec![0.0; WIDTH])]);
    let x = push(g, "more", rows + 1, WIDTH, |out| Node::Concat { parts, out });
    let rows = (0..SIDE * SIDE).map(|row| row % (rows as u32 + 1)).collect();
    let x = push(g, "whole", PIXELS, WIDTH, |out| Node::Gather { x, out, rows });
    let x = conv(g, "end", x, 1, 0, false);
    // Small channels count as much as large ones.
    if let Some(Node::Conv { dense, .. }) = g.nodes.last_mut() {
        dense.weights.iter_mut().enumerate().for_each(|(at, w)| *w /= size(at % WIDTH));
    }
    let rows = g.tensors[x].rows;
    let tensor =
        push(g, "map", rows, WIDTH, |out| Node::Linear { x, out, dense: dense(92, WIDTH, WIDTH, false) });
    let shape = [10, 10, WIDTH, 1];
    let (name, kind) = ("map".into(), OutputKind::Dense);
    graph.outputs.push(Output { name, tensor, kind, shape, ending: None });
    graph
}

fn frames(seed: u64, count: u64) -> Vec<Vec<u8>> {
    let byte = |v: f32| (127.5 + 127.0 * v) as u8;
    (0..count).map(|i| values(seed + i, 3 * PIXELS).into_iter().map(byte).collect()).collect()
}

#[test]
fn the_float_model_stays_what_it_is() {
    let (mut model, frames) = (model(), frames(100, 8));
    let before: Vec<Vec<Vec<f32>>> =
        frames.iter().map(|frame| Evaluator::new(&model).unwrap().run(frame)).collect();
    let slices: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let statistics = statistics::collect(&model, &slices, "", &()).unwrap();
    let changes = equalize(&mut model, &statistics);
    let changed: Vec<&str> = changes.iter().map(|change| change.layer.as_str()).collect();
    assert_eq!(changed, ["end", "last", "sum", "stream", "depthwise", "active"], "{changes:?}");
    let evaluator = Evaluator::new(&model).unwrap();
    for (frame, before) in frames.iter().zip(&before) {
        let (after, before) = (evaluator.run(frame).concat(), before.concat());
        let largest = before.iter().fold(0f32, |most, v| most.max(v.abs()));
        let apart = after.iter().zip(&before).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
        assert!(apart < 1e-5 * largest, "{apart} of {largest}");
    }
}

#[test]
fn channels_that_are_far_apart_cost_less() {
    let snr = |equalize: bool| {
        let options = QuantizeOptions { equalize, ..QuantizeOptions::default() };
        let made = convert(model(), &frames(100, 16), &options, BuildOptions::default(), &()).unwrap();
        let unseen = frames(900, 8);
        let compared = measure::compare(&model(), &made.container, &unseen, None, "", &()).unwrap();
        compared.outputs[0].snr_db.unwrap()
    };
    let (without, with) = (snr(false), snr(true));
    println!("{without:.1} dB, {with:.1} dB equalized");
    assert!(with > without + 3.0, "{without:.1} dB, {with:.1} dB equalized");
}
