//! BinaryLinear: a dense layer of ±1 weights, over activations of 1, 2, 8 or 16 bits.
//!
//! ```text
//! Sign      z = K − 2·popcount(x ⊕ w)
//! Ternary   z = popcount(m) − 2·popcount((x ⊕ w) ∧ m)         m = nonzero
//! I8, I16   z = Σ (w_i ? x_i : −x_i)
//! ```
//!
//! The sums are exact. What follows is the one rounding of [`Linear`](super::Linear), or a
//! comparison with thresholds.

use serde::{Deserialize, Serialize};

use super::bit_rows::BLOCK;
use super::{BinaryLinearOut, BinaryOut, BitAct, Consts, MAX_K};
use crate::bits::{BitPack, BitWeights, WORD, row_words};
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Blob, Memory, Window};
use crate::operand::Visitor;
use crate::slice::{rows, window};

/// Largest inner dimension for int16 activations: `(2¹⁵ − 1) · 2¹⁵ < 2³⁰`, so that with a
/// bias of at most 2³⁰ the sum fits an int32 accumulator.
pub const MAX_BINARY_K_I16: u32 = (1 << 15) - 1;

/// A dense layer over rows of `k` inputs, weights ±1.
///
/// `|z| ≤ 2²²` for bits (stray bits of a row that was written longer included), at most
/// 2²³ for int8 and below 2³⁰ for int16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinaryLinear {
    /// Rows (tokens).
    pub rows: u32,
    /// Inputs of each row, `1..=`[`MAX_K`]; for int16 at most [`MAX_BINARY_K_I16`].
    pub k: u32,
    /// Output channels.
    pub n: u32,
    /// Elements of bit rows that start on a word; `k` for integer activations.
    pub group: u32,
    /// Input, `rows × k`.
    pub x: BitAct,
    /// Weights, `n` bit rows of `k` grouped by `group`, padding bits 0.
    pub weights: Blob<u32>,
    /// Their layout.
    pub pack: BitPack,
    /// Output, `rows × n`.
    pub out: BinaryOut,
}

impl BinaryLinear {
    /// Words of a row of bits; 0 where `group` does not divide `k`, which is refused.
    const fn words(&self) -> u32 {
        match row_words(self.k, self.group) {
            Some(words) => words,
            None => 0,
        }
    }

    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        let words = self.words();
        self.x.visit(visitor, self.k, words);
        visitor.bit_weights(&mut self.weights, &mut self.pack, self.n, words);
        self.out.operands(visitor, self.n);
    }

    /// Rows (tokens).
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// `rows · n · k`.
    pub fn macs(&self) -> u64 {
        (u64::from(self.rows) * u64::from(self.n)).saturating_mul(self.k.into())
    }

    /// Dimensions, groups, padding bits, and what [`BinaryOut`] asks for.
    pub fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
        let most = match self.x {
            BitAct::Sign(_) | BitAct::Ternary { .. } | BitAct::I8(_) => MAX_K,
            BitAct::I16(_) => MAX_BINARY_K_I16,
        };
        if self.rows == 0 || self.n == 0 || self.k == 0 || self.k > most {
            return Err(Reject::Dimension);
        }
        let integers = matches!(self.x, BitAct::I8(_) | BitAct::I16(_));
        if integers && self.group != self.k {
            return Err(Reject::Dimension);
        }
        let words = row_words(self.k, self.group).ok_or(Reject::Dimension)?;
        consts.check_bit_weights(self.weights, self.pack, self.n, words, self.group)?;
        let largest = match self.x {
            // A stray bit, in the padding of a row that was written longer, counts twice too.
            BitAct::Sign(_) | BitAct::Ternary { .. } => u64::from(words) * 64,
            BitAct::I8(_) => u64::from(self.k) << 7,
            BitAct::I16(_) => u64::from(self.k) << 15,
        };
        self.out.check(consts, self.n, largest)
    }

    /// Runs the rows of `window`.
    pub fn run<K: Kernels>(
        &self,
        kernels: &mut K,
        memory: &mut Memory<'_>,
        window: Window,
    ) -> Result<(), Fault> {
        let words = self.words();
        let (n, row) = (self.n as usize, words as usize);
        let weights = BitWeights { data: memory.blob(self.weights)?, pack: self.pack, n, words: row };
        let args = BinaryLinearArgs { weights, k: self.k as usize };
        let bits = |slot| window.of(slot, words, words);
        self.out.with(memory, window, self.n, |out, rest| match self.x {
            BitAct::Sign(x) => kernels.binary_linear_sign(&args, rest.read(bits(x)?)?, out),
            BitAct::Ternary { sign, nonzero } => {
                let (sign, nonzero) = (rest.read(bits(sign)?)?, rest.read(bits(nonzero)?)?);
                kernels.binary_linear_ternary(&args, sign, nonzero, out)
            }
            BitAct::I8(x) => kernels.binary_linear_i8(&args, rest.read(window.of(x, self.k, self.k)?)?, out),
            BitAct::I16(x) => {
                kernels.binary_linear_i16(&args, rest.read(window.of(x, self.k, self.k)?)?, out)
            }
        })
    }
}

/// Constants of a [`BinaryLinear`]. Rows of bits are `weights.words` long, of integers `k`.
#[derive(Clone, Copy, Debug)]
pub struct BinaryLinearArgs<'a> {
    /// Weights.
    pub weights: BitWeights<'a>,
    /// Inputs of each row.
    pub k: usize,
}

/// Scalar reference for ±1 activations.
pub fn binary_linear_sign(
    args: &BinaryLinearArgs<'_>,
    x: &[u32],
    out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    let BinaryLinearArgs { weights, k } = *args;
    reference(weights.n, rows(x, weights.words), out, |row, channel| {
        let differ = (0..).zip(row).map(|(i, x)| (x ^ weights.get(channel, i)).count_ones());
        k as i32 - 2 * differ.sum::<u32>() as i32
    })
}

/// Scalar reference for ternary activations.
pub fn binary_linear_ternary(
    args: &BinaryLinearArgs<'_>,
    sign: &[u32],
    nonzero: &[u32],
    out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    let weights = args.weights;
    let both = rows(sign, weights.words).zip(rows(nonzero, weights.words));
    reference(weights.n, both, out, |(sign, nonzero), channel| {
        (0..).zip(sign).zip(nonzero).fold(0, |z, ((i, x), m)| {
            let differ = (x ^ weights.get(channel, i)) & m;
            z + m.count_ones() as i32 - 2 * differ.count_ones() as i32
        })
    })
}

/// Scalar reference for int8 activations.
pub fn binary_linear_i8(
    args: &BinaryLinearArgs<'_>,
    x: &[i8],
    out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    integers(args, x, out)
}

/// Scalar reference for int16 activations.
pub fn binary_linear_i16(
    args: &BinaryLinearArgs<'_>,
    x: &[i16],
    out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    integers(args, x, out)
}

fn integers<T: Copy + Into<i32>>(
    args: &BinaryLinearArgs<'_>,
    x: &[T],
    out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    let BinaryLinearArgs { weights, k } = *args;
    reference(weights.n, rows(x, k), out, |row, channel| {
        row.chunks(WORD as usize).enumerate().fold(0, |z, (i, x)| z + signed_sum(weights.get(channel, i), x))
    })
}

/// `Σ (w_i ? x_i : −x_i)` over the elements of one word.
fn signed_sum<T: Copy + Into<i32>>(w: u32, x: &[T]) -> i32 {
    x.iter().zip(0..WORD).fold(0, |z, (&x, bit)| {
        let x: i32 = x.into();
        if w >> bit & 1 == 1 { z + x } else { z - x }
    })
}

/// The loop over rows and blocks of channels that all activations share.
#[inline(always)]
fn reference<R: Copy>(
    n: usize,
    rows: impl Iterator<Item = R>,
    mut out: BinaryLinearOut<'_>,
    dot: impl Fn(R, usize) -> i32,
) -> Result<(), Fault> {
    out.clear();
    for (r, row) in rows.enumerate() {
        let mut start = 0;
        while start < n {
            let count = (n - start).min(BLOCK);
            let mut z = [0i32; BLOCK];
            for (z, channel) in z.iter_mut().take(count).zip(start..) {
                *z = dot(row, channel);
            }
            out.store(r, start, window(&z, 0, count)?)?;
            start += count;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::Slot;
    use crate::ops::testing::{Buffer, pack_row, pack_rows, run};
    use crate::ops::{BitOut, Channels, Destination, MAX_BIAS, PerChannel};
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    #[test]
    fn accumulator_bounds_hold() {
        assert!(u64::from(MAX_BINARY_K_I16) << 15 < 1 << 30);
        assert!((u64::from(MAX_BINARY_K_I16) << 15) + u64::from(MAX_BIAS) <= i32::MAX as u64);
    }

    fn product(x: &[i64], w: &[i64]) -> i64 {
        x.iter().zip(w).map(|(x, w)| x * w).sum()
    }

    fn exact(z: i64, bias: i32, m: i32, e: u8) -> i128 {
        let z = i128::from(z) + i128::from(bias);
        (2 * z * i128::from(m) + (1 << e)).div_euclid(1 << (e + 1)).clamp(i32::MIN.into(), i32::MAX.into())
    }

    fn signs(len: usize) -> impl Strategy<Value = Vec<i64>> {
        prop_oneof![
            4 => prop::collection::vec(prop_oneof![Just(-1), Just(1)], len),
            1 => Just(vec![1; len]),
            1 => Just(vec![-1; len]),
        ]
    }

    fn integers(len: usize) -> impl Strategy<Value = Vec<i64>> {
        let value = prop_oneof![any::<i16>(), Just(i16::MIN), Just(i16::MAX), -3i16..=3];
        prop::collection::vec(value.prop_map(i64::from), len)
    }

    #[derive(Clone, Copy, Debug)]
    enum Kind {
        Sign,
        Ternary,
        I8,
        I16,
    }

    #[derive(Clone, Debug)]
    struct Layer {
        kind: Kind,
        groups: usize,
        group: usize,
        x: Vec<i64>,
        w: Vec<i64>,
    }

    const ROWS: usize = 3;
    const N: usize = 4;

    fn layer() -> impl Strategy<Value = Layer> {
        let kind = prop::sample::select(&[Kind::Sign, Kind::Ternary, Kind::I8, Kind::I16][..]);
        (kind, 1usize..4, prop_oneof![1usize..70, Just(32), Just(64)]).prop_flat_map(
            |(kind, groups, group)| {
                let k = groups * group;
                let x = match kind {
                    Kind::Sign => signs(ROWS * k).boxed(),
                    Kind::Ternary => prop::collection::vec(-1i64..=1, ROWS * k).boxed(),
                    Kind::I8 => {
                        integers(ROWS * k).prop_map(|x| x.iter().map(|&x| (x as i8).into()).collect()).boxed()
                    }
                    Kind::I16 => integers(ROWS * k).boxed(),
                };
                (x, signs(N * k)).prop_map(move |(x, w)| Layer { kind, groups, group, x, w })
            },
        )
    }

    impl Layer {
        fn k(&self) -> usize {
            self.groups * self.group
        }

        fn act(&self, arena: &mut Buffer) -> BitAct {
            let (sign, nonzero) = match self.kind {
                Kind::Sign | Kind::Ternary => pack_rows(&self.x, self.k(), self.group),
                Kind::I8 | Kind::I16 => (Vec::new(), Vec::new()),
            };
            match self.kind {
                Kind::Sign => BitAct::Sign(arena.slot(&sign)),
                Kind::Ternary => BitAct::Ternary { sign: arena.slot(&sign), nonzero: arena.slot(&nonzero) },
                Kind::I8 => BitAct::I8(arena.slot(&self.x.iter().map(|&x| x as i8).collect::<Vec<_>>())),
                Kind::I16 => BitAct::I16(arena.slot(&self.x.iter().map(|&x| x as i16).collect::<Vec<_>>())),
            }
        }

        /// The weights in `pack`, and the group they are in.
        fn weights(&self, consts: &mut Buffer, pack: BitPack) -> (Blob<u32>, u32) {
            let group = match self.kind {
                Kind::Sign | Kind::Ternary => self.group,
                Kind::I8 | Kind::I16 => self.k(),
            };
            let rows: Vec<Vec<u32>> = self.w.chunks(self.k()).map(|w| pack_row(w, group).0).collect();
            let words = rows[0].len();
            let mut packed = vec![0; pack.len(N as u32, words as u32).unwrap() as usize];
            for (row, w) in rows.iter().enumerate() {
                for (word, &bits) in w.iter().enumerate() {
                    packed[pack.index(words, row, word)] = bits;
                }
            }
            (consts.blob(&packed), group as u32)
        }

        fn op(&self, arena: &mut Buffer, consts: &mut Buffer, pack: BitPack, out: BinaryOut) -> BinaryLinear {
            let (weights, group) = self.weights(consts, pack);
            let (rows, k, n) = (ROWS as u32, self.k() as u32, N as u32);
            BinaryLinear { rows, k, n, group, x: self.act(arena), weights, pack, out }
        }

        fn z(&self) -> Vec<i64> {
            let rows = self.x.chunks(self.k());
            rows.flat_map(|x| self.w.chunks(self.k()).map(|w| product(x, w))).collect()
        }
    }

    proptest! {
        #[test]
        fn dense_equals_exact_arithmetic(
            layer in layer(),
            bias in prop::array::uniform4(prop_oneof![-(1i32 << 30)..=1 << 30, -20i32..20, Just(1 << 30)]),
            m in prop::array::uniform4(any::<i32>()),
            e in prop::array::uniform4(1u8..=62),
            up in 0u8..=7,
            tile in 1u32..=3,
        ) {
            // Of the sums of int16 none can be shifted so far.
            let up = if matches!(layer.kind, Kind::I16) { 0 } else { up };
            for pack in BitPack::ALL {
                let (mut arena, mut consts) = (Buffer::new(), Buffer::new());
                let scale = Channels { mantissa: consts.blob(&m), shift: consts.blob(&e) };
                let requant = PerChannel { bias: consts.blob(&bias), scale };
                let slot: Slot<i32> = arena.slot(&[0x5a5a; ROWS * N]);
                let out = Destination::I32 { out: slot };
                let out = match up {
                    0 => BinaryOut::Dense { requant, out },
                    up => BinaryOut::Shifted { up, requant, out },
                };
                let op = layer.op(&mut arena, &mut consts, pack, out);
                prop_assert_eq!(op.check(&Consts::new(consts.bytes())), Ok(()));
                let got = run(op, &arena, &consts, tile).unwrap().get(slot);
                for (at, (got, z)) in got.into_iter().zip(layer.z()).enumerate() {
                    let c = at % N;
                    prop_assert_eq!(i128::from(got), exact(z << up, bias[c], m[c], e[c]));
                }
            }
        }

        #[test]
        fn bits_are_comparisons_of_the_exact_sum(
            layer in layer(),
            low in prop::array::uniform4(prop_oneof![-30i32..30, any::<i32>()]),
            above in prop::array::uniform4(1u32..40),
            groups in prop::sample::select(&[1usize, 2, 4][..]),
            tile in 1u32..=3,
        ) {
            let high: [i32; N] = std::array::from_fn(|c| low[c].saturating_add_unsigned(above[c]));
            prop_assume!(low.iter().zip(&high).all(|(low, high)| low < high));
            let (mut arena, mut consts) = (Buffer::new(), Buffer::new());
            let group = N / groups;
            let slots: [Slot<u32>; 3] = std::array::from_fn(|_| arena.slot(&vec![u32::MAX; ROWS * groups]));
            let [sign, nonzero, plain] = slots;
            let (low_blob, high_blob) = (consts.blob(&low), consts.blob(&high));
            let out = BitOut::Ternary { sign, nonzero, group: group as u32, low: low_blob, high: high_blob };
            let ternary = layer.op(&mut arena, &mut consts, BitPack::Rows, BinaryOut::Bits(out));
            let out = BitOut::Sign { out: plain, group: group as u32, high: high_blob };
            let signs = BinaryLinear { out: BinaryOut::Bits(out), ..ternary };
            for op in [ternary, signs] {
                prop_assert_eq!(op.check(&Consts::new(consts.bytes())), Ok(()));
            }
            let done = run(signs, &run(ternary, &arena, &consts, tile).unwrap(), &consts, tile).unwrap();
            let thresholded = |low: &[i32; N]| -> Vec<i64> {
                let one = |(at, z): (usize, i64)| i64::from(z >= high[at % N].into()) - i64::from(z <= low[at % N].into());
                layer.z().into_iter().enumerate().map(one).collect()
            };
            let (want_sign, want_nonzero) = pack_rows(&thresholded(&low), N, group);
            prop_assert_eq!((done.get(sign), done.get(nonzero)), (want_sign, want_nonzero));
            let below: [i32; N] = high.map(|high| high - 1);
            prop_assert_eq!(done.get(plain), pack_rows(&thresholded(&below), N, group).0);
        }
    }

    #[test]
    fn the_largest_sums_are_exact() {
        let bits = vec![u32::MAX; MAX_K as usize / 32];
        let zeros = vec![0; bits.len()];
        for (w, sign) in [(&bits, 1), (&zeros, -1)] {
            let weights = BitWeights { data: w, pack: BitPack::Rows, n: 1, words: w.len() };
            let args = BinaryLinearArgs { weights, k: MAX_K as usize };
            let sum = |kernel: &dyn Fn(BinaryLinearOut<'_>, &BinaryLinearArgs<'_>)| {
                let mut out = [0i32];
                let scale = crate::ops::ChannelsRef { mantissa: &[2], shift: &[1] };
                let to = crate::ops::LinearOut::I32 { out: &mut out };
                kernel(BinaryLinearOut::Dense { up: 0, bias: &[0], requant: scale, out: to, n: 1 }, &args);
                out[0]
            };
            let of = |x: &[u32]| sum(&|out, args| binary_linear_sign(args, x, out).unwrap());
            assert_eq!((of(&bits), of(&zeros)), (sign << 16, -sign << 16));
            let x = vec![i8::MIN; MAX_K as usize];
            assert_eq!(sum(&|out, args| binary_linear_i8(args, &x, out).unwrap()), -sign << 23);
            let x = vec![i16::MIN; MAX_BINARY_K_I16 as usize];
            let k = x.len();
            let got = sum(&|out, args| {
                binary_linear_i16(&BinaryLinearArgs { k, ..*args }, &x, out).unwrap();
            });
            assert_eq!(got, -sign * ((MAX_BINARY_K_I16 as i32) << 15));
        }
    }

    #[test]
    fn the_checker_refuses_hostile_records() {
        let mut consts = Buffer::new();
        let words = [0b111u32, 0b101, 0b1000, 0];
        let weights = consts.blob(&words[..2]);
        let stray = consts.blob(&words[1..3]);
        let high = consts.blob(&[0i32, 5]);
        let low = consts.blob(&[-1i32, 5]);
        let slot = |len| Slot::<u32>::new(0, len);
        let bits = |group| BinaryOut::Bits(BitOut::Sign { out: slot(2), group, high });
        let (x, pack) = (BitAct::Sign(slot(2)), BitPack::Rows);
        let op = BinaryLinear { rows: 2, k: 3, n: 2, group: 3, x, weights, pack, out: bits(2) };
        let check = |op: BinaryLinear| op.check(&Consts::new(consts.bytes()));
        assert_eq!(check(op), Ok(()));
        assert_eq!(check(BinaryLinear { rows: 0, ..op }), Err(Reject::Dimension));
        assert_eq!(check(BinaryLinear { n: 0, ..op }), Err(Reject::Dimension));
        assert_eq!(check(BinaryLinear { k: 0, ..op }), Err(Reject::Dimension));
        assert_eq!(check(BinaryLinear { k: MAX_K + 1, group: MAX_K + 1, ..op }), Err(Reject::Dimension));
        assert_eq!(check(BinaryLinear { group: 0, ..op }), Err(Reject::Dimension));
        assert_eq!(check(BinaryLinear { group: 2, ..op }), Err(Reject::Dimension));
        assert_eq!(check(BinaryLinear { group: 1, ..op }), Err(Reject::BlobLength));
        assert_eq!(check(BinaryLinear { n: 3, ..op }), Err(Reject::BlobLength));
        assert_eq!(check(BinaryLinear { pack: BitPack::Panel16, ..op }), Err(Reject::BlobLength));
        assert_eq!(check(BinaryLinear { weights: stray, ..op }), Err(Reject::Padding));
        assert_eq!(check(BinaryLinear { out: bits(3), ..op }), Err(Reject::Dimension));
        assert_eq!(check(BinaryLinear { out: bits(0), ..op }), Err(Reject::Dimension));
        let wide = BitAct::I16(Slot::new(0, 6));
        assert_eq!(check(BinaryLinear { x: wide, ..op }), Ok(()));
        assert_eq!(check(BinaryLinear { x: wide, group: 1, ..op }), Err(Reject::Dimension));
        let (k, group) = (MAX_BINARY_K_I16 + 1, MAX_BINARY_K_I16 + 1);
        assert_eq!(check(BinaryLinear { x: wide, k, group, ..op }), Err(Reject::Dimension));
        let equal = BitOut::Ternary { sign: slot(2), nonzero: slot(2), group: 2, low, high };
        assert_eq!(check(BinaryLinear { out: BinaryOut::Bits(equal), ..op }), Err(Reject::Threshold));
    }

    #[test]
    fn padding_channels_of_a_panel_are_zero() {
        let mut consts = Buffer::new();
        let mut words = [0u32; 16];
        words[..2].fill(0b11);
        let sound = consts.blob(&words);
        words[2] = 1;
        let damaged = consts.blob(&words);
        let high = consts.blob(&[0i32; 2]);
        let out = BinaryOut::Bits(BitOut::Sign { out: Slot::new(0, 1), group: 2, high });
        let x = BitAct::Sign(Slot::new(0, 1));
        let (pack, weights) = (BitPack::Panel16, sound);
        let op = BinaryLinear { rows: 1, k: 2, n: 2, group: 2, x, weights, pack, out };
        assert_eq!(op.check(&Consts::new(consts.bytes())), Ok(()));
        let damaged = BinaryLinear { weights: damaged, ..op };
        assert_eq!(damaged.check(&Consts::new(consts.bytes())), Err(Reject::Padding));
    }
}
