//! Shapes that generated programs seldom have: several blocks of rows, and several parts of inputs. All sets
//! run in threads of little stack; one that is not offered runs portably.

use std::thread;
use std::vec;
use std::vec::Vec;

use quant::arith::{Multiplier, ShiftExp};
use quant::ops::{
    AddArgs, AttentionArgs, ChannelsRef, ExponentialRef, LinearArgs, LinearOut, MatMulArgs, Residual,
    ShiftmaxArgs, Tensor, TensorMut,
};
use quant::pack::{Pack, Weights};
use quant::{Kernels, Reference};

use crate::vector::set::Set;
use crate::vector::x86::{Amx, Avx2, Avx512Vnni, AvxVnni};

/// Bytes of stack that suffice for every kernel, and for the tests around them.
const STACK: usize = 192 << 10;

/// Runs `$test` for every set.
macro_rules! every_set {
    ($test:ident $arguments:tt) => {
        $test::<Set<Amx>> $arguments;
        $test::<Set<Avx512Vnni>> $arguments;
        $test::<Set<AvxVnni>> $arguments;
        $test::<Set<Avx2>> $arguments;
    };
}

/// Runs `test` in a thread of [`STACK`].
fn in_little_stack(test: impl FnOnce() + Send) {
    thread::scope(|scope| {
        thread::Builder::new().stack_size(STACK).spawn_scoped(scope, test).unwrap().join().unwrap();
    });
}

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
fn layers_agree<S: Kernels + Default>(args: &LinearArgs<'_>, x: &[i8], len: usize) {
    let mut set = S::default();
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
        // By tiles where they are: in place, of few rows, and staged.
        (35, 150, 64, 36),
        (49, 72, 192, 40),
        (7, 150, 1088, 42),
        (70, 130, 501, 41),
        (200, 231, 97, 40),
        (50, 64, 3072, 44),
        (80, 40, 460, 41),
        // Of shifts that have to become high.
        (35, 150, 64, 30),
        (20, 49, 97, 31),
        (70, 33, 384, 32),
        (66, 80, 768, 31),
        (33, 70, 2048, 30),
    ] {
        let (data, bias) = (panels(&mut noise, n, k), noise.ints(n, 8));
        let mantissa = noise.ints(n, 0);
        let shift: Vec<u8> = (0..n).map(|_| least + (noise.next() & 3) as u8).collect();
        let weights = Weights { data: &data, pack: Pack::Panel16x4, n, k };
        let requant = ChannelsRef { mantissa: &mantissa, shift: &shift };
        let args = LinearArgs { weights, bias: &bias, requant };
        let x = noise.bytes(rows * k);
        in_little_stack(|| {
            every_set!(layers_agree(&args, &x, rows * n));
        });
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
    fn run<S: Kernels + Default>(&self) -> Vec<i8> {
        let (width, stride) = (self.heads * self.head_dim, 3 * self.heads * self.head_dim + 1);
        let mut out = vec![0; self.keys.min(60) * width];
        S::default()
            .attention(AttentionArgs {
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
                scores: &mut vec![0; 23 * self.keys],
                probabilities: &mut vec![0; 23 * self.keys],
            })
            .unwrap();
        out
    }
}

fn agree<S: Kernels + Default>(all: &Heads<'_>, want: &[i8]) {
    let name = S::default().name();
    assert_eq!(all.run::<S>(), want, "{name} {} {} {}", all.keys, all.heads, all.head_dim);
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
        (80, 2, 31),
        (100, 3, 17),
        (197, 1, 64),
        (90, 1, 128),
        (65, 1, 129),
        (577, 1, 64),
    ] {
        let exp = core::array::from_fn(|i| (1 << 22) >> (i / 16));
        let mantissa: Vec<i32> = (0..heads).map(|_| (1 << 30) + (noise.next() >> 2)).collect();
        let x = noise.bytes((keys + 1) * (3 * heads * head_dim + 1));
        for (score, requant) in [(42, 43), (39, 44), (35, 37), (43, 20)] {
            let (score, requant) = (vec![score; heads], vec![requant; heads]);
            let score = ChannelsRef { mantissa: &mantissa, shift: &score };
            let requant = ChannelsRef { mantissa: &mantissa, shift: &requant };
            let all = Heads { keys, heads, head_dim, score, requant, exp: &exp, x: &x };
            let want = all.run::<Reference>();
            in_little_stack(|| {
                every_set!(agree(&all, &want));
            });
        }
    }
}

/// Products of activations of one kind, to results of each width.
fn products_agree<S: Kernels + Default>(args: &MatMulArgs, a: Tensor<'_>, b: &[i8]) {
    let (mut set, len) = (S::default(), args.m * args.out_row);
    let (mut want, mut got) = (vec![0i8; len], vec![0i8; len]);
    Reference.matmul(args, a, b, &mut TensorMut::I8(&mut want)).unwrap();
    set.matmul(args, a, b, &mut TensorMut::I8(&mut got)).unwrap();
    assert_eq!(got, want, "{} {args:?}", set.name());
    let (mut want, mut got) = (vec![0i16; len], vec![0i16; len]);
    Reference.matmul(args, a, b, &mut TensorMut::I16(&mut want)).unwrap();
    set.matmul(args, a, b, &mut TensorMut::I16(&mut got)).unwrap();
    assert_eq!(got, want, "{} {args:?}", set.name());
    let (mut want, mut got) = (vec![0i32; len], vec![0i32; len]);
    Reference.matmul(args, a, b, &mut TensorMut::I32(&mut want)).unwrap();
    set.matmul(args, a, b, &mut TensorMut::I32(&mut got)).unwrap();
    assert_eq!(got, want, "{} {args:?}", set.name());
}

/// One and several blocks of rows, columns and inputs, whole and ragged.
#[test]
fn products_are_the_reference() {
    let mut noise = Noise(3);
    for (m, n, k) in [
        (1, 1, 1),
        (49, 49, 32),
        (49, 32, 49),
        (13, 64, 64),
        (7, 65, 33),
        (6, 8, 65),
        (5, 17, 31),
        (70, 20, 300),
    ] {
        for (transpose_b, shift) in
            [(false, 40), (true, 40), (false, 49), (true, 20), (false, 30), (true, 24)]
        {
            let (a_row, out_row) = (k + 1, n + 2);
            let b_row = if transpose_b { k } else { n } + 3;
            let requant = Multiplier { mantissa: (1 << 30) + (noise.next() >> 2), shift };
            let args = MatMulArgs { m, n, k, a_row, b_row, transpose_b, out_row, requant };
            let b = noise.bytes(if transpose_b { n } else { k } * b_row);
            let narrow = noise.bytes(m * a_row);
            let wide: Vec<i16> =
                narrow.iter().map(|&x| if x == i8::MIN { i16::MIN } else { noise.next() as i16 }).collect();
            in_little_stack(|| {
                every_set!(products_agree(&args, Tensor::I8(&narrow), &b));
                every_set!(products_agree(&args, Tensor::I16(&wide), &b));
            });
        }
    }
}

fn sums_agree<S: Kernels + Default>(args: &AddArgs, x: &[i16], y: &[i16]) {
    let (mut set, mut want, mut got) = (S::default(), x.to_vec(), x.to_vec());
    Reference.add(args, &mut want, y).unwrap();
    set.add(args, &mut got, y).unwrap();
    assert_eq!(got, want, "{} {} {}", set.name(), x.len(), y.len());
}

/// Whole and ragged registers, rows that are repeated, multipliers of every kind.
#[test]
fn sums_are_the_reference() {
    let mut noise = Noise(4);
    for (stream, branch) in [
        ((0x5a00_1234, 31), (0x6300_9321, 30)),
        ((-0x6300_4321, 17), (i32::MIN, 46)),
        ((i32::MAX, 31), (1 << 30, 30)),
        ((0x7fff_7fff, 18), (-1, 17)),
        ((1 << 30, 16), (1 << 30, 47)),
    ] {
        let scale = |(mantissa, shift)| Multiplier { mantissa, shift };
        let args = AddArgs { x_scale: scale(stream), y_scale: scale(branch) };
        for (len, of) in [(1, 1), (15, 15), (64, 64), (100, 100), (333, 333), (200, 20), (297, 33)] {
            let mut words = |len| -> Vec<i16> {
                (0..len).map(|i| if i % 9 == 0 { i16::MIN } else { noise.next() as i16 }).collect()
            };
            let (x, y) = (words(len), words(of));
            every_set!(sums_agree(&args, &x, &y));
        }
    }
}

fn pixels_agree<S: Kernels + Default>(tables: &[i8], channels: usize, x: &[u8]) {
    let (mut set, mut want, mut got) = (S::default(), x.to_vec(), x.to_vec());
    Reference.quantize_image(tables, channels, &mut want).unwrap();
    set.quantize_image(tables, channels, &mut got).unwrap();
    assert_eq!(got, want, "{} {channels} {}", set.name(), x.len());
}

/// Whole and ragged registers of pixels.
#[test]
fn pixels_are_the_reference() {
    let mut noise = Noise(5);
    let tables = noise.bytes(4 * 256);
    for channels in 1..=4 {
        for pixels in [1, 5, 21, 64, 65, 1000] {
            let x: Vec<u8> = (0..pixels * channels).map(|_| noise.next() as u8).collect();
            every_set!(pixels_agree(&tables, channels, &x));
        }
    }
}

fn rows_agree<S: Kernels + Default>(args: &ShiftmaxArgs<'_>, x: &[i8]) {
    let (mut set, width) = (S::default(), args.width);
    let (mut want, mut got) = (vec![0i16; x.len()], vec![0i16; x.len()]);
    Reference.shiftmax(args, Tensor::I8(x), &mut TensorMut::I16(&mut want)).unwrap();
    set.shiftmax(args, Tensor::I8(x), &mut TensorMut::I16(&mut got)).unwrap();
    assert_eq!(got, want, "{} {width}", set.name());
    let (mut want, mut got) = (vec![0i8; x.len()], vec![0i8; x.len()]);
    Reference.shiftmax(args, Tensor::I8(x), &mut TensorMut::I8(&mut want)).unwrap();
    set.shiftmax(args, Tensor::I8(x), &mut TensorMut::I8(&mut got)).unwrap();
    assert_eq!(got, want, "{} {width}", set.name());
}

/// Short and long rows of Shiftmax, whole and ragged blocks.
#[test]
fn shiftmax_is_the_reference() {
    // Of two, of three and of four bytes.
    for exp in [(40, 9), (19, 16), (19, 21)].map(|(unit, bits)| ShiftExp { unit, bits }.table()) {
        for width in [1, 3, 15, 16, 17, 49, 63, 64, 65, 100, 127, 197, 255, 256, 257, 600] {
            let args = ShiftmaxArgs { width, exp: ExponentialRef::Table(&exp) };
            let x: Vec<i8> = (0..3 * width).map(|i| (i * i * 31 % 256) as u8 as i8).collect();
            in_little_stack(|| {
                every_set!(rows_agree(&args, &x));
            });
        }
    }
}
