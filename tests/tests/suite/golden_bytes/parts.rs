//! Parts of fixed instructions.

use quant::Op;
use quant::arith::Multiplier;
use quant::bits::BitPack;
use quant::mem::{Blob, Element, Slot};
use quant::ops::*;
use quant::pack::Pack;

pub(super) fn slot<T: Element>(offset: u32, len: u32) -> Slot<T> {
    Slot::new(offset, len)
}

pub(super) fn blob<T: Element>(offset: u32, len: u32) -> Blob<T> {
    Blob::new(offset, len)
}

pub(super) fn channels(n: u32) -> Channels {
    Channels { mantissa: blob(16, n), shift: blob(32, n) }
}

pub(super) fn per_channel(n: u32) -> PerChannel {
    PerChannel { bias: blob(0, n), scale: channels(n) }
}

pub(super) const MULTIPLIER: Multiplier = Multiplier { mantissa: -1_500_000_000, shift: 37 };

pub(super) fn linear(x: Act, out: Destination) -> Op {
    let (rows, k, n) = (50, 64, 192);
    Op::Linear(Linear {
        rows,
        k,
        n,
        x,
        weights: blob(4096, 12288),
        pack: Pack::Panel16x4,
        requant: per_channel(n),
        out,
    })
}

pub(super) fn requantize(x: Act, out: Act) -> Op {
    Op::Requantize(Requantize { rows: 2, width: 3, x, requant: per_channel(1), channels: 1, out })
}

pub(super) fn mul(y: Act, spread: Spread, out: Option<Act>) -> Op {
    let x = Act::I16(slot(0, 3200));
    Op::Mul(Mul { rows: 50, width: 64, x, y, spread, scale: MULTIPLIER, out })
}

pub(super) fn norm() -> LayerNorm {
    LayerNorm {
        rows: 50,
        width: 64,
        eps: 1 << 48,
        x: slot(0, 3200),
        scale: channels(64),
        offset: blob(48, 64),
        out: Act::I8(slot(6400, 3200)),
    }
}

pub(super) fn rotary(pairs: Pairs, x: Act, stride: u32) -> Op {
    let (angles, out) = (blob(64, 800), Act::I8(slot(9600, 3200)));
    let (rows, width, head_dim) = (50, 64, 16);
    Op::Rotary(Rotary { rows, width, head_dim, pairs, x, stride, angles, scale: MULTIPLIER, out })
}

pub(super) fn div(y: Act, spread: Spread, out: Option<Act>) -> Op {
    let x = Act::I16(slot(0, 3200));
    Op::Div(Div { rows: 50, width: 64, x, y, spread, ratio: MULTIPLIER, out })
}

pub(super) fn signs() -> BitOut {
    BitOut::Sign { out: slot(12800, 200), group: 16, high: blob(64, 64) }
}

pub(super) fn ternary() -> BitOut {
    let (sign, nonzero) = (slot(12800, 200), slot(13600, 200));
    BitOut::Ternary { sign, nonzero, group: 16, low: blob(64, 64), high: blob(320, 64) }
}

pub(super) fn binarize(x: Act, out: BitOut) -> Op {
    Op::Binarize(Binarize { rows: 50, width: 64, x, out })
}

pub(super) fn binary_linear(x: BitAct, pack: BitPack, out: BinaryOut) -> Op {
    let group = if matches!(x, BitAct::Sign(_) | BitAct::Ternary { .. }) { 16 } else { 64 };
    let weights = blob(4096, 256);
    Op::BinaryLinear(BinaryLinear { rows: 50, k: 64, n: 64, group, x, weights, pack, out })
}

pub(super) fn binary_attention(out: BinaryAttentionDestination) -> Op {
    Op::BinaryAttention(BinaryAttention {
        queries: 50,
        keys: 51,
        heads: 4,
        head_dim: 16,
        q: slot(0, 592),
        q_stride: 12,
        k: slot(16, 605),
        k_stride: 13,
        v: slot(4096, 128),
        distance: blob(64, 4),
        out,
        selected: slot(12800, 6),
    })
}
