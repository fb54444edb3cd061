//! Programs of one binary op. Words of bits cannot be outputs, so those programs have an
//! input that is an output too; what the op writes is compared all the same.

use proptest::prelude::*;
use quant::Op;
use quant::bits::{BitPack, WORD, row_words, used};
use quant::mem::{Blob, DType, Slot, span};
use quant::ops::{
    Binarize, BinaryAttention, BinaryAttentionDestination, BinaryLinear, BinaryOut, BitAct, BitOut,
    BitTranspose, MAX_BINARY_K_I16, MAX_BINARY_KEYS, MAX_K,
};

use super::{Generated, size};
use crate::case::{Builder, Case, Epilogue};
use crate::source::Source;

/// Elements of a row: some groups of `group`.
#[derive(Clone, Copy, Debug)]
struct Grouped {
    groups: u32,
    group: u32,
}

impl Grouped {
    fn width(self) -> u32 {
        self.groups * self.group
    }

    fn words(self) -> u32 {
        row_words(self.width(), self.group).expect("whole groups")
    }
}

/// Groups around a word, and rows of one group.
fn grouped() -> BoxedStrategy<Grouped> {
    prop_oneof![4 => (1u32..=4, size()), 2 => (Just(1), size()), 1 => (1u32..=3, 90u32..300)]
        .prop_map(|(groups, group)| Grouped { groups, group })
        .boxed()
}

/// `rows` rows of bits, `stride` words apart; their padding 0, or now and then anything.
fn bits(s: &mut Source, rows: u32, stride: u32, row: Grouped) -> Vec<u32> {
    let mut words = s.values::<u32>(span(rows, stride, row.words()).expect("small"));
    if s.below(4) > 0 {
        for (at, word) in (0u32..).zip(&mut words) {
            *word &= used(at % stride, row.group);
        }
    }
    words
}

/// Thresholds in order, close to each other and to 0 or far apart.
fn thresholds(s: &mut Source, n: u32) -> (Vec<i32>, Vec<i32>) {
    let near = s.below(2) == 0;
    let one = |s: &mut Source| {
        let all = s.values::<i32>(2);
        let (a, b) = if near { (all[0] % 20, all[1] % 20) } else { (all[0], all[1]) };
        (a.min(b).min(i32::MAX - 1), a.max(b).max(a.min(b).saturating_add(1)))
    };
    (0..n).map(|_| one(s)).unzip()
}

/// Rows of bits to write, by thresholds.
fn bit_out(b: &mut Builder, s: &mut Source, rows: u32, row: Grouped, ternary: bool) -> BitOut {
    let (low, high) = thresholds(s, row.width());
    let (group, len) = (row.group, rows * row.words());
    let high = b.blob(&high);
    b.updated(&[0i8]);
    match ternary {
        false => BitOut::Sign { out: b.slot(len), group, high },
        true => BitOut::Ternary { sign: b.slot(len), nonzero: b.slot(len), group, low: b.blob(&low), high },
    }
}

impl Generated for Binarize {
    fn cases() -> BoxedStrategy<Case> {
        let make = |(rows, row, wide, ternary, seed): (u32, Grouped, bool, bool, u64)| {
            let about = format!("Binarize {rows} x {row:?} 16 bits {wide} ternary {ternary} seed {seed}");
            Case::one_op(about, move |b| {
                let s = &mut Source::new(seed);
                let dtype = if wide { DType::I16 } else { DType::I8 };
                let x = b.act(s, dtype, rows * row.width());
                let out = bit_out(b, s, rows, row, ternary);
                Op::Binarize(Binarize { rows, width: row.width(), x, out })
            })
        };
        (size(), grouped(), any::<bool>(), any::<bool>(), any::<u64>()).prop_map(make).boxed()
    }
}

impl Generated for BitTranspose {
    fn cases() -> BoxedStrategy<Case> {
        let make = |(rows, row, gap, seed): (u32, Grouped, u32, u64)| {
            Case::one_op(format!("BitTranspose {rows} x {row:?} gap {gap} seed {seed}"), move |b| {
                let s = &mut Source::new(seed);
                let stride = row.words() + gap;
                let x = b.input(&bits(s, rows, stride, row));
                b.updated(&[0i8]);
                let out = b.slot(row.width() * rows.div_ceil(WORD));
                Op::BitTranspose(BitTranspose { rows, width: row.width(), group: row.group, x, stride, out })
            })
        };
        (size(), grouped(), 0u32..3, any::<u64>()).prop_map(make).boxed()
    }
}

/// The activations of a binary layer.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Sign,
    Ternary,
    I8,
    I16,
}

/// What stands behind the sums of a binary layer.
#[derive(Clone, Copy, Debug)]
enum Behind {
    Dense(Epilogue),
    Bits { ternary: bool, heads: bool },
}

#[derive(Clone, Copy, Debug)]
struct LinearShape {
    rows: u32,
    n: u32,
    k: Grouped,
    x: Kind,
    behind: Behind,
    seed: u64,
}

impl LinearShape {
    fn op(self, b: &mut Builder) -> BinaryLinear {
        let s = &mut Source::new(self.seed);
        let Self { rows, n, k: row, .. } = self;
        let (x, row) = self.activations(b, s, row);
        let (k, words) = (row.width(), row.words());
        let weights: Blob<u32> = b.blob(&padded(s, n, words, row));
        let out = match self.behind {
            Behind::Dense(epilogue) => {
                let requant = b.per_channel(s, n);
                let out = b.destination(s, epilogue, rows * n);
                let largest = match self.x {
                    Kind::Sign | Kind::Ternary => u64::from(words) << 6,
                    Kind::I8 => u64::from(k) << 7,
                    Kind::I16 => u64::from(k) << 15,
                };
                match s.below(2) {
                    0 => BinaryOut::Dense { requant, out },
                    _ => BinaryOut::Shifted {
                        // Room for a bias of 2³⁰.
                        up: (30 - (largest + 1).next_power_of_two().ilog2()) as u8,
                        requant,
                        out,
                    },
                }
            }
            Behind::Bits { ternary, heads } => {
                // Two heads where the channels allow it.
                let groups = if heads && n % 2 == 0 { 2 } else { 1 };
                BinaryOut::Bits(bit_out(b, s, rows, Grouped { groups, group: n / groups }, ternary))
            }
        };
        BinaryLinear { rows, k, n, group: row.group, x, weights, pack: BitPack::Rows, out }
    }

    fn activations(&self, b: &mut Builder, s: &mut Source, row: Grouped) -> (BitAct, Grouped) {
        let (rows, words) = (self.rows, row.words());
        let whole = |most: u32| Grouped { groups: 1, group: row.width().min(most) };
        match self.x {
            Kind::Sign => (BitAct::Sign(b.input(&bits(s, rows, words, row))), row),
            Kind::Ternary => {
                let nonzero = bits(s, rows, words, row);
                let sign: Vec<u32> =
                    bits(s, rows, words, row).iter().zip(&nonzero).map(|(x, m)| x & m).collect();
                (BitAct::Ternary { sign: b.input(&sign), nonzero: b.input(&nonzero) }, row)
            }
            Kind::I8 => {
                let row = whole(MAX_K);
                (BitAct::I8(b.input(&s.values::<i8>(rows * row.width()))), row)
            }
            Kind::I16 => {
                let row = whole(MAX_BINARY_K_I16);
                (BitAct::I16(b.input(&s.values::<i16>(rows * row.width()))), row)
            }
        }
    }
}

/// Weights: padding bits are always 0.
fn padded(s: &mut Source, n: u32, words: u32, row: Grouped) -> Vec<u32> {
    let values = s.values::<u32>(n * words);
    (0u32..).zip(values).map(|(at, word)| word & used(at % words, row.group)).collect()
}

impl Generated for BinaryLinear {
    fn cases() -> BoxedStrategy<Case> {
        let deepest = prop_oneof![Just(MAX_K), Just(MAX_K - 1), Just(MAX_BINARY_K_I16)];
        let dims = prop_oneof![
            12 => (size(), size(), grouped()),
            1 => (1u32..=2, 1u32..=2, deepest.prop_map(|group| Grouped { groups: 1, group })),
            1 => (150u32..300, 1u32..3, grouped()),
            1 => (1u32..=2, 1000u32..1100, grouped()),
        ];
        binary_linear(dims.boxed())
    }
}

/// Binary layers whose rows begin at words, as those of models do: some rows, channels and inputs
/// in multiples of 4 or more.
pub fn binary_linear_of_words() -> BoxedStrategy<Case> {
    let fours = |most: u32| (1..=most).prop_map(|fours| 4 * fours);
    let k = prop_oneof![fours(40), fours(400)].prop_map(|group| Grouped { groups: 1, group });
    binary_linear((8u32..70, fours(40), k).boxed())
}

fn binary_linear(dims: BoxedStrategy<(u32, u32, Grouped)>) -> BoxedStrategy<Case> {
    let kind = prop::sample::select(&[Kind::Sign, Kind::Ternary, Kind::I8, Kind::I16][..]);
    let behind = prop_oneof![
        prop::sample::select(&Epilogue::ALL[..]).prop_map(Behind::Dense),
        (any::<bool>(), any::<bool>()).prop_map(|(ternary, heads)| Behind::Bits { ternary, heads }),
    ];
    (dims, kind, behind, any::<u64>())
        .prop_map(|((rows, n, k), x, behind, seed)| {
            let shape = LinearShape { rows, n, k, x, behind, seed };
            Case::one_op(format!("BinaryLinear {shape:?}"), move |b| Op::BinaryLinear(shape.op(b)))
        })
        .boxed()
}

#[derive(Clone, Copy, Debug)]
struct AttentionShape {
    queries: u32,
    keys: u32,
    row: Grouped,
    gap: u32,
    /// Rows of keys that a kernel may hold.
    selected: u32,
    /// Whether queries and keys are parts of the same rows.
    packed: bool,
    ternary: bool,
    seed: u64,
}

impl AttentionShape {
    fn op(self, b: &mut Builder) -> BinaryAttention {
        let s = &mut Source::new(self.seed);
        let Self { queries, keys, row, gap, selected, packed, ternary, .. } = self;
        let (heads, words, value) = (row.groups, row.words(), Grouped { groups: 1, group: keys });
        let stride = if packed { 2 * words } else { words } + gap;
        let len = |rows| span(rows, stride, words).expect("small");
        let [q, k] = if packed {
            let all = b.input(&s.values::<u32>(queries.max(keys) * stride));
            [Slot::new(all.offset, len(queries)), Slot::new(all.offset + 4 * words, len(keys))]
        } else {
            [queries, keys].map(|rows| b.input(&bits(s, rows, stride, row)))
        };
        let v = b.input(&bits(s, row.width(), value.words(), value));
        let distance: Vec<u32> = (0..heads).map(|_| distance(s, row.group)).collect();
        let out = if ternary {
            b.updated(&[0i8]);
            let len = queries * words;
            BinaryAttentionDestination::Ternary { sign: b.slot(len), nonzero: b.slot(len) }
        } else {
            BinaryAttentionDestination::I16(b.out(queries * row.width()))
        };
        BinaryAttention {
            queries,
            keys,
            heads,
            head_dim: row.group,
            q,
            q_stride: stride,
            k,
            k_stride: stride,
            v,
            distance: b.blob(&distance),
            out,
            selected: b.slot(selected * value.words()),
        }
    }
}

/// Few keys, some, or all.
fn distance(s: &mut Source, head_dim: u32) -> u32 {
    match s.below(4) {
        0 => 0,
        1 => u32::MAX,
        _ => s.below(head_dim + 1),
    }
}

impl Generated for BinaryAttention {
    fn cases() -> BoxedStrategy<Case> {
        let rows = prop_oneof![
            8 => (size(), size()),
            1 => (1u32..3, 300u32..700),
            1 => (Just(1), Just(MAX_BINARY_KEYS)),
        ];
        let row = prop_oneof![
            6 => (1u32..=4, 1u32..=20),
            3 => (1u32..=3, 30u32..=66),
            1 => (Just(1), 250u32..260),
        ];
        let shape = (rows, row, 0u32..3, 1u32..=5, any::<[bool; 2]>(), any::<u64>()).prop_map(
            |((queries, keys), (groups, group), gap, selected, [packed, ternary], seed)| {
                // The most keys, but few words.
                let row = if keys == MAX_BINARY_KEYS {
                    Grouped { groups: 1, group: 2 }
                } else {
                    Grouped { groups, group }
                };
                AttentionShape { queries, keys, row, gap, selected, packed, ternary, seed }
            },
        );
        shape
            .prop_map(|shape| {
                Case::one_op(format!("BinaryAttention {shape:?}"), move |b| Op::BinaryAttention(shape.op(b)))
            })
            .boxed()
    }
}
