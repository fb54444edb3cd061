//! Shapes that generated programs seldom have: several blocks of rows, and several parts of inputs.

use std::vec;
use std::vec::Vec;

use quant::arith::Multiplier;
use quant::ops::{AttentionArgs, ChannelsRef, LinearArgs, LinearOut, Residual};
use quant::pack::{Pack, Weights};
use quant::{Kernels, Reference};

use crate::vector::set::Set;
use crate::vector::x86::{Avx2, AvxVnni};

/// Noise that begins anew for each test.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> i32 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (self.0 >> 32) as i32
    }

    /// Bytes, and every seventh of them the least.
    fn bytes(&mut self, len: usize) -> Vec<i8> {
        (0..len).map(|i| if i % 7 == 0 { i8::MIN } else { self.next() as i8 }).collect()
    }

    fn ints(&mut self, len: usize, shift: u32) -> Vec<i32> {
        (0..len).map(|_| self.next() >> shift).collect()
    }
}

/// Panels of `n` channels of `k` inputs.
fn panels(noise: &mut Noise, n: usize, k: usize) -> Vec<i8> {
    let mut data = vec![0; Pack::Panel16x4.len(n as u32, k as u32).unwrap() as usize];
    for channel in 0..n {
        for input in 0..k {
            data[Pack::Panel16x4.index(k, channel, input)] = (noise.next() as i8).max(-127);
        }
    }
    data
}

/// Every output of a layer by the reference and by `set`.
fn layers_agree(mut set: impl Kernels, args: &LinearArgs<'_>, x: &[i8], len: usize) {
    let rows = len / args.weights.n;
    let what = (set.name(), rows, args.weights.n, args.weights.k);
    let table = core::array::from_fn(|i| (i as u8).wrapping_mul(37) as i8);
    for table in [None, Some(&table)] {
        let (mut want, mut got) = (vec![0; len], vec![0; len]);
        Reference.linear_i8(args, x, LinearOut::I8 { out: &mut want, table }).unwrap();
        set.linear_i8(args, x, LinearOut::I8 { out: &mut got, table }).unwrap();
        assert_eq!(got, want, "{what:?}");
    }
    let multiplier = |mantissa, shift| Multiplier { mantissa, shift };
    let high = Residual { branch: multiplier(0x5a00_1234, 31), stream: multiplier(-0x6300_4321, 30) };
    let low = Residual { stream: multiplier(0x6300_4321, 12), ..high };
    for residual in [None, Some(high), Some(low)] {
        let stream: Vec<i16> = (0..len).map(|i| (i * 12345) as i16).collect();
        let (mut want, mut got) = (stream.clone(), stream);
        Reference.linear_i8(args, x, LinearOut::I16 { out: &mut want, residual }).unwrap();
        set.linear_i8(args, x, LinearOut::I16 { out: &mut got, residual }).unwrap();
        assert_eq!(got, want, "{what:?} {residual:?}");
    }
    let (mut want, mut got) = (vec![0; len], vec![0; len]);
    Reference.linear_i8(args, x, LinearOut::I32 { out: &mut want }).unwrap();
    set.linear_i8(args, x, LinearOut::I32 { out: &mut got }).unwrap();
    assert_eq!(got, want, "{what:?}");
}

#[test]
fn layers_are_the_reference() {
    let mut noise = Noise(1);
    for (rows, n, k, least) in [
        (2, 16, 4, 40),
        (3, 32, 64, 40),
        (5, 47, 901, 42),
        (200, 17, 5, 36),
        (61, 33, 1999, 20),
        (43, 65, 2048, 43),
        (4, 31, 2049, 43),
    ] {
        let (data, bias) = (panels(&mut noise, n, k), noise.ints(n, 8));
        let mantissa = noise.ints(n, 0);
        let shift: Vec<u8> = (0..n).map(|_| least + (noise.next() & 3) as u8).collect();
        let weights = Weights { data: &data, pack: Pack::Panel16x4, n, k };
        let requant = ChannelsRef { mantissa: &mantissa, shift: &shift };
        let args = LinearArgs { weights, bias: &bias, requant };
        let x = noise.bytes(rows * k);
        layers_agree(Set::<AvxVnni>::default(), &args, &x, rows * n);
        layers_agree(Set::<Avx2>::default(), &args, &x, rows * n);
    }
}

/// What a query, a key and a value are part of.
struct Heads<'a> {
    keys: usize,
    heads: usize,
    head_dim: usize,
    score: ChannelsRef<'a>,
    requant: ChannelsRef<'a>,
    exp: &'a [u32; 256],
    x: &'a [i8],
}

impl Heads<'_> {
    fn run(&self, set: &mut impl Kernels) -> Vec<i8> {
        let (width, stride) = (self.heads * self.head_dim, 3 * self.heads * self.head_dim + 1);
        let mut out = vec![0; self.keys * width];
        set.attention(AttentionArgs {
            keys: self.keys,
            heads: self.heads,
            head_dim: self.head_dim,
            q: self.x,
            q_stride: stride,
            k: &self.x[width..],
            v: &self.x[2 * width..],
            kv_stride: stride,
            score: self.score,
            exp: self.exp,
            requant: self.requant,
            out: &mut out,
            scores: &mut vec![0; 2 * self.keys],
            probabilities: &mut vec![0; 2 * self.keys],
        })
        .unwrap();
        out
    }
}

/// One key and few, whole and ragged blocks of keys and channels, heads that are taken and that are not.
#[test]
fn heads_are_the_reference() {
    let mut noise = Noise(2);
    for (keys, heads, head_dim) in [
        (1, 1, 1),
        (2, 2, 3),
        (15, 1, 64),
        (33, 2, 31),
        (50, 3, 32),
        (197, 1, 64),
        (90, 1, 128),
        (65, 1, 129),
    ] {
        let exp = core::array::from_fn(|i| (1 << 22) >> (i / 16));
        let mantissa: Vec<i32> = (0..heads).map(|_| (1 << 30) + (noise.next() >> 2)).collect();
        let x = noise.bytes((keys + 1) * (3 * heads * head_dim + 1));
        for (score, requant) in [(42, 43), (39, 44), (35, 37), (43, 20)] {
            let (score, requant) = (vec![score; heads], vec![requant; heads]);
            let score = ChannelsRef { mantissa: &mantissa, shift: &score };
            let requant = ChannelsRef { mantissa: &mantissa, shift: &requant };
            let all = Heads { keys, heads, head_dim, score, requant, exp: &exp, x: &x };
            let want = all.run(&mut Reference);
            assert_eq!(all.run(&mut Set::<AvxVnni>::default()), want, "{keys} {heads} {head_dim}");
            assert_eq!(all.run(&mut Set::<Avx2>::default()), want, "{keys} {heads} {head_dim}");
        }
    }
}
