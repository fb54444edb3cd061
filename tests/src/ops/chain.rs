//! Tile groups: chains of instructions whose intermediate buffers hold one tile.

use proptest::prelude::*;
use quant::Op;
use quant::ops::{
    Act, Add, Addend, Attention, Conv2d, Destination, LayerNorm, Linear, Mul, Relu, Requantize, ShiftGelu,
    Spread, Tile,
};
use quant::pack::Pack;

use super::{Generated, size};
use crate::case::{Builder, Case, multiplier};
use crate::source::Source;

/// What makes the first rows of a group.
#[derive(Clone, Copy, Debug)]
enum Start {
    LayerNorm,
    Conv2d,
    Attention,
}

/// A chain over `rows` rows: `width` elements, then `n`, then `width` again.
#[derive(Clone, Copy, Debug)]
struct Chain {
    start: Start,
    rows: u32,
    width: u32,
    n: u32,
    seed: u64,
}

impl Generated for Tile {
    fn cases() -> BoxedStrategy<Case> {
        let start = prop::sample::select(&[Start::LayerNorm, Start::Conv2d, Start::Attention][..]);
        let make = |(start, rows, width, n, seed): (Start, u32, u32, u32, u64)| {
            let chain = Chain { start, rows, width, n, seed };
            Case::new(format!("{chain:?}"), move |tile| chain.build(tile))
        };
        (start, size(), size(), size(), any::<u64>()).prop_map(make).boxed()
    }
}

impl Chain {
    fn build(self, tile: Option<u32>) -> crate::case::Program {
        let Self { rows, width, n, .. } = self;
        let (b, s) = (&mut Builder::default(), &mut Source::new(self.seed));
        let held = tile.unwrap_or(rows);
        let narrow = b.slot::<i8>(held * width);
        let hidden = b.slot::<i8>(held * n);
        let stream = b.out::<i16>(rows * width);
        let mut ops = vec![self.start(b, s, narrow)];
        ops.push(Op::Relu(Relu { rows, width, x: Act::I8(narrow) }));
        ops.push(Op::Linear(Linear {
            rows,
            k: width,
            n,
            x: Act::I8(narrow),
            weights: b.blob(&s.weights(n * width)),
            pack: Pack::RowMajor,
            requant: b.per_channel(s, n),
            out: Destination::I8 { out: hidden, table: Some(b.blob(&s.values::<i8>(256))) },
        }));
        let exp = b.blob(&s.exponentials(2, 1));
        ops.push(Op::ShiftGelu(ShiftGelu { rows, width: n, x: hidden, exp, out: multiplier(s) }));
        let wide = b.slot::<i16>(held * width);
        ops.push(Op::Linear(Linear {
            rows,
            k: n,
            n: width,
            x: Act::I8(hidden),
            weights: b.blob(&s.weights(n * width)),
            pack: Pack::RowMajor,
            requant: b.per_channel(s, width),
            out: Destination::I16 { out: wide, residual: None },
        }));
        // Gates: of each channel, from outside of the group, and of each row, made in it.
        let gate = b.slot::<i8>(held);
        ops.push(Op::Linear(Linear {
            rows,
            k: n,
            n: 1,
            x: Act::I8(hidden),
            weights: b.blob(&s.weights(n)),
            pack: Pack::RowMajor,
            requant: b.per_channel(s, 1),
            out: Destination::I8 { out: gate, table: None },
        }));
        let channels = b.input(&s.values::<i16>(width));
        for (y, spread) in [(Act::I16(channels), Spread::Channel), (Act::I8(gate), Spread::Row)] {
            let x = Act::I16(wide);
            ops.push(Op::Mul(Mul { rows, width, x, y, spread, scale: multiplier(s), out: None }));
        }
        ops.push(Op::Requantize(Requantize {
            rows,
            width,
            x: Act::I16(wide),
            requant: b.per_channel(s, width),
            channels: width,
            out: Act::I16(stream),
        }));
        let y = Addend::Blob(b.blob(&s.values::<i16>(rows * width)));
        ops.push(Op::Add(Add { rows, width, x: stream, x_scale: multiplier(s), y, y_scale: multiplier(s) }));
        let mut builder = std::mem::take(b);
        if let Some(tile) = tile {
            builder.push(Op::Tile(Tile { count: ops.len() as u16, rows, tile }));
        }
        ops.into_iter().for_each(|op| builder.push(op));
        builder.finish()
    }

    fn start(self, b: &mut Builder, s: &mut Source, out: quant::mem::Slot<i8>) -> Op {
        let Self { rows, width, .. } = self;
        match self.start {
            Start::LayerNorm => Op::LayerNorm(LayerNorm {
                rows,
                width,
                eps: 7,
                x: b.input(&s.values::<i16>(rows * width)),
                scale: b.channels(s, width, 33),
                offset: b.blob(&s.biases(width)),
                out: Act::I8(out),
            }),
            // `rows` pixels in one row, each seeing its neighbours.
            Start::Conv2d => Op::Conv2d(Conv2d {
                in_height: 2,
                in_width: rows,
                in_channels: 2,
                out_channels: width,
                kernel_h: 2,
                kernel_w: 3,
                stride_h: 1,
                stride_w: 1,
                pad_top: 0,
                pad_left: 1,
                out_height: 1,
                out_width: rows,
                groups: 1,
                x: b.input(&s.values::<i8>(4 * rows)),
                weights: b.blob(&s.weights(12 * width)),
                pack: Pack::RowMajor,
                requant: b.per_channel(s, width),
                out: Destination::I8 { out, table: None },
            }),
            Start::Attention => Op::Attention(Attention {
                queries: rows,
                keys: 5,
                heads: width,
                head_dim: 1,
                q: b.input(&s.values::<i8>(rows * width)),
                q_stride: width,
                k: b.input(&s.values::<i8>(5 * width)),
                v: b.input(&s.values::<i8>(5 * width)),
                kv_stride: width,
                score: b.channels(s, width, 1),
                exp: b.blob(&s.exponentials(5, 16)),
                requant: b.channels(s, width, 1),
                out,
                scores: b.slot(10),
                probabilities: b.slot(10),
            }),
        }
    }
}
