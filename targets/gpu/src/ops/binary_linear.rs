//! BinaryLinear: activations of 1, 2, 8 or 16 bits by weights of one bit.

use quant::bits::{BitWeights, WORD, row_words};
use quant::ops::{BinaryLinear, BinaryOut, BitAct, BitOut, Destination, PerChannel};

use super::Reason;
use super::bits::{compare, thresholds};
use super::element::element;
use super::epilogue::{self, BY_WORD, EPILOGUE};
use super::gemm::binary_linear_of_matrices;
use crate::plan::{Dispatch, Planner};
use crate::source::Source;

/// What the activations are; the numbers are those of `shaders/binary_linear.wgsl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sign = 0,
    Ternary = 1,
    I8 = 2,
    I16 = 3,
}

impl Kind {
    const fn of(x: &BitAct) -> Self {
        match x {
            BitAct::Sign(_) => Kind::Sign,
            BitAct::Ternary { .. } => Kind::Ternary,
            BitAct::I8(_) => Kind::I8,
            BitAct::I16(_) => Kind::I16,
        }
    }
}

/// What every kernel needs: bytes of int16 values, and weights as bytes.
const PARTS: &[&str] = &[include_str!("../../shaders/gemm.wgsl"), SIGNS];

const SIGNS: &str = "
// Four weights of 1 or -1 in the bytes of a word, as its lowest bits say.
fn signs(bits: u32) -> u32 {
    return ~((((bits & 15u) * 0x00204081u) & 0x01010101u) * 0xfeu);
}
";

const PRODUCT: &str = include_str!("../../shaders/binary_linear.wgsl");
const TILE: &str = include_str!("../../shaders/binary_tile.wgsl");

pub(super) fn binary_linear(op: &BinaryLinear, planner: &mut Planner<'_>) -> Result<(), Reason> {
    if binary_linear_of_matrices(op, planner) {
        return Ok(());
    }
    let mut dispatch = match &op.out {
        BinaryOut::Dense { requant, out } => dense(op, planner, 0, requant, out),
        BinaryOut::Shifted { up, requant, out } => dense(op, planner, u32::from(*up), requant, out),
        BinaryOut::Bits(out) => bits(op, planner, out),
    };
    dispatch.params.set("n", op.n);
    set(&mut dispatch, op, planner);
    planner.push(dispatch);
    Ok(())
}

/// Rows and channels of a tile; see the shader.
const TILE_ROWS: u32 = 32;
const TILE_CHANNELS: usize = 64;

/// Whether the kernel of tiles is right: operands begin at words, and so do results of four
/// channels, or the bits of 32 of them. Few rows would leave most of a tile idle.
fn tiles_fit(op: &BinaryLinear) -> bool {
    let x = match op.x {
        BitAct::Sign(_) | BitAct::Ternary { .. } => true,
        BitAct::I8(x) => op.k.is_multiple_of(4) && x.offset.is_multiple_of(4),
        BitAct::I16(x) => op.k.is_multiple_of(4) && x.offset.is_multiple_of(4),
    };
    let out = match &op.out {
        BinaryOut::Dense { out, .. } | BinaryOut::Shifted { out, .. } => {
            op.n.is_multiple_of(4) && epilogue::place(out).offset.is_multiple_of(4)
        }
        BinaryOut::Bits(BitOut::Sign { group, .. } | BitOut::Ternary { group, .. }) => {
            group.is_multiple_of(WORD) || *group == op.n
        }
    };
    x && out && op.rows >= 8
}

/// A dispatch of tiles, of which `text` says what becomes of the sums.
fn tiles(op: &BinaryLinear, text: &[&'static str]) -> Dispatch {
    let mut dispatch = Dispatch::new("binary_linear_tiles", Source::of(&[TILE]).and(text));
    let across = op.n.div_ceil(TILE_CHANNELS as u32);
    dispatch.params.set("rows", op.rows);
    dispatch.params.set("tiles_across", across);
    dispatch.workgroups(across * op.rows.div_ceil(TILE_ROWS));
    dispatch
}

/// A dispatch of requantized sums, shifted up by `up` bits first.
fn dense(
    op: &BinaryLinear,
    planner: &Planner<'_>,
    up: u32,
    requant: &PerChannel,
    out: &Destination,
) -> Dispatch {
    let place = epilogue::place(out);
    let mut dispatch = if tiles_fit(op) {
        let mut dispatch = tiles(op, &[DENSE_TILE]);
        dispatch.source = dispatch.source.with("OUT_BYTES", place.bytes());
        dispatch.params.set("out", place.offset);
        dispatch
    } else {
        let mut dispatch = element("binary_linear", ELEMENT, place);
        dispatch.source = dispatch.source.and(&[PRODUCT]);
        dispatch
    };
    epilogue::set(&mut dispatch, planner, out);
    epilogue::channels(&mut dispatch, planner, requant, |_| 0);
    dispatch.source = dispatch.source.and(&[EPILOGUE, BY_WORD, RESULT]);
    dispatch.params.set("up", up);
    dispatch
}

const ELEMENT: &str = "
fn element(index: u32) -> i32 {
    let channel = index % P.n;
    return result(product(index / P.n, channel), channel, index);
}
";

const RESULT: &str = "
fn result(z: i32, channel: u32, index: u32) -> i32 {
    let record = P.requant + channel * 4u;
    var old = 0;
    if (RESIDUAL != 0u) {
        old = load_i16(P.out + index * 2u);
    }
    return finish((z << P.up) + constant_i32(record), constant_i32(record + 1u), constants[record + 2u], old);
}
";

const DENSE_TILE: &str = "
fn finish_tile(row: u32, channel: u32, z0: vec4<i32>, z1: vec4<i32>, z2: vec4<i32>, z3: vec4<i32>) {
    store_four(row, channel, z0);
    store_four(row + 1u, channel, z1);
    store_four(row + 2u, channel, z2);
    store_four(row + 3u, channel, z3);
}

fn store_four(row: u32, channel: u32, z: vec4<i32>) {
    if (row >= P.rows || channel >= P.n) {
        return;
    }
    let index = row * P.n + channel;
    let y = vec4<i32>(
        result(z.x, channel, index),
        result(z.y, channel + 1u, index + 1u),
        result(z.z, channel + 2u, index + 2u),
        result(z.w, channel + 3u, index + 3u),
    );
    let at = frame + (P.out + index * OUT_BYTES) / 4u;
    if (OUT_BYTES == 1u) {
        arena[at] = pack4xI8(y);
    } else if (OUT_BYTES == 2u) {
        arena[at] = bitcast<u32>((y.x & 0xffff) | (y.y << 16u));
        arena[at + 1u] = bitcast<u32>((y.z & 0xffff) | (y.w << 16u));
    } else {
        arena[at] = bitcast<u32>(y.x);
        arena[at + 1u] = bitcast<u32>(y.y);
        arena[at + 2u] = bitcast<u32>(y.z);
        arena[at + 3u] = bitcast<u32>(y.w);
    }
}
";

/// A dispatch of the bits that the thresholds of `out` make of the sums.
fn bits(op: &BinaryLinear, planner: &Planner<'_>, out: &BitOut) -> Dispatch {
    if tiles_fit(op) {
        let mut dispatch = tiles(op, &[BITS_TILE]);
        thresholds(&mut dispatch, planner, op.n, out);
        return dispatch;
    }
    let mut dispatch = compare("binary_linear", INTEGER, planner, (op.rows, op.n), out);
    dispatch.source = dispatch.source.and(&[PRODUCT]);
    dispatch
}

const INTEGER: &str = "
fn integer(row: u32, channel: u32) -> i32 {
    return product(row, channel);
}
";

const BITS_TILE: &str = "
var<workgroup> plus_bits: array<atomic<u32>, 64>;
var<workgroup> minus_bits: array<atomic<u32>, 64>;

fn finish_tile(row: u32, channel: u32, z0: vec4<i32>, z1: vec4<i32>, z2: vec4<i32>, z3: vec4<i32>) {
    if (t < 64u) {
        atomicStore(&plus_bits[t], 0u);
        atomicStore(&minus_bits[t], 0u);
    }
    workgroupBarrier();
    note_four(row, channel, z0);
    note_four(row + 1u, channel, z1);
    note_four(row + 2u, channel, z2);
    note_four(row + 3u, channel, z3);
    workgroupBarrier();
    let mine = (row & ~31u) + t / 2u;
    let word = (channel & ~63u) / 32u + t % 2u;
    if (t < 64u && mine < P.rows && word < P.row_words) {
        let at = frame + mine * P.row_words + word;
        let plus = atomicLoad(&plus_bits[t]);
        arena[P.sign + at] = plus;
        if (TERNARY == 1u) {
            arena[P.nonzero + at] = plus | atomicLoad(&minus_bits[t]);
        }
    }
}

fn note_four(row: u32, channel: u32, z: vec4<i32>) {
    var plus = 0u;
    var minus = 0u;
    for (var i = 0u; i < 4u; i++) {
        if (channel + i < P.n) {
            plus |= select(0u, 1u, z[i] >= constant_i32(P.high + channel + i)) << i;
            if (TERNARY == 1u) {
                minus |= select(0u, 1u, z[i] <= constant_i32(P.low + channel + i)) << i;
            }
        }
    }
    let word = row % 32u * 2u + channel % 64u / 32u;
    atomicOr(&plus_bits[word], plus << (channel % 32u));
    atomicOr(&minus_bits[word], minus << (channel % 32u));
}
";

/// Sets what the product asks for.
fn set(dispatch: &mut Dispatch, op: &BinaryLinear, planner: &Planner<'_>) {
    let words = row_words(op.k, op.group).expect("groups of a checked record");
    let kind = Kind::of(&op.x);
    let (x, nonzero) = match op.x {
        BitAct::Sign(x) => (x.offset, 0),
        BitAct::Ternary { sign, nonzero } => (sign.offset, nonzero.offset),
        BitAct::I8(x) => (x.offset, 0),
        BitAct::I16(x) => (x.offset, 0),
    };
    let weights =
        BitWeights { data: planner.blob(op.weights), pack: op.pack, n: op.n as usize, words: words as usize };
    let panel = Panel::of(&weights);
    let source = std::mem::take(&mut dispatch.source);
    dispatch.source = source.and(PARTS).with("KIND", kind as u32);
    for (name, value) in [
        // Its first byte; of bits, words.
        ("x", x),
        ("nonzero_x", nonzero),
        ("k", op.k),
        ("x_words", words),
        ("columns", panel.columns),
    ] {
        dispatch.params.set(name, value);
    }
    let sums = match kind {
        Kind::Sign | Kind::Ternary | Kind::I8 => Vec::new(),
        Kind::I16 => (0..panel.columns as usize).map(|channel| low_byte_sum(&weights, channel)).collect(),
    };
    dispatch.constants("weights", panel.words);
    dispatch.constants("sums", super::pack::words(&sums));
}

/// Weights in the order in which kernels load them: pieces of 4 words of a channel, of all channels
/// one after another, before the next piece of all.
struct Panel {
    words: Vec<u32>,
    /// Channels, the last ones of zeros.
    columns: u32,
}

impl Panel {
    fn of(weights: &BitWeights<'_>) -> Self {
        let columns = weights.n.next_multiple_of(TILE_CHANNELS);
        let mut words = vec![0; weights.words.next_multiple_of(4) * columns];
        for channel in 0..weights.n {
            for word in 0..weights.words {
                words[(word / 4 * columns + slot(channel)) * 4 + word % 4] = weights.get(channel, word);
            }
        }
        Self { words, columns: columns as u32 }
    }
}

/// Where a channel lies among those of its tile: channels 4 apart are neighbours, because an
/// invocation takes 4 in a row and its neighbour the next 4.
fn slot(channel: usize) -> usize {
    let inside = channel % TILE_CHANNELS;
    channel - inside + inside % 4 * (TILE_CHANNELS / 4) + inside / 4
}

/// 128 times the sum of a channel's weights, padding of its words included: what the low bytes of
/// int16 inputs lack.
fn low_byte_sum(weights: &BitWeights<'_>, channel: usize) -> i32 {
    let ones: u32 = (0..weights.words).map(|word| weights.get(channel, word).count_ones()).sum();
    // At most 2¹⁵ weights.
    128 * (2 * ones as i32 - WORD as i32 * weights.words as i32)
}
