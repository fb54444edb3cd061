//! Every rule of the ops on bits, and of Interpolate, refuses something: instructions that are
//! sound but for one thing.

use program::{Container, InputSpec, Named, NoteStore, OutputSpec, ProgramError, write};
use quant::bits::BitPack;
use quant::mem::{Blob, DType, Slot};
use quant::ops::{
    Act, Binarize, BinaryAttention, BinaryAttentionDestination, BinaryLinear, BinaryOut, BitAct, BitOut,
    BitTranspose, Channels, Const, Consts, Destination, Interpolate, Load, MAX_BINARY_K_I16, MAX_BINARY_KEYS,
    MAX_K, PerChannel,
};
use quant::{Op, Reject};
use runtime::{FloatBits, InputKind, LoadError, OutputKind, SlotError, SlotHandle};
use shiftformer_tests::memory::Aligned;

/// Offsets of constants by what all their bytes are.
const ZEROS: u32 = 0;
const ONES: u32 = 2048;
const MINUS: u32 = 2048 + 256;
const LARGE: u32 = 2048 + 512;

/// Offsets of what the program holds before the instruction in question: 16 int8, 16 words of
/// signs, 16 int16.
const BYTES: u32 = 0;
const SIGNS: u32 = 64;
const SHORTS: u32 = 128;
/// Where that may write.
const FREE: u32 = 192;

/// Instructions before the one in question.
const BEFORE: u32 = 2;

fn blobs() -> Vec<u8> {
    [&[0; 2048][..], &[1; 256], &[0xff; 256], &[0x7f; 256]].concat()
}

fn load(op: Op) -> Result<(), LoadError> {
    let one = FloatBits(0x3f80_0000);
    let signs = BitOut::Sign { out: Slot::new(SIGNS, 16), group: 1, high: Blob::new(ZEROS, 1) };
    let ops = [
        Op::Binarize(Binarize { rows: 16, width: 1, x: Act::I8(Slot::new(BYTES, 16)), out: signs }),
        Op::Load(Load {
            rows: 4,
            width: 4,
            value: Const::I16(Blob::new(ZEROS, 16)),
            out: Act::I16(Slot::new(SHORTS, 16)),
        }),
        op,
    ];
    let bytes = SlotHandle { dtype: DType::I8, offset: BYTES, len: 16 };
    let shape = [16, 1, 1, 1];
    let kind = InputKind::Tensor { shape, scale: one };
    let container = Container {
        arena_len: 512,
        instructions: ops.into_iter().map(|op| Named { name: "op".into(), op }).collect(),
        blobs: blobs().into(),
        inputs: vec![InputSpec { name: "x".into(), slot: bytes, kind }],
        outputs: vec![OutputSpec {
            name: "y".into(),
            slot: bytes,
            kind: OutputKind::Embedding,
            shape,
            scale: one,
        }],
        notes: NoteStore::default(),
    };
    match write(&container) {
        Ok(_) => Ok(()),
        Err(ProgramError::Check { error, .. }) => Err(error),
        Err(other) => panic!("refused before the checker: {other}"),
    }
}

/// The op refuses it for `reason`, and so does the checker, if not for its slots before.
fn assert_op(op: Op, reason: Reject) {
    let blobs = Aligned::copy(&blobs());
    assert_eq!(op.check(&Consts::new(&blobs)), Err(reason), "{op:?}");
    match load(op) {
        Err(LoadError::Op { index: BEFORE, reason: found }) => assert_eq!(found, reason, "{op:?}"),
        Err(LoadError::Slot { index: BEFORE, .. }) => {}
        other => panic!("another answer: {other:?} to {op:?}"),
    }
}

fn assert_slot(op: Op, expected: SlotError) {
    match load(op) {
        Err(LoadError::Slot { index: BEFORE, reason, .. }) => assert_eq!(reason, expected, "{op:?}"),
        other => panic!("another answer: {other:?} to {op:?}"),
    }
}

fn sign(at: u32, group: u32) -> BitOut {
    BitOut::Sign { out: Slot::new(at, 4), group, high: Blob::new(ZEROS, 4) }
}

fn ternary(low: Blob<i32>, high: Blob<i32>) -> BitOut {
    let [sign, nonzero] = [FREE, FREE + 16].map(|at| Slot::new(at, 4));
    BitOut::Ternary { sign, nonzero, group: 4, low, high }
}

fn signs(at: u32, words: u32) -> BitAct {
    BitAct::Sign(Slot::new(at, words))
}

#[test]
fn binarize() {
    let sound = Binarize { rows: 4, width: 4, x: Act::I8(Slot::new(BYTES, 16)), out: sign(FREE, 4) };
    let op = |change: fn(&mut Binarize)| {
        let mut op = sound;
        change(&mut op);
        Op::Binarize(op)
    };
    load(op(|_| ())).unwrap();
    load(op(|op| op.x = Act::I16(Slot::new(SHORTS, 16)))).unwrap();
    load(op(|op| op.out = ternary(Blob::new(MINUS, 4), Blob::new(ZEROS, 4)))).unwrap();
    assert_op(op(|op| op.rows = 0), Reject::Dimension);
    assert_op(op(|op| op.width = 0), Reject::Dimension);
    assert_op(op(|op| op.x = Act::I32(Slot::new(SIGNS, 16))), Reject::Type);
    // A group that does not divide the width, and none at all.
    assert_op(op(|op| op.out = sign(FREE, 3)), Reject::Dimension);
    assert_op(op(|op| op.out = sign(FREE, 0)), Reject::Dimension);
    let short = |high| BitOut::Sign { out: Slot::new(FREE, 4), group: 4, high };
    assert_op(Op::Binarize(Binarize { out: short(Blob::new(ZEROS, 3)), ..sound }), Reject::BlobLength);
    // Thresholds that leave nothing between −1 and +1, or cross.
    assert_op(op(|op| op.out = ternary(Blob::new(ZEROS, 4), Blob::new(ZEROS, 4))), Reject::Threshold);
    assert_op(op(|op| op.out = ternary(Blob::new(ONES, 4), Blob::new(ZEROS, 4))), Reject::Threshold);
    assert_op(op(|op| op.out = ternary(Blob::new(MINUS, 3), Blob::new(ZEROS, 4))), Reject::BlobLength);
    assert_op(op(|op| op.out = ternary(Blob::new(MINUS, 4), Blob::new(ZEROS, 3))), Reject::BlobLength);
    // A word for each element needs four times the words.
    assert_slot(op(|op| op.out = sign(FREE, 1)), SlotError::Length);
    assert_slot(op(|op| op.out = sign(BYTES + 8, 4)), SlotError::Overlap);
    assert_slot(op(|op| op.out = sign(FREE + 2, 4)), SlotError::Misaligned);
    assert_slot(op(|op| op.x = Act::I16(Slot::new(BYTES, 16))), SlotError::Undefined);
    let both = |at| BitOut::Ternary {
        sign: Slot::new(FREE, 4),
        nonzero: Slot::new(at, 4),
        group: 4,
        low: Blob::new(MINUS, 4),
        high: Blob::new(ZEROS, 4),
    };
    assert_slot(Op::Binarize(Binarize { out: both(FREE + 8), ..sound }), SlotError::Overlap);
}

#[test]
fn bit_transpose() {
    let (x, out) = (Slot::new(SIGNS, 4), Slot::new(FREE, 4));
    let sound = BitTranspose { rows: 4, width: 4, group: 4, x, stride: 1, out };
    let op = |change: fn(&mut BitTranspose)| {
        let mut op = sound;
        change(&mut op);
        Op::BitTranspose(op)
    };
    load(op(|_| ())).unwrap();
    assert_op(op(|op| op.rows = 0), Reject::Dimension);
    assert_op(op(|op| op.width = 0), Reject::Dimension);
    assert_op(op(|op| op.group = 0), Reject::Dimension);
    assert_op(op(|op| op.group = 3), Reject::Dimension);
    // Rows that overlap: two words in steps of one.
    assert_op(op(|op| op.group = 2), Reject::Dimension);
    assert_op(op(|op| op.stride = 0), Reject::Dimension);
    assert_op(op(|op| (op.rows, op.stride) = (u32::MAX, u32::MAX)), Reject::Dimension);
    assert_op(op(|op| (op.rows, op.width, op.group) = (64, u32::MAX, u32::MAX)), Reject::Dimension);
    assert_op(op(|op| op.x.len = 5), Reject::SlotLength);
    assert_op(op(|op| op.stride = 2), Reject::SlotLength);
    assert_op(op(|op| op.out.len = 3), Reject::SlotLength);
    assert_slot(op(|op| op.out.offset = SIGNS + 12), SlotError::Overlap);
    assert_slot(op(|op| op.x.offset = FREE + 64), SlotError::Undefined);
    assert_slot(op(|op| op.out.offset = 500), SlotError::Bounds);
}

#[test]
fn binary_linear_operands() {
    let sound = BinaryLinear {
        rows: 4,
        k: 4,
        n: 4,
        group: 4,
        x: signs(SIGNS, 4),
        weights: Blob::new(ZEROS, 4),
        pack: BitPack::Rows,
        out: BinaryOut::Bits(sign(FREE, 4)),
    };
    let op = |change: fn(&mut BinaryLinear)| {
        let mut op = sound;
        change(&mut op);
        Op::BinaryLinear(op)
    };
    let planes = |at| BitAct::Ternary { sign: Slot::new(SIGNS, 4), nonzero: Slot::new(at, 4) };
    load(op(|_| ())).unwrap();
    load(Op::BinaryLinear(BinaryLinear { x: planes(SIGNS + 16), ..sound })).unwrap();
    load(op(|op| op.x = BitAct::I8(Slot::new(BYTES, 16)))).unwrap();
    load(op(|op| op.x = BitAct::I16(Slot::new(SHORTS, 16)))).unwrap();
    load(op(|op| (op.pack, op.weights) = (BitPack::Panel16, Blob::new(ZEROS, 16)))).unwrap();
    assert_op(op(|op| op.rows = 0), Reject::Dimension);
    assert_op(op(|op| op.k = 0), Reject::Dimension);
    assert_op(op(|op| op.n = 0), Reject::Dimension);
    // Sums past the accumulator's bound.
    assert_op(op(|op| (op.k, op.group) = (MAX_K + 1, MAX_K + 1)), Reject::Dimension);
    assert_op(
        op(|op| {
            (op.k, op.group) = (MAX_BINARY_K_I16 + 1, MAX_BINARY_K_I16 + 1);
            op.x = BitAct::I16(Slot::new(SHORTS, 16));
        }),
        Reject::Dimension,
    );
    assert_op(op(|op| op.group = 3), Reject::Dimension);
    assert_op(op(|op| op.group = 0), Reject::Dimension);
    // Integers have no groups.
    assert_op(op(|op| (op.group, op.x) = (2, BitAct::I8(Slot::new(BYTES, 16)))), Reject::Dimension);
    assert_op(op(|op| (op.group, op.x) = (2, BitAct::I16(Slot::new(SHORTS, 16)))), Reject::Dimension);
    // Four inputs leave 28 bits of a word unused, in every layout; so does a panel 12 channels.
    assert_op(op(|op| op.weights = Blob::new(MINUS, 4)), Reject::Padding);
    assert_op(op(|op| op.weights = Blob::new(ONES, 4)), Reject::Padding);
    assert_op(op(|op| (op.pack, op.weights) = (BitPack::Panel16, Blob::new(MINUS, 16))), Reject::Padding);
    // The last word of a panel for four channels is padding whatever its bits.
    assert_op(
        op(|op| {
            (op.k, op.group, op.x) = (32, 32, signs(SIGNS, 4));
            (op.pack, op.weights) = (BitPack::Panel16, Blob::new(MINUS, 16));
        }),
        Reject::Padding,
    );
    assert_op(op(|op| op.weights = Blob::new(ZEROS, 3)), Reject::BlobLength);
    assert_op(op(|op| op.pack = BitPack::Panel16), Reject::BlobLength);
    assert_op(op(|op| (op.group, op.x) = (2, signs(SIGNS, 8))), Reject::BlobLength);
    assert_slot(op(|op| op.x = signs(SIGNS, 5)), SlotError::Length);
    assert_slot(op(|op| op.x = signs(FREE + 64, 4)), SlotError::Undefined);
    assert_slot(op(|op| op.x = BitAct::I8(Slot::new(SHORTS, 16))), SlotError::Undefined);
    assert_slot(Op::BinaryLinear(BinaryLinear { x: planes(FREE + 64), ..sound }), SlotError::Undefined);
    assert_slot(op(|op| op.out = BinaryOut::Bits(sign(SIGNS + 8, 4))), SlotError::Overlap);
    assert_slot(op(|op| op.weights = Blob::new(LARGE + 252, 4)), SlotError::Bounds);
}

#[test]
fn binary_linear_results() {
    let layer = |out| {
        Op::BinaryLinear(BinaryLinear {
            rows: 4,
            k: 4,
            n: 4,
            group: 4,
            x: signs(SIGNS, 4),
            weights: Blob::new(ZEROS, 4),
            pack: BitPack::Rows,
            out,
        })
    };
    let bits = |out| layer(BinaryOut::Bits(out));
    assert_op(bits(sign(FREE, 3)), Reject::Dimension);
    assert_op(bits(ternary(Blob::new(ZEROS, 4), Blob::new(ZEROS, 4))), Reject::Threshold);
    assert_op(bits(ternary(Blob::new(MINUS, 4), Blob::new(ZEROS, 5))), Reject::BlobLength);
    let dense = |bias, mantissa, shift, table| {
        let scale = Channels { mantissa: Blob::new(ONES, mantissa), shift };
        let out = Destination::I8 { out: Slot::new(FREE, 16), table };
        layer(BinaryOut::Dense { requant: PerChannel { bias, scale }, out })
    };
    let (bias, shift) = (Blob::new(ZEROS, 4), Blob::new(ONES, 4));
    load(dense(bias, 4, shift, None)).unwrap();
    load(dense(bias, 4, shift, Some(Blob::new(ZEROS, 256)))).unwrap();
    assert_op(dense(Blob::new(LARGE, 4), 4, shift, None), Reject::Bias);
    assert_op(dense(Blob::new(ZEROS, 3), 4, shift, None), Reject::BlobLength);
    assert_op(dense(bias, 3, shift, None), Reject::BlobLength);
    assert_op(dense(bias, 4, Blob::new(ZEROS, 4), None), Reject::Shift);
    assert_op(dense(bias, 4, Blob::new(LARGE, 4), None), Reject::Shift);
    assert_op(dense(bias, 4, Blob::new(ONES, 5), None), Reject::BlobLength);
    assert_op(dense(bias, 4, shift, Some(Blob::new(ZEROS, 255))), Reject::BlobLength);
    // A row is one word, 64 at most.
    let shifted = |up, bias| {
        let scale = Channels { mantissa: Blob::new(ONES, 4), shift };
        let out = Destination::I8 { out: Slot::new(FREE, 16), table: None };
        layer(BinaryOut::Shifted { up, requant: PerChannel { bias, scale }, out })
    };
    load(shifted(0, bias)).unwrap();
    load(shifted(24, bias)).unwrap();
    assert_op(shifted(25, bias), Reject::Shift);
    assert_op(shifted(u8::MAX, bias), Reject::Shift);
    assert_op(shifted(24, Blob::new(LARGE, 4)), Reject::Bias);
    assert_op(shifted(24, Blob::new(ZEROS, 3)), Reject::BlobLength);
}

#[test]
fn binary_attention() {
    let sound = BinaryAttention {
        queries: 4,
        keys: 4,
        heads: 1,
        head_dim: 4,
        q: Slot::new(SIGNS, 4),
        q_stride: 1,
        k: Slot::new(SIGNS + 16, 4),
        k_stride: 1,
        v: Slot::new(SIGNS + 32, 4),
        distance: Blob::new(ONES, 1),
        out: BinaryAttentionDestination::I16(Slot::new(FREE, 16)),
        selected: Slot::new(FREE + 64, 1),
    };
    let op = |change: fn(&mut BinaryAttention)| {
        let mut op = sound;
        change(&mut op);
        Op::BinaryAttention(op)
    };
    let planes =
        |at| BinaryAttentionDestination::Ternary { sign: Slot::new(FREE, 4), nonzero: Slot::new(at, 4) };
    load(op(|_| ())).unwrap();
    load(Op::BinaryAttention(BinaryAttention { out: planes(FREE + 16), ..sound })).unwrap();
    // Any distance is sound: from the largest on, all keys are attended to.
    load(op(|op| op.distance = Blob::new(MINUS, 1))).unwrap();
    load(op(|op| op.selected.len = 4)).unwrap();
    assert_op(op(|op| op.queries = 0), Reject::Dimension);
    assert_op(op(|op| op.keys = 0), Reject::Dimension);
    // Sums past int16.
    assert_op(op(|op| op.keys = MAX_BINARY_KEYS + 1), Reject::Dimension);
    assert_op(op(|op| op.heads = 0), Reject::Dimension);
    assert_op(op(|op| op.head_dim = 0), Reject::Dimension);
    assert_op(op(|op| (op.head_dim, op.q_stride, op.k_stride) = (MAX_K + 1, 4096, 4096)), Reject::Dimension);
    assert_op(op(|op| (op.heads, op.head_dim) = (1 << 17, 1 << 15)), Reject::Dimension);
    // Rows that overlap.
    assert_op(op(|op| op.q_stride = 0), Reject::Dimension);
    assert_op(op(|op| op.k_stride = 0), Reject::Dimension);
    assert_op(op(|op| (op.heads, op.q_stride) = (2, 2)), Reject::Dimension);
    assert_op(op(|op| (op.keys, op.k_stride) = (MAX_BINARY_KEYS, u32::MAX)), Reject::Dimension);
    assert_op(op(|op| op.k.len = 3), Reject::SlotLength);
    assert_op(op(|op| op.k_stride = 2), Reject::SlotLength);
    assert_op(op(|op| op.v.len = 5), Reject::SlotLength);
    assert_op(op(|op| op.selected.len = 0), Reject::SlotLength);
    // 33 keys are two words a row.
    assert_op(op(|op| (op.keys, op.k.len, op.v.len, op.selected.len) = (33, 33, 8, 3)), Reject::SlotLength);
    assert_op(op(|op| op.distance = Blob::new(ONES, 2)), Reject::BlobLength);
    assert_slot(op(|op| op.q.len = 3), SlotError::Length);
    assert_slot(op(|op| op.q_stride = 2), SlotError::Length);
    assert_slot(op(|op| op.out = BinaryAttentionDestination::I16(Slot::new(FREE, 15))), SlotError::Length);
    assert_slot(op(|op| op.v.offset = FREE + 128), SlotError::Undefined);
    assert_slot(
        op(|op| op.out = BinaryAttentionDestination::I16(Slot::new(SIGNS + 40, 16))),
        SlotError::Overlap,
    );
    assert_slot(op(|op| op.selected.offset = FREE + 28), SlotError::Overlap);
    assert_slot(op(|op| op.selected.offset = SIGNS), SlotError::Overlap);
    assert_slot(Op::BinaryAttention(BinaryAttention { out: planes(FREE + 12), ..sound }), SlotError::Overlap);
}

#[test]
fn interpolate() {
    let sound = Interpolate { rows: 4, width: 4, x: Slot::new(SHORTS, 16), table: Blob::new(ZEROS, 513) };
    let op = |change: fn(&mut Interpolate)| {
        let mut op = sound;
        change(&mut op);
        Op::Interpolate(op)
    };
    load(op(|_| ())).unwrap();
    assert_op(op(|op| op.rows = 0), Reject::Dimension);
    assert_op(op(|op| op.width = 0), Reject::Dimension);
    assert_op(op(|op| op.table.len = 512), Reject::BlobLength);
    assert_op(op(|op| op.table.len = 514), Reject::BlobLength);
    assert_slot(op(|op| op.x.len = 12), SlotError::Length);
    assert_slot(op(|op| op.x = Slot::new(BYTES, 16)), SlotError::Undefined);
    assert_slot(op(|op| op.x.offset = SHORTS + 1), SlotError::Misaligned);
    assert_slot(op(|op| op.table.offset = LARGE), SlotError::Bounds);
}
