//! Tests: attention with a mask, whose excluded scores take no part in the ranges.

use float::{Dense, Geometry, Graph, Node, Output, Strided, TensorId};
use runtime::{ChannelOrder, Image, OutputKind};

use super::testing::push;
use super::{QuantizeOptions, Quantized};
use crate::{BuildOptions, Conversion, ConvertError, convert, measure};

/// Pseudo-random numbers (SplitMix64).
struct Source(u64);

impl Source {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// −1 to 1.
    fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

/// Pixels of a side, of which each is a token.
const SIDE: usize = 8;
const TOKENS: usize = SIDE * SIDE;
const HEADS: usize = 2;
const HEAD_DIM: usize = 8;
const WIDTH: usize = HEADS * HEAD_DIM;
/// What the product with the values is called.
const ATTENDED: &str = "attended";

/// A float model under construction.
struct Block {
    graph: Graph,
    source: Source,
}

impl Block {
    fn node(
        &mut self,
        name: &str,
        rows: usize,
        width: usize,
        node: impl FnOnce(TensorId) -> Node,
    ) -> TensorId {
        push(&mut self.graph, name, rows, width, node)
    }

    fn weights(&mut self, n: usize, k: usize, reach: f32) -> Dense {
        let reach = reach / (k as f32).sqrt();
        let mut value = || reach * self.source.unit();
        Dense {
            n,
            k,
            weights: (0..n * k).map(|_| value()).collect(),
            bias: (0..n).map(|_| 0.1 * value()).collect(),
        }
    }

    fn linear(&mut self, name: &str, x: TensorId, n: usize, reach: f32) -> TensorId {
        let (rows, k) = (self.graph.tensors[x].rows, self.graph.tensors[x].width);
        let dense = self.weights(n, k, reach);
        self.node(name, rows, n, |out| Node::Linear { x, out, dense })
    }
}

/// Logits behind one attention over the pixels of an image, whose scores reach about `reach`
/// and get `mask`, a row of keys for each query, which all heads share.
fn attention(reach: f32, mask: Option<&[f32]>) -> Graph {
    let image = Image::plain([SIDE as u16, SIDE as u16], 3, ChannelOrder::Rgb);
    let mut block = Block { graph: Graph::new(image), source: Source(11) };
    let pixels = block.node("pixels", TOKENS, 3, |out| Node::Pixels {
        x: 0,
        out,
        mean: vec![0.5; 3],
        std: vec![0.3; 3],
    });
    let side = SIDE as u32;
    let geometry = Geometry {
        input: [side, side, 3],
        kernel: [3, 3],
        stride: [1, 1],
        padding: [1, 1],
        output: [side, side],
        groups: 1,
    };
    let dense = block.weights(WIDTH, 27, 2.0);
    let features =
        block.node("features", TOKENS, WIDTH, |out| Node::Conv { x: pixels, out, geometry, dense });
    let x = block.node("norm", TOKENS, WIDTH, |out| Node::LayerNorm {
        x: features,
        out,
        gamma: vec![1.0; WIDTH],
        beta: vec![0.0; WIDTH],
        eps: 1e-5,
        centred: true,
    });
    let [q, k, v] = ["q", "k", "v"].map(|name| block.linear(name, x, WIDTH, 2.0));
    let by_head = |tensor| Strided { tensor, offset: 0, batch: HEAD_DIM, row: WIDTH };
    let by_query = |tensor| Strided { tensor, offset: 0, batch: TOKENS * TOKENS, row: TOKENS };
    let all = HEADS * TOKENS;
    let mut scores = block.node("scores", all, TOKENS, |out| Node::MatMul {
        a: by_head(q),
        b: by_head(k),
        transpose_b: true,
        out: by_query(out),
        batch: HEADS,
        m: TOKENS,
        n: TOKENS,
        k: HEAD_DIM,
        scales: vec![reach / 5.0 / (HEAD_DIM as f32).sqrt(); HEADS],
    });
    if let Some(mask) = mask {
        let values = mask.repeat(HEADS);
        scores = block.node("masked", all, TOKENS, |out| Node::AddConstant { x: scores, out, values });
    }
    let weights = block.node("softmax", all, TOKENS, |out| Node::Softmax { x: scores, out, width: TOKENS });
    let attended = block.node(ATTENDED, TOKENS, WIDTH, |out| Node::MatMul {
        a: by_query(weights),
        b: by_head(v),
        transpose_b: false,
        out: by_head(out),
        batch: HEADS,
        m: TOKENS,
        n: HEAD_DIM,
        k: TOKENS,
        scales: vec![1.0; HEADS],
    });
    let mean = block.node("mean", 1, WIDTH, |out| Node::Mean { x: attended, out });
    let tensor = block.linear("logits", mean, 10, 2.0);
    let (name, kind) = ("logits".into(), OutputKind::Logits);
    block.graph.outputs.push(Output { name, tensor, kind, shape: [10, 1, 1, 1], ending: None });
    block.graph
}

/// The mask of a shifted window (Swin): pixels attend to those of their own part, and what is
/// excluded gets `value`.
fn shifted(value: f32) -> Vec<f32> {
    let part = |token: usize| (token / SIDE < 5, token % SIDE < 5);
    let of = |query| (0..TOKENS).map(move |key| if part(query) == part(key) { 0.0 } else { value });
    (0..TOKENS).flat_map(of).collect()
}

fn frames(seed: u64, count: usize) -> Vec<Vec<u8>> {
    let mut source = Source(seed);
    (0..count).map(|_| (0..TOKENS * 3).map(|_| source.bits() as u8).collect()).collect()
}

fn converted(model: Graph) -> Result<(Quantized, Vec<u8>), ConvertError> {
    let (options, build) = (QuantizeOptions::default(), BuildOptions::default());
    let Conversion { container, quantized } = convert(model, &frames(9, 16), &options, build, &())?;
    Ok((quantized, container))
}

/// Signal over noise behind the attention on other images than those of the calibration, in
/// decibels.
fn snr(model: Graph) -> f64 {
    let (quantized, container) = converted(model).unwrap();
    let facts =
        measure::fidelity(&quantized.float, &quantized.graph, &container, &frames(10, 8), &()).unwrap();
    facts.iter().find(|fact| fact.name == ATTENDED).expect("it is an instruction").snr_db
}

#[test]
fn a_mask_costs_no_precision() {
    for reach in [2.0, 15.0] {
        let plain = snr(attention(reach, None));
        for value in [-100.0, -1e4, f32::MIN, f32::NEG_INFINITY] {
            let masked = snr(attention(reach, Some(&shifted(value))));
            println!("scores to {reach}, {value}: {masked:.1} dB, without a mask {plain:.1} dB");
            assert!(masked >= 25.0 && masked >= plain - 3.0, "{value}: {masked:.1} for {plain:.1} dB");
        }
    }
}

#[test]
fn the_value_that_excludes_does_not_matter() {
    let integers = |value| converted(attention(2.0, Some(&shifted(value)))).unwrap().1;
    let least = integers(f32::NEG_INFINITY);
    assert!([-1e3, -1e4, f32::MIN].into_iter().all(|value| integers(value) == least));
}

#[test]
fn keys_that_no_query_sees_cost_no_precision() {
    let plain = snr(attention(2.0, None));
    for value in [-100.0, -1e4, f32::MIN, f32::NEG_INFINITY] {
        let row: Vec<f32> = (0..TOKENS).map(|key| if key < 40 { 0.0 } else { value }).collect();
        let masked = snr(attention(2.0, Some(&row.repeat(TOKENS))));
        println!("{value}: {masked:.1} dB, without a mask {plain:.1} dB");
        assert!(masked >= 25.0 && masked >= plain - 3.0, "{value}: {masked:.1} for {plain:.1} dB");
    }
}

#[test]
fn queries_whose_scores_lie_side_by_side_are_all_followed() {
    // Every other query has a bias that spreads its scores ten times as far.
    let bias = |query: usize, key: usize| match query % 2 {
        0 => 0.0,
        _ => -0.3 * ((7 * key + query) % TOKENS) as f32,
    };
    let bias: Vec<f32> = (0..TOKENS * TOKENS).map(|at| bias(at / TOKENS, at % TOKENS)).collect();
    let mut model = attention(2.0, Some(&bias));
    for tensor in &mut model.tensors {
        if ["scores", "masked", "softmax"].contains(&tensor.name.as_str()) {
            // Two queries to a row.
            (tensor.rows, tensor.width) = (tensor.rows / 2, tensor.width * 2);
        }
    }
    let found = snr(model);
    assert!(found >= 25.0, "{found:.1} dB");
}

#[test]
fn a_row_without_a_key_follows_the_float_model() {
    for value in [-1e4, -1e9, f32::MIN] {
        let mut mask = shifted(value);
        mask[3 * TOKENS..4 * TOKENS].fill(value);
        let found = snr(attention(2.0, Some(&mask)));
        println!("{value}: {found:.1} dB");
        assert!(found >= 25.0, "{value}: {found:.1} dB");
    }
}

#[test]
fn infinity_leaves_every_row_a_key() {
    let mut mask = shifted(f32::NEG_INFINITY);
    mask[3 * TOKENS..4 * TOKENS].fill(f32::NEG_INFINITY);
    match converted(attention(2.0, Some(&mask))) {
        Err(ConvertError::Layer { layer, reason }) => {
            assert_eq!(layer, "masked");
            assert!(reason.contains("row 3"), "{reason}");
        }
        other => panic!("another answer: {:?}", other.err()),
    }
}

#[test]
fn infinity_belongs_before_a_softmax() {
    let mut model = attention(2.0, Some(&shifted(f32::NEG_INFINITY)));
    for node in &mut model.nodes {
        if let Node::Softmax { x, out, .. } = *node {
            *node = Node::Activate { x, out, function: float::Function::Sigmoid };
        }
    }
    assert!(matches!(converted(model), Err(ConvertError::Layer { layer, .. }) if layer == "masked"));
}
