//! Products of two computed tensors, norms without a mean and rotary embeddings: blocks, quantized,
//! against the float model.

use converter::calibrate::QuantizeOptions;
use converter::{BuildOptions, Conversion, convert, measure};
use float::{Dense, Function, Geometry, Graph, Node, Output, Strided, TensorId};
use quant::Op;
use quant::ops::{RmsNorm, Spread};
use runtime::{ChannelOrder, Image, Model, OutputKind};
use shiftformer_tests::memory::Aligned;
use shiftformer_tests::source::Source;

use crate::planner::plans_agree;

/// Pixels of a side, and channels of the features.
const SIDE: u32 = 8;
pub(crate) const WIDTH: usize = 16;

/// A float model under construction.
pub(crate) struct Block {
    pub(crate) graph: Graph,
    source: Source,
}

impl Block {
    /// A block on features of an image: the model, and the features.
    pub(crate) fn new() -> (Self, TensorId) {
        let image = Image::plain([SIDE as u16, SIDE as u16], 3, ChannelOrder::Rgb);
        let mut block = Self { graph: Graph::new(image), source: Source::new(5) };
        let pixels =
            block.node("pixels", 3, |out| Node::Pixels { x: 0, out, mean: vec![0.5; 3], std: vec![0.3; 3] });
        let geometry = Geometry {
            input: [SIDE, SIDE, 3],
            kernel: [3, 3],
            stride: [1, 1],
            padding: [1, 1],
            output: [SIDE, SIDE],
            groups: 1,
        };
        let dense = block.weights(WIDTH, 27);
        let features = block.node("features", WIDTH, |out| Node::Conv { x: pixels, out, geometry, dense });
        (block, features)
    }

    fn weights(&mut self, n: usize, k: usize) -> Dense {
        let reach = 2.0 / (k as f32).sqrt();
        let mut value = || reach * (self.source.below(2001) as f32 / 1000.0 - 1.0);
        Dense {
            n,
            k,
            weights: (0..n * k).map(|_| value()).collect(),
            bias: (0..n).map(|_| 0.1 * value()).collect(),
        }
    }

    /// A tensor with a row for each pixel.
    pub(crate) fn node(&mut self, name: &str, width: usize, node: impl FnOnce(TensorId) -> Node) -> TensorId {
        self.made(name, (SIDE * SIDE) as usize, width, node)
    }

    pub(crate) fn made(
        &mut self,
        name: &str,
        rows: usize,
        width: usize,
        node: impl FnOnce(TensorId) -> Node,
    ) -> TensorId {
        let out = self.graph.tensor(name, rows, width);
        self.graph.nodes.push(node(out));
        out
    }

    pub(crate) fn linear(&mut self, name: &str, x: TensorId, n: usize) -> TensorId {
        let (rows, k) = (self.graph.tensors[x].rows, self.graph.tensors[x].width);
        let dense = self.weights(n, k);
        self.made(name, rows, n, |out| Node::Linear { x, out, dense })
    }

    pub(crate) fn activate(&mut self, name: &str, x: TensorId, function: Function) -> TensorId {
        let (rows, width) = (self.graph.tensors[x].rows, self.graph.tensors[x].width);
        self.made(name, rows, width, |out| Node::Activate { x, out, function })
    }

    pub(crate) fn product(&mut self, name: &str, x: TensorId, y: TensorId) -> TensorId {
        let (rows, width) = (self.graph.tensors[x].rows, self.graph.tensors[x].width);
        self.made(name, rows, width, |out| Node::Mul { x, y, out })
    }

    /// The model with logits of `x`, and random frames.
    pub(crate) fn finish(mut self, x: TensorId) -> (Graph, Vec<Vec<u8>>) {
        let width = self.graph.tensors[x].width;
        let mean = self.made("mean", 1, width, |out| Node::Mean { x, out });
        let logits = self.linear("logits", mean, 10);
        let shape = [10, 1, 1, 1];
        self.graph.outputs.push(Output {
            name: "logits".into(),
            tensor: logits,
            kind: OutputKind::Logits,
            shape,
            ending: None,
        });
        let mut source = Source::new(9);
        let pixels = SIDE * SIDE * 3;
        let frames = (0..24).map(|_| (0..pixels).map(|_| source.bits() as u8).collect()).collect();
        (self.graph, frames)
    }

    /// Converts the model with logits of `x`, compares every plan, and gives the signal over
    /// noise of `x` in decibels and what `pick` finds in the program.
    pub(crate) fn converted<T>(self, x: TensorId, pick: impl Fn(&Op) -> Option<T>) -> (f64, Vec<T>) {
        let name = self.graph.tensors[x].name.clone();
        let (graph, mut frames) = self.finish(x);
        let held_back = frames.split_off(16);
        let Conversion { container, quantized } =
            convert(graph, &frames, &QuantizeOptions::default(), BuildOptions::default(), &()).unwrap();
        plans_agree(&quantized.graph, 3);
        let facts =
            measure::fidelity(&quantized.float, &quantized.graph, &container, &held_back, &()).unwrap();
        let file = Aligned::copy(&container);
        let model = Model::new(&file).unwrap();
        let picked = model.instructions().filter_map(|instruction| pick(&instruction.op));
        let snr = facts.iter().find(|fact| fact.name == name).expect("it is an instruction").snr_db;
        println!("{name}: {snr:.1} dB");
        (snr, picked.collect())
    }
}

/// How a product spreads its factors, and whether it is in place.
fn product(op: &Op) -> Option<(Spread, bool)> {
    match op {
        Op::Mul(op) => Some((op.spread, op.out.is_none())),
        _ => None,
    }
}

/// Rows that hold queries, keys and values of one head after the other: no fused instruction reads
/// those.
#[test]
fn attention_of_heads_that_lie_apart() {
    let (mut block, x) = Block::new();
    let qkv = block.linear("qkv", x, 48);
    let part = |index: usize| Strided { tensor: qkv, offset: 8 * index, batch: 24, row: 48 };
    let (q, k, v) = (part(0), part(1), part(2));
    let (keys, scales) = ((SIDE * SIDE) as usize, vec![0.35; 2]);
    let attention = block.made("attention", keys, WIDTH, |out| Node::Attention {
        q,
        k,
        v,
        keys,
        heads: 2,
        head_dim: 8,
        scales,
        out,
    });
    let (snr, _) = block.converted(attention, product);
    assert!(snr >= 20.0, "{snr}");
}

#[test]
fn squeeze_and_excitation() {
    let (mut block, features) = Block::new();
    let features = block.activate("silu", features, Function::Silu);
    let squeezed = block.made("squeezed", 1, WIDTH, |out| Node::Mean { x: features, out });
    let hidden = block.linear("hidden", squeezed, 4);
    let hidden = block.activate("hidden.relu", hidden, Function::Relu);
    let gate = block.linear("gate", hidden, WIDTH);
    let gate = block.activate("gate.sigmoid", gate, Function::Sigmoid);
    let gated = block.product("gated", features, gate);
    let (snr, products) = block.converted(gated, product);
    assert!(snr >= 30.0, "{snr}");
    // Nothing else reads the features then: they are gated in place.
    assert_eq!(products, [(Spread::Channel, true)]);
}

#[test]
fn a_spatial_gate() {
    let (mut block, features) = Block::new();
    let gate = block.linear("gate", features, 1);
    let gate = block.activate("gate.sigmoid", gate, Function::HardSigmoid { alpha: 0.2, beta: 0.5 });
    let gated = block.product("gated", features, gate);
    let sum = block.node("sum", WIDTH, |out| Node::Add { x: features, y: gated, out });
    let (snr, products) = block.converted(sum, product);
    assert!(snr >= 30.0, "{snr}");
    assert_eq!(products, [(Spread::Row, false)]);
}

#[test]
fn a_gated_mlp_and_a_square() {
    let (mut block, features) = Block::new();
    let normed = block.node("normed", WIDTH, |out| Node::LayerNorm {
        x: features,
        out,
        gamma: vec![1.0; WIDTH],
        beta: vec![0.0; WIDTH],
        eps: 1e-5,
        centred: true,
    });
    let gate = block.linear("gate", normed, 2 * WIDTH);
    let gate = block.activate("gate.silu", gate, Function::Silu);
    let value = block.linear("value", normed, 2 * WIDTH);
    let hidden = block.product("hidden", gate, value);
    let branch = block.linear("branch", hidden, WIDTH);
    let stream = block.node("stream", WIDTH, |out| Node::Add { x: features, y: branch, out });
    let square = block.product("square", stream, stream);
    let (snr, products) = block.converted(square, product);
    assert!(snr >= 25.0, "{snr}");
    assert_eq!(products, [(Spread::Element, true), (Spread::Element, false)]);
}

#[test]
fn norms_without_a_mean() {
    let (mut block, features) = Block::new();
    let gamma: Vec<f32> = (0..WIDTH).map(|c| 0.5 + c as f32 / 8.0).collect();
    let normed = block.node("normed", WIDTH, |out| Node::LayerNorm {
        x: features,
        out,
        gamma,
        beta: vec![0.0; WIDTH],
        eps: 1e-6,
        centred: false,
    });
    let queries = block.linear("queries", normed, WIDTH);
    // Heads of unit length, side by side in a row.
    let unit = block.node("unit", WIDTH, |out| Node::LayerNorm {
        x: queries,
        out,
        gamma: vec![0.5; 4],
        beta: vec![0.0; 4],
        eps: 0.0,
        centred: false,
    });
    let stream = block.node("stream", WIDTH, |out| Node::Add { x: features, y: unit, out });
    let (snr, norms) = block.converted(stream, |op| match op {
        Op::RmsNorm(RmsNorm(norm)) => Some((norm.rows, norm.width)),
        _ => None,
    });
    assert!(snr >= 30.0, "{snr}");
    assert_eq!(norms, [(64, WIDTH as u32), (256, 4)]);
}

#[test]
fn queries_and_keys_with_rotary_embeddings() {
    let (heads, head_dim, tokens) = (2, WIDTH / 2, (SIDE * SIDE) as usize);
    let apart = |tensor| Strided { tensor, offset: 0, batch: head_dim, row: WIDTH };
    let attention = |block: &mut Block, [q, k, v]: [Strided; 3]| {
        let scales = vec![1.0 / (head_dim as f32).sqrt(); heads];
        block.node("attended", WIDTH, |out| Node::Attention {
            q,
            k,
            v,
            keys: tokens,
            heads,
            head_dim,
            scales,
            out,
        })
    };
    let (mut plain, features) = Block::new();
    let packed = plain.linear("packed", features, 3 * WIDTH);
    let third = |tensor, at| Strided { offset: at * WIDTH, row: 3 * WIDTH, ..apart(tensor) };
    let attended = attention(&mut plain, [0, 1, 2].map(|at| third(packed, at)));
    let (straight, _) = plain.converted(attended, product);
    for pairs in [float::Pairs::Halves, float::Pairs::Neighbours] {
        let (mut block, features) = Block::new();
        let packed = block.linear("packed", features, 3 * WIDTH);
        let angle = |at: usize| (at / head_dim) as f32 / (1 + at % (head_dim / 2)) as f32;
        let of = |at: usize| match at % head_dim < head_dim / 2 {
            true => float::math::cosf(angle(at)),
            false => float::math::sinf(angle(at)),
        };
        let angles: Vec<f32> = (0..tokens * head_dim).map(of).collect();
        let [q, k] = [("q", 0), ("k", WIDTH)].map(|(name, offset)| {
            let (x, angles) = (packed, angles.clone());
            block.node(name, WIDTH, |out| Node::Rotary { x, out, offset, head_dim, pairs, angles })
        });
        let attended = attention(&mut block, [apart(q), apart(k), third(packed, 2)]);
        let (snr, found) = block.converted(attended, |op| match op {
            Op::Rotary(op) => Some((op.stride, op.head_dim)),
            // Values lie between others: a copy has the distance of the keys.
            Op::Attention(op) => Some((op.kv_stride, op.head_dim)),
            _ => None,
        });
        // Queries and keys are rounded once more, and their channels are not equalized.
        assert!(snr >= straight - 4.0 && snr >= 22.0, "{pairs:?}: {snr} for {straight}");
        let (wide, narrow) = (3 * WIDTH as u32, WIDTH as u32);
        assert_eq!(found, [(wide, head_dim as u32), (wide, head_dim as u32), (narrow, head_dim as u32)]);
    }
}

#[test]
fn one_factor_for_all() {
    let (mut block, features) = Block::new();
    let squeezed = block.made("squeezed", 1, WIDTH, |out| Node::Mean { x: features, out });
    let gate = block.linear("gate", squeezed, 1);
    let gated = block.product("gated", features, gate);
    let (snr, products) = block.converted(gated, product);
    assert!(snr >= 30.0, "{snr}");
    assert_eq!(products, [(Spread::Row, true)]);
}
