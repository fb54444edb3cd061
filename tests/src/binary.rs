//! A block of a binarized transformer with random weights: every binary op, in the order
//! in which a converted model has them.

use quant::Op;
use quant::arith::Multiplier;
use quant::bits::{BitPack, WORD, row_words};
use quant::mem::{Slot, span};
use quant::ops::{
    Act, Binarize, BinaryAttention, BinaryAttentionDestination, BinaryLinear, BinaryOut, BitAct, BitOut,
    BitTranspose, Destination, Linear, PerChannel, Residual, Tile,
};
use quant::pack::Pack;

use crate::case::{Builder, Program};
use crate::source::Source;

/// Tokens: more than a word of them.
pub const TOKENS: u32 = 37;
const HEADS: u32 = 3;
/// Less than a word, so that heads have padding.
const HEAD_DIM: u32 = 20;
const WIDTH: u32 = HEADS * HEAD_DIM;
const HIDDEN: u32 = 2 * WIDTH + 5;
const CLASSES: u32 = 10;

/// The program, its layers in tiles of `tile` tokens if given.
pub fn program(tile: Option<u32>) -> Program {
    let mut block = Block { b: Builder::default(), s: Source::new(29), tile };
    let values: Vec<i16> = (0..TOKENS * WIDTH).map(|_| block.s.below(6001) as i16 - 3000).collect();
    let stream = block.b.updated(&values);
    let attended = block.attention(stream);
    block.push_layer(attended, WIDTH, HEAD_DIM, WIDTH, Block::residual(stream));
    block.mlp(stream);
    block.head(stream);
    block.b.finish()
}

struct Block {
    b: Builder,
    s: Source,
    tile: Option<u32>,
}

impl Block {
    fn push(&mut self, op: Op) {
        if let Some(tile) = self.tile
            && op.rows() == TOKENS
        {
            self.b.push(Op::Tile(Tile { count: 1, rows: TOKENS, tile }));
        }
        self.b.push(op);
    }

    /// Thresholds around 0.
    fn thresholds(&mut self, n: u32, spread: u32) -> Vec<i32> {
        (0..n).map(|_| self.s.below(2 * spread + 1) as i32 - spread as i32).collect()
    }

    fn signs(&mut self, width: u32, group: u32, spread: u32) -> (BitOut, Slot<u32>) {
        let high = self.thresholds(width, spread);
        let out = self.b.slot(TOKENS * row_words(width, group).expect("whole groups"));
        (BitOut::Sign { out, group, high: self.b.blob(&high) }, out)
    }

    /// Queries, keys and values of the signs of `stream`, in one layer; their attention.
    fn attention(&mut self, stream: Slot<i16>) -> BitAct {
        let (out, x) = self.signs(WIDTH, WIDTH, 2000);
        self.push(Op::Binarize(Binarize { rows: TOKENS, width: WIDTH, x: Act::I16(stream), out }));
        let (out, qkv) = self.signs(3 * WIDTH, HEAD_DIM, 3);
        self.push_layer(BitAct::Sign(x), WIDTH, WIDTH, 3 * WIDTH, |_| BinaryOut::Bits(out));
        let words = HEADS * HEAD_DIM.div_ceil(WORD);
        let stride = 3 * words;
        let part = |which: u32| {
            Slot::<u32>::new(qkv.offset + 4 * which * words, span(TOKENS, stride, words).expect("small"))
        };
        let (q, k, rows) = (part(0), part(1), part(2));
        let v = self.b.slot(WIDTH * TOKENS.div_ceil(WORD));
        self.push(Op::BitTranspose(BitTranspose {
            rows: TOKENS,
            width: WIDTH,
            group: HEAD_DIM,
            x: rows,
            stride,
            out: v,
        }));
        let [sign, nonzero] = [(); 2].map(|()| self.b.slot(TOKENS * words));
        let op = BinaryAttention {
            queries: TOKENS,
            keys: TOKENS,
            heads: HEADS,
            head_dim: HEAD_DIM,
            q,
            q_stride: stride,
            k,
            k_stride: stride,
            v,
            distance: self.b.blob(&[4u32, 9, 12]),
            out: BinaryAttentionDestination::Ternary { sign, nonzero },
            selected: self.b.slot(TOKENS.div_ceil(WORD)),
        };
        self.push(Op::BinaryAttention(op));
        let sums = self.b.out(TOKENS * WIDTH);
        let selected = self.b.slot(TOKENS.div_ceil(WORD));
        let out = BinaryAttentionDestination::I16(sums);
        self.push(Op::BinaryAttention(BinaryAttention { out, selected, ..op }));
        BitAct::Ternary { sign, nonzero }
    }

    /// A layer of `n` channels over `k` inputs grouped by `group`.
    fn push_layer(
        &mut self,
        x: BitAct,
        k: u32,
        group: u32,
        n: u32,
        out: impl FnOnce(&mut Self) -> BinaryOut,
    ) {
        let words = row_words(k, group).expect("whole groups");
        let weights: Vec<u32> =
            (0..n * words).map(|at| self.s.bits() as u32 & quant::bits::used(at % words, group)).collect();
        let weights = self.b.blob(&weights);
        let out = out(self);
        let pack = BitPack::Rows;
        self.push(Op::BinaryLinear(BinaryLinear { rows: TOKENS, k, n, group, x, weights, pack, out }));
    }

    /// Biases and multipliers that keep sums of a few hundred.
    fn requant(&mut self, n: u32, shift: u8) -> PerChannel {
        let bias = self.thresholds(n, 20);
        let mantissa: Vec<i32> = (0..n).map(|_| (1 << 30 | self.s.below(1 << 30)) as i32).collect();
        let shift = vec![shift; n as usize];
        let scale = quant::ops::Channels { mantissa: self.b.blob(&mantissa), shift: self.b.blob(&shift) };
        PerChannel { bias: self.b.blob(&bias), scale }
    }

    fn residual(stream: Slot<i16>) -> impl FnOnce(&mut Self) -> BinaryOut {
        move |block| {
            let requant = block.requant(WIDTH, 28);
            let residual = Some(Residual {
                branch: Multiplier { mantissa: 1 << 30, shift: 31 },
                stream: Multiplier::IDENTITY,
            });
            BinaryOut::Dense { requant, out: Destination::I16 { out: stream, residual } }
        }
    }

    /// Binary weights behind int16, then behind int8.
    fn mlp(&mut self, stream: Slot<i16>) {
        let hidden = self.b.slot(TOKENS * HIDDEN);
        self.push_layer(BitAct::I16(stream), WIDTH, WIDTH, HIDDEN, |block| {
            let table: Vec<i8> = (0..256).map(|_| block.s.bits() as i8).collect();
            let table = Some(block.b.blob(&table));
            let requant = block.requant(HIDDEN, 39);
            BinaryOut::Dense { requant, out: Destination::I8 { out: hidden, table } }
        });
        self.push_layer(BitAct::I8(hidden), HIDDEN, HIDDEN, WIDTH, Self::residual(stream));
        let (low, high) = (vec![-300; WIDTH as usize], vec![300; WIDTH as usize]);
        let out = BitOut::Ternary {
            sign: self.b.slot(TOKENS * WIDTH.div_ceil(WORD)),
            nonzero: self.b.slot(TOKENS * WIDTH.div_ceil(WORD)),
            group: WIDTH,
            low: self.b.blob(&low),
            high: self.b.blob(&high),
        };
        self.push_layer(BitAct::I8(hidden), HIDDEN, HIDDEN, WIDTH, |_| BinaryOut::Bits(out));
    }

    /// Logits of every token, with int8 weights.
    fn head(&mut self, stream: Slot<i16>) {
        let weights = self.b.blob(&self.s.weights(CLASSES * WIDTH));
        let requant = self.requant(CLASSES, 31);
        let out = Destination::I32 { out: self.b.out(TOKENS * CLASSES) };
        let (rows, k, n, pack) = (TOKENS, WIDTH, CLASSES, Pack::RowMajor);
        self.push(Op::Linear(Linear { rows, k, n, x: Act::I16(stream), weights, pack, requant, out }));
    }
}
