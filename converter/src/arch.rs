//! Architectures with seeded random weights: the right shapes and plausible ranges, for
//! benchmarks and tests where no trained model is needed.

use runtime::image::Fit;
use runtime::{ChannelOrder, FloatBits, Image};

use crate::graph::{ExpBits, Geometry, Graph, Node, Part, Strided, TensorId, Weights, Width};

/// Dimensions of a vision transformer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arch {
    /// Its name on the command line.
    pub name: &'static str,
    /// Height and width of the image.
    pub image: u16,
    /// Channels of the image.
    pub channels: u8,
    /// Height and width of a patch.
    pub patch: u32,
    /// Width of the residual stream.
    pub width: u32,
    /// Blocks.
    pub depth: u32,
    /// Attention heads.
    pub heads: u32,
    /// Hidden width of the MLP.
    pub hidden: u32,
    /// Classes.
    pub classes: u32,
}

/// The architectures known by name: DeiT at 224 pixels, and a tiny one for tests.
pub const ARCHS: [Arch; 4] = [
    deit("deit-tiny", 192, 3),
    deit("deit-small", 384, 6),
    deit("deit-base", 768, 12),
    Arch {
        name: "micro",
        image: 8,
        channels: 1,
        patch: 4,
        width: 8,
        depth: 1,
        heads: 2,
        hidden: 12,
        classes: 3,
    },
];

const fn deit(name: &'static str, width: u32, heads: u32) -> Arch {
    let hidden = 4 * width;
    Arch { name, image: 224, channels: 3, patch: 16, width, depth: 12, heads, hidden, classes: 1000 }
}

/// Real size of one step of the residual stream, of scores, and of other activations.
const STREAM: f64 = 1.0 / 4096.0;
const SCORE: f64 = 1.0 / 12.0;
const ACT: f64 = 1.0 / 32.0;

impl Arch {
    /// The architecture called `name`.
    pub fn by_name(name: &str) -> Option<Arch> {
        ARCHS.into_iter().find(|a| a.name == name)
    }

    /// A graph with weights drawn from `seed`: activations neither vanish nor saturate.
    pub fn random(&self, seed: u64) -> Graph {
        let image = Image {
            height: self.image,
            width: self.image,
            channels: self.channels,
            order: if self.channels == 3 { ChannelOrder::Rgb } else { ChannelOrder::Gray },
            fit: Fit::Stretch,
            mean: [FloatBits(0.5f32.to_bits()); 4],
            std: [FloatBits(0.25f32.to_bits()); 4],
        };
        let mut random = Random { arch: *self, graph: Graph::new(image), state: seed };
        let mut stream = random.embedding();
        for block in 0..self.depth {
            stream = random.block(&format!("blocks.{block}"), stream);
        }
        random.head(stream);
        random.graph
    }
}

struct Random {
    arch: Arch,
    graph: Graph,
    state: u64,
}

impl Random {
    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Roughly normal with standard deviation `spread`: a sum of four uniform values.
    fn normal(&mut self, spread: f64) -> f64 {
        let bits = self.next();
        let sum: f64 = (0..4).map(|i| f64::from((bits >> (16 * i)) as u16) / 65536.0 - 0.5).sum();
        sum * spread * 3f64.sqrt()
    }

    fn tokens(&self) -> u32 {
        let grid = u32::from(self.arch.image) / self.arch.patch;
        grid * grid + 1
    }

    /// Weights that keep unit variance from inputs of scale `x`.
    fn weights(&mut self, n: u32, k: u32, x: f64) -> Weights {
        let unit = 4.0 / f64::from(k).sqrt() / 127.0;
        Weights {
            values: (0..n * k).map(|_| self.normal(32.0).clamp(-127.0, 127.0) as i8).collect(),
            n,
            k,
            bias: (0..n).map(|_| (self.normal(0.1) / (unit * x)) as i32).collect(),
            accumulator_scales: (0..n).map(|_| unit * x * (1.0 + self.normal(0.05))).collect(),
        }
    }

    fn linear(&mut self, name: String, x: TensorId, n: u32, bits: Width) -> TensorId {
        let (rows, k, scale) =
            (self.graph.tensors[x].rows, self.graph.tensors[x].width, self.graph.tensors[x].scale);
        let unit = if bits == Width::I16 { STREAM } else { ACT };
        let out = self.graph.tensor(name, rows, n, bits, unit);
        let weights = self.weights(n, k, scale);
        self.graph.nodes.push(Node::Linear { x, out, weights });
        out
    }

    fn norm(&mut self, name: String, x: TensorId) -> TensorId {
        let (rows, width) = (self.graph.tensors[x].rows, self.graph.tensors[x].width);
        let out = self.graph.tensor(name, rows, width, Width::I8, ACT);
        let gamma = (0..width).map(|_| 1.0 + self.normal(0.2)).collect();
        let beta = (0..width).map(|_| self.normal(0.2)).collect();
        self.graph.nodes.push(Node::LayerNorm { x, out, gamma, beta, eps: 1e-6, centred: true });
        out
    }

    fn embedding(&mut self) -> TensorId {
        let Arch { image, channels, patch, width, .. } = self.arch;
        let (side, channels) = (u32::from(image), u32::from(channels));
        let grid = side / patch;
        let pixels = self.graph.tensor("pixels", side * side, channels, Width::I8, 1.0 / 64.0);
        let table = (0..=255u8).map(|p| p.wrapping_sub(128) as i8);
        let tables = (0..channels).flat_map(|_| table.clone()).collect();
        self.graph.nodes.push(Node::QuantizeImage { x: 0, out: pixels, tables });
        let patches = self.graph.tensor("patch_embed", grid * grid, width, Width::I16, STREAM);
        let weights = self.weights(width, patch * patch * channels, 1.0 / 64.0);
        let geometry = Geometry::patches(side, patch, channels);
        self.graph.nodes.push(Node::Conv { x: pixels, out: patches, geometry, weights });
        let tokens = self.tokens();
        let joined = self.graph.tensor("cls_token", tokens, width, Width::I16, STREAM);
        let token = (0..width).map(|_| i32::from(self.normal(4096.0) as i16)).collect();
        self.graph
            .nodes
            .push(Node::Concat { parts: vec![Part::Constant(token), Part::Tensor(patches)], out: joined });
        let out = self.graph.tensor("pos_embed", tokens, width, Width::I16, STREAM);
        let values = (0..tokens * width).map(|_| self.normal(2048.0) as i16).collect();
        self.graph.nodes.push(Node::AddConstant { x: joined, out, values, scale: STREAM });
        out
    }

    fn block(&mut self, name: &str, stream: TensorId) -> TensorId {
        let Arch { width, heads, hidden, .. } = self.arch;
        let tokens = self.tokens();
        let normed = self.norm(format!("{name}.norm1"), stream);
        let qkv = self.linear(format!("{name}.attn.qkv"), normed, 3 * width, Width::I8);
        let mixed = self.graph.tensor(format!("{name}.attn.mix"), tokens, width, Width::I8, ACT);
        let head_dim = width / heads;
        let part = |index| Strided::packed(qkv, index, width as usize, head_dim as usize);
        let attention = Node::Attention {
            q: part(0),
            k: part(1),
            v: part(2),
            keys: tokens,
            out: mixed,
            heads,
            head_dim,
            product_scales: vec![ACT * ACT / f64::from(head_dim).sqrt(); heads as usize],
            score_scale: SCORE,
            exponential: ExpBits { bits: 15, limit: 1 << 23, exact: false },
        };
        self.graph.nodes.push(attention);
        let branch = self.linear(format!("{name}.attn.proj"), mixed, width, Width::I16);
        let attended = self.sum(format!("{name}.add1"), stream, branch);
        let normed = self.norm(format!("{name}.norm2"), attended);
        let wide = self.linear(format!("{name}.mlp.fc1"), normed, hidden, Width::I8);
        let active = self.graph.tensor(format!("{name}.mlp.act"), tokens, hidden, Width::I8, ACT);
        self.graph.nodes.push(Node::ShiftGelu { x: wide, out: active, bits: 14 });
        let branch = self.linear(format!("{name}.mlp.fc2"), active, width, Width::I16);
        self.sum(format!("{name}.add2"), attended, branch)
    }

    fn sum(&mut self, name: String, x: TensorId, y: TensorId) -> TensorId {
        let out = self.graph.tensor(name, self.tokens(), self.arch.width, Width::I16, STREAM);
        self.graph.nodes.push(Node::Add { x, y, out });
        out
    }

    fn head(&mut self, stream: TensorId) {
        let Arch { width, classes, .. } = self.arch;
        let normed = self.norm("norm".into(), stream);
        let token = self.graph.tensor("norm.cls", 1, width, Width::I8, ACT);
        self.graph.nodes.push(Node::Rows { x: normed, out: token, start: 0 });
        let weights = self.weights(classes, width, ACT);
        let logits = self.graph.tensor("logits", 1, classes, Width::I32, weights.logit_scale(Width::I8));
        self.graph.nodes.push(Node::Linear { x: token, out: logits, weights });
        self.graph.set_logits(logits);
    }
}
