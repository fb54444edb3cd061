//! Instructions of few rows, columns, keys and heads that the same kernel computes.
//!
//! What texts of kernels depend on stays: types, tables, the width of rows that are reduced, keys and
//! the size of a head in attention, and of everything else the remainder by 4, which is whether rows
//! begin words. Sizes are ragged: a tile and a part of another.

use quant::Op;
use quant::bits::{WORD, row_words};
use quant::mem::{Blob, DType, Element, Slot, span};
use quant::ops::{
    Act, Add, Addend, Attention, Binarize, BinaryAttention, BinaryLinear, BinaryOut, BitAct, BitOut,
    BitTranspose, Channels, Const, Conv2d, Div, Gather, GroupNorm, Interpolate, LayerNorm, Linear, Load,
    MatMul, MeanTokens, Mul, PerChannel, Permute, QuantizeImage, Relu, Requantize, ResponseNorm, RmsNorm,
    Rotary, ShiftGelu, Shiftmax, Spread, Table,
};

use crate::needed::with_rows;
use crate::ops::{is_taken_whole, place};

/// Rows and columns of a tile of a product, and words of its inner dimension that are multiplied at
/// a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sides {
    pub rows: u32,
    pub columns: u32,
    pub words: u32,
    /// Whether kernels for whole fours of columns of 16 bits are others than those for whole pairs.
    pub fours: bool,
}

impl Sides {
    /// What kernels without tiles are tested with.
    pub(super) const GENERAL: Self = Self { rows: 16, columns: 64, words: 16, fours: false };

    /// Rows of one frame where two frames are one matrix.
    const fn joined_rows(self) -> u32 {
        self.rows / 2 + 3
    }

    /// Columns of results of `dtype`: where those of `n` fill whole words, as many as do, and no more;
    /// otherwise with the remainder of `n`.
    fn columns(self, n: u32, dtype: DType) -> u32 {
        let whole = (n % 4 * dtype.size()).is_multiple_of(4);
        let rest = match dtype {
            DType::I16 if whole && !self.fours => 2,
            DType::I32 | DType::U32 => 3,
            DType::I8 | DType::U8 | DType::I16 => n % 4,
        };
        self.columns + 4 + rest
    }

    /// Elements of the inner dimension, two steps and a part of another, with the remainder of `k`: some
    /// kernels load 16 bytes at once.
    const fn inner(self, k: u32) -> u32 {
        8 * self.words + 16 + k % 16
    }
}

/// A small instruction in the place of `op`. Slots of rows and all offsets are left as they are.
pub(super) fn shrunk(op: &Op, sides: Sides) -> Op {
    match *op {
        Op::Tile(_) => *op,
        Op::Linear(op) => Op::Linear(linear(op, sides)),
        Op::Conv2d(op) => Op::Conv2d(conv2d(op, sides)),
        Op::MatMul(op) => Op::MatMul(matmul(op, sides)),
        Op::Attention(op) => Op::Attention(attention(op)),
        Op::BinaryLinear(op) => Op::BinaryLinear(binary_linear(op)),
        Op::BinaryAttention(op) => Op::BinaryAttention(binary_attention(op)),
        Op::Shiftmax(Shiftmax { width, .. })
        | Op::ShiftGelu(ShiftGelu { width, .. })
        | Op::LayerNorm(LayerNorm { width, .. })
        | Op::RmsNorm(RmsNorm(LayerNorm { width, .. }))
        | Op::Binarize(Binarize { width, .. }) => with_rows(op, few(width)).unwrap_or(*op),
        Op::Table(op) => Op::Table(Table { rows: ROWS, width: WIDTH, ..op }),
        Op::Relu(op) => Op::Relu(Relu { rows: ROWS, width: WIDTH, ..op }),
        Op::Interpolate(op) => Op::Interpolate(Interpolate { rows: ROWS, width: WIDTH, ..op }),
        Op::Requantize(op) => Op::Requantize(requantize(op)),
        Op::Mul(op) => Op::Mul(Mul { rows: ROWS, width: WIDTH, y: beside(op.y, op.spread), ..op }),
        Op::Div(op) => Op::Div(Div { rows: ROWS, width: WIDTH, y: beside(op.y, op.spread), ..op }),
        Op::Add(op) => Op::Add(add(op)),
        Op::MeanTokens(op) => Op::MeanTokens(mean_tokens(op)),
        Op::QuantizeImage(op) => {
            let channels = 3;
            let tables = blob(op.tables, channels * 256);
            Op::QuantizeImage(QuantizeImage { pixels: 107, channels, tables, ..op })
        }
        Op::Permute(op) => Op::Permute(permute(op)),
        Op::Gather(op) => {
            let (source_rows, index) = (23, blob(op.index, ROWS));
            let x = act(op.x, source_rows * WIDTH);
            Op::Gather(Gather { rows: ROWS, width: WIDTH, source_rows, x, index, ..op })
        }
        Op::Load(op) => Op::Load(load(op)),
        Op::BitTranspose(op) => Op::BitTranspose(bit_transpose(op)),
        Op::Rotary(op) => {
            let width = 2 * op.head_dim;
            let angles = blob(op.angles, ROWS * op.head_dim);
            Op::Rotary(Rotary { rows: ROWS, width, stride: width, angles, ..op })
        }
        Op::GroupNorm(op) => Op::GroupNorm(group_norm(op)),
        Op::ResponseNorm(op) => Op::ResponseNorm(response_norm(op)),
    }
}

/// Rows of elements that are computed one by one: more than a workgroup takes, and a part of a word.
const ROWS: u32 = 19;
const WIDTH: u32 = 17;

/// Rows of `width` elements that make more than one workgroup, or as many as one takes of narrow
/// rows.
fn few(width: u32) -> u32 {
    37.min((1u32 << 15).div_ceil(width)).max(300u32.div_ceil(width))
}

/// Rows and channels that are summed by column: more than one strip, more than one block.
const SUMMED_ROWS: u32 = 131;
const SUMMED_WIDTH: u32 = 36;

/// At least `len`, with the remainder of `own` by 4.
const fn like(len: u32, own: u32) -> u32 {
    len + own.wrapping_sub(len) % 4
}

fn blob<T: Element>(own: Blob<T>, len: u32) -> Blob<T> {
    Blob::new(own.offset, len)
}

fn slot<T: Element>(own: Slot<T>, len: u32) -> Slot<T> {
    Slot::new(own.offset, len)
}

fn act(own: Act, len: u32) -> Act {
    match own {
        Act::I8(own) => Act::I8(slot(own, len)),
        Act::I16(own) => Act::I16(slot(own, len)),
        Act::I32(own) => Act::I32(slot(own, len)),
    }
}

fn channels(own: Channels, count: u32) -> Channels {
    Channels { mantissa: blob(own.mantissa, count), shift: blob(own.shift, count) }
}

fn per_channel(own: PerChannel, count: u32) -> PerChannel {
    PerChannel { bias: blob(own.bias, count), scale: channels(own.scale, count) }
}

/// Elements of `rows` rows; of those chosen here, whose number fits.
fn strided(rows: u32, stride: u32, width: u32) -> u32 {
    span(rows, stride, width).unwrap_or(u32::MAX)
}

fn linear(op: Linear, sides: Sides) -> Linear {
    let (rows, k) = (sides.joined_rows(), sides.inner(op.k));
    let n = sides.columns(op.n, place(&op.out).dtype);
    Linear { rows, k, n, weights: blob(op.weights, n * k), requant: per_channel(op.requant, n), ..op }
}

fn conv2d(op: Conv2d, sides: Sides) -> Conv2d {
    // Rows of images and steps of windows that fill words or more of them, whatever their channels.
    let filled = op.groups == 1
        && !op.in_channels.is_multiple_of(16)
        && [op.in_width, op.stride_w].iter().all(|pixels| (pixels * op.in_channels).is_multiple_of(4));
    let (most_kernel_w, most_stride_w) = if filled { (u32::MAX, u32::MAX) } else { (4, 3) };
    let (kernel_h, kernel_w) = (op.kernel_h.min(4), op.kernel_w.min(most_kernel_w));
    let (stride_h, stride_w) = (op.stride_h.min(3), op.stride_w.min(most_stride_w));
    // Windows reach past the image, whether those of `op` do or not, unless they are whole rows of it.
    let pad_left = if filled { op.pad_left.min(1) } else { 1.min(kernel_w - 1) };
    let pad_top = 1.min(kernel_h - 1);
    let (groups, in_channels, out_channels) = conv2d_channels(&op, kernel_h * kernel_w, sides);
    let in_channels = if filled { op.in_channels } else { in_channels };
    let out_width = 7;
    let out_height = sides.joined_rows().div_ceil(out_width);
    let inside = |out: u32, stride: u32, kernel: u32, pad: u32| {
        ((out - 1) * stride + kernel).saturating_sub(2 * pad).max(1)
    };
    let in_height = inside(out_height, stride_h, kernel_h, pad_top);
    let own_width = inside(out_width, stride_w, kernel_w, pad_left);
    // 16 pixels are whole pieces, whatever their channels.
    let more = if filled { op.in_width.wrapping_sub(own_width) % 16 } else { 0 };
    let in_width = own_width + more;
    let k = kernel_h * kernel_w * (in_channels / groups);
    Conv2d {
        in_height,
        in_width,
        in_channels,
        out_channels,
        kernel_h,
        kernel_w,
        stride_h,
        stride_w,
        pad_top,
        pad_left,
        out_height,
        out_width,
        groups,
        x: slot(op.x, in_height * in_width * in_channels),
        weights: blob(op.weights, out_channels * k),
        requant: per_channel(op.requant, out_channels),
        ..op
    }
}

/// Groups, and channels of the image and of the result.
fn conv2d_channels(op: &Conv2d, taps: u32, sides: Sides) -> (u32, u32, u32) {
    let (depth, each) = (op.in_channels / op.groups, op.out_channels / op.groups);
    if op.groups == 1 {
        let words = sides.inner(0).div_ceil(4 * taps);
        let columns = sides.columns(op.out_channels, place(&op.out).dtype);
        let channels = if taps == 1 {
            sides.inner(op.in_channels)
        } else {
            16 * words.div_ceil(4) + op.in_channels % 16
        };
        return (1, channels, columns);
    }
    if depth == 1 && each == 1 {
        let channels = 68 + op.in_channels % 4;
        return (channels, channels, channels);
    }
    // One of four numbers in a row of groups has the right remainder.
    let depth = 20 + depth % 4;
    let groups = (2..op.groups).find(|groups| groups * depth % 4 == op.in_channels % 4).unwrap_or(op.groups);
    (groups, groups * depth, groups * each.min(5))
}

fn matmul(op: MatMul, sides: Sides) -> MatMul {
    let (batch, [m, n, k]) = if is_taken_whole(&op) {
        (8, [op.m, op.n, op.k])
    } else {
        (2, [sides.rows + 3, sides.columns(op.n, op.out.dtype()), sides.inner(op.k)])
    };
    let a_row = like(k, op.a_row);
    let a_batch = like(m * a_row, op.a_batch);
    let (b_rows, b_width) = if op.transpose_b { (n, k) } else { (k, n) };
    let b_row = like(b_width, op.b_row);
    let b_batch = like(b_rows * b_row, op.b_batch);
    let (out_batch, out_row) = if op.out_row == op.n { (m * n, n) } else { (n, batch * n) };
    MatMul {
        batch,
        m,
        n,
        k,
        a: act(op.a, strided(batch, a_batch, strided(m, a_row, k))),
        a_batch,
        a_row,
        b: slot(op.b, strided(batch, b_batch, strided(b_rows, b_row, b_width))),
        b_batch,
        b_row,
        out: act(op.out, batch * m * n),
        out_batch,
        out_row,
        requant: channels(op.requant, batch),
        ..op
    }
}

fn attention(op: Attention) -> Attention {
    // More than a block of 16, or of 32 where it has as many.
    let (queries, heads) = (if op.queries <= 16 { 13 } else { 35 }, 2);
    let width = heads * op.head_dim;
    let (q_stride, kv_stride) = (like(width, op.q_stride), like(width, op.kv_stride));
    let all = strided(op.keys, kv_stride, width);
    Attention {
        queries,
        heads,
        q_stride,
        k: slot(op.k, all),
        v: slot(op.v, all),
        kv_stride,
        score: channels(op.score, heads),
        requant: channels(op.requant, heads),
        scores: slot(op.scores, op.keys),
        probabilities: slot(op.probabilities, op.keys),
        ..op
    }
}

fn binary_linear(op: BinaryLinear) -> BinaryLinear {
    let (k, group) = match op.x {
        BitAct::Sign(_) | BitAct::Ternary { .. } => (op.k, op.group),
        // Shifted sums are bounded for the inputs that there are.
        BitAct::I8(_) | BitAct::I16(_) => {
            let k = op.k.min(160 + op.k % 32);
            (k, k)
        }
    };
    // A tile of channels and a part of another.
    let ragged = 68 + op.n % 4;
    let in_groups = |own: u32| if own == op.n { (ragged, ragged) } else { (2 * own, own) };
    let (n, out) = match op.out {
        BinaryOut::Dense { requant, out } => {
            (ragged, BinaryOut::Dense { requant: per_channel(requant, ragged), out })
        }
        BinaryOut::Shifted { up, requant, out } => {
            (ragged, BinaryOut::Shifted { up, requant: per_channel(requant, ragged), out })
        }
        BinaryOut::Bits(BitOut::Sign { out, group, high }) => {
            let (n, group) = in_groups(group);
            (n, BinaryOut::Bits(BitOut::Sign { out, group, high: blob(high, n) }))
        }
        BinaryOut::Bits(BitOut::Ternary { sign, nonzero, group, low, high }) => {
            let (n, group) = in_groups(group);
            let (low, high) = (blob(low, n), blob(high, n));
            (n, BinaryOut::Bits(BitOut::Ternary { sign, nonzero, group, low, high }))
        }
    };
    let words = row_words(k, group).unwrap_or(u32::MAX);
    let weights = blob(op.weights, n.saturating_mul(words));
    BinaryLinear { rows: if op.rows < 8 { 5 } else { 37 }, k, n, group, weights, out, ..op }
}

fn binary_attention(op: BinaryAttention) -> BinaryAttention {
    let heads = 2;
    let words = heads * op.head_dim.div_ceil(WORD);
    let row = op.keys.div_ceil(WORD);
    BinaryAttention {
        queries: 7,
        heads,
        q_stride: words,
        k: slot(op.k, op.keys * words),
        k_stride: words,
        v: slot(op.v, heads * op.head_dim * row),
        distance: blob(op.distance, heads),
        selected: slot(op.selected, row),
        ..op
    }
}

fn add(op: Add) -> Add {
    let y = match op.y {
        Addend::Blob(y) if y.len == op.width => Addend::Blob(blob(y, WIDTH)),
        Addend::Blob(y) => Addend::Blob(blob(y, ROWS * WIDTH)),
        Addend::Slot(y) => Addend::Slot(y),
    };
    Add { rows: ROWS, width: WIDTH, y, ..op }
}

fn requantize(op: Requantize) -> Requantize {
    let channels = if op.channels == 1 { 1 } else { WIDTH };
    Requantize { rows: ROWS, width: WIDTH, requant: per_channel(op.requant, channels), channels, ..op }
}

/// The second operand of a product or quotient.
fn beside(y: Act, spread: Spread) -> Act {
    match spread {
        Spread::Channel => act(y, WIDTH),
        Spread::Element | Spread::Row => y,
    }
}

fn mean_tokens(op: MeanTokens) -> MeanTokens {
    let (tokens, width) = (SUMMED_ROWS, SUMMED_WIDTH + op.width % 4);
    MeanTokens { tokens, width, x: act(op.x, tokens * width), out: act(op.out, width), ..op }
}

/// Reversed dimensions.
fn permute(op: Permute) -> Permute {
    let (shape, strides) = ([3, 5, 7, 3], [1, 3, 15, 105]);
    Permute { shape, strides, x: act(op.x, 315), ..op }
}

fn load(op: Load) -> Load {
    let value = match op.value {
        Const::I8(value) => Const::I8(blob(value, ROWS * WIDTH)),
        Const::I16(value) => Const::I16(blob(value, ROWS * WIDTH)),
        Const::I32(value) => Const::I32(blob(value, ROWS * WIDTH)),
    };
    Load { rows: ROWS, width: WIDTH, value, ..op }
}

fn bit_transpose(op: BitTranspose) -> BitTranspose {
    let (rows, width) = (37, 2 * op.group);
    let stride = 2 * op.group.div_ceil(WORD);
    let (x, out) = (slot(op.x, rows * stride), slot(op.out, width * rows.div_ceil(WORD)));
    BitTranspose { rows, width, x, stride, out, ..op }
}

fn group_norm(op: GroupNorm) -> GroupNorm {
    // 3 · (3 · width) leaves the remainder of `width` by 4.
    let (rows, groups, each) = (SUMMED_ROWS, 3, SUMMED_WIDTH / 3 + 3 * (op.width % 4));
    let width = groups * each;
    let (x, out) = (slot(op.x, rows * width), act(op.out, rows * width));
    let (scale, offset) = (channels(op.scale, width), blob(op.offset, width));
    GroupNorm { rows, width, groups, x, scale, offset, out, ..op }
}

fn response_norm(op: ResponseNorm) -> ResponseNorm {
    let (rows, width) = (SUMMED_ROWS, SUMMED_WIDTH + op.width % 4);
    let (lengths, out) = (slot(op.lengths, width), slot(op.out, width));
    ResponseNorm { rows, width, x: act(op.x, rows * width), lengths, out, ..op }
}
