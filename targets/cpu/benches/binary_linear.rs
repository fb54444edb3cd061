//! A binary layer of 1-bit activations against the int8 reference of the same shape.
//!
//! `cargo bench -p shiftformer-cpu --bench binary_linear` times every variant of a layer
//! of 256 rows, 1536 channels and 384 inputs, then prints how much faster the portable
//! W1A1 kernel is than the scalar int8 reference, both measured in turns.

use std::time::{Duration, Instant};

use criterion::Criterion;
use quant::bits::{BitPack, BitWeights};
use quant::ops::{BinaryLinearArgs, BinaryLinearOut, ChannelsRef, LinearArgs, LinearOut};
use quant::pack::{Pack, Weights};
use quant::{Kernels, Reference};
use shiftformer_cpu::Portable;

const ROWS: usize = 256;
const N: usize = 1536;
const K: usize = 384;
const WORDS: usize = K / 32;

/// Random operands of one layer, in every width.
struct Layer {
    x8: Vec<i8>,
    x16: Vec<i16>,
    x: Vec<u32>,
    nonzero: Vec<u32>,
    weights8: Vec<i8>,
    rows: Vec<u32>,
    panels: Vec<u32>,
    bias: Vec<i32>,
    mantissa: Vec<i32>,
    shift: Vec<u8>,
    out: Vec<i8>,
}

impl Layer {
    fn new() -> Self {
        let mut state = 1u64;
        let mut bits = || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (state >> 32) as u32
        };
        let rows: Vec<u32> = (0..N * WORDS).map(|_| bits()).collect();
        let mut panels = vec![0; rows.len()];
        for row in 0..N {
            for word in 0..WORDS {
                panels[BitPack::Panel16.index(WORDS, row, word)] = rows[row * WORDS + word];
            }
        }
        Self {
            x8: (0..ROWS * K).map(|_| bits() as i8).collect(),
            x16: (0..ROWS * K).map(|_| bits() as i16).collect(),
            x: (0..ROWS * WORDS).map(|_| bits()).collect(),
            nonzero: (0..ROWS * WORDS).map(|_| bits() | bits()).collect(),
            weights8: (0..N * K).map(|_| (bits() as i8).max(-127)).collect(),
            rows,
            panels,
            bias: vec![1000; N],
            mantissa: vec![1 << 30; N],
            shift: vec![36; N],
            out: vec![0; ROWS * N],
        }
    }

    fn requant(&self) -> ChannelsRef<'_> {
        ChannelsRef { mantissa: &self.mantissa, shift: &self.shift }
    }

    fn int8(&mut self, kernels: &mut impl Kernels) {
        let mut out = std::mem::take(&mut self.out);
        let weights = Weights { data: &self.weights8, pack: Pack::RowMajor, n: N, k: K };
        let args = LinearArgs { weights, bias: &self.bias, requant: self.requant() };
        kernels.linear_i8(&args, &self.x8, LinearOut::I8 { out: &mut out, table: None }).unwrap();
        self.out = out;
    }

    fn binary(
        &mut self,
        pack: BitPack,
        run: impl FnOnce(&Self, &BinaryLinearArgs<'_>, BinaryLinearOut<'_>) -> Result<(), quant::Fault>,
    ) {
        let mut out = std::mem::take(&mut self.out);
        let data = match pack {
            BitPack::Rows => &self.rows,
            BitPack::Panel16 => &self.panels,
        };
        let args = BinaryLinearArgs { weights: BitWeights { data, pack, n: N, words: WORDS }, k: K };
        let dense = BinaryLinearOut::Dense {
            up: 0,
            bias: &self.bias,
            requant: self.requant(),
            out: LinearOut::I8 { out: &mut out, table: None },
            n: N,
        };
        run(self, &args, dense).unwrap();
        self.out = out;
    }

    fn w1a1(&mut self, kernels: &mut impl Kernels, pack: BitPack) {
        self.binary(pack, |layer, args, out| kernels.binary_linear_sign(args, &layer.x, out));
    }

    fn ternary(&mut self, kernels: &mut impl Kernels, pack: BitPack) {
        self.binary(pack, |l, args, out| kernels.binary_linear_ternary(args, &l.x, &l.nonzero, out));
    }

    fn w1a8(&mut self, kernels: &mut impl Kernels, pack: BitPack) {
        self.binary(pack, |layer, args, out| kernels.binary_linear_i8(args, &layer.x8, out));
    }

    fn w1a16(&mut self, kernels: &mut impl Kernels, pack: BitPack) {
        self.binary(pack, |layer, args, out| kernels.binary_linear_i16(args, &layer.x16, out));
    }
}

fn all(c: &mut Criterion) {
    let layer = &mut Layer::new();
    let mut group = c.benchmark_group("256x1536x384");
    group.sample_size(10).measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(300));
    group.bench_function("int8 reference", |b| b.iter(|| layer.int8(&mut Reference)));
    group.bench_function("w1a8 reference", |b| b.iter(|| layer.w1a8(&mut Reference, BitPack::Rows)));
    group.bench_function("w1a1 reference", |b| b.iter(|| layer.w1a1(&mut Reference, BitPack::Rows)));
    for pack in BitPack::ALL {
        let name = |width: &str| format!("{width} portable, {}", pack.name());
        group.bench_function(name("w1a1"), |b| b.iter(|| layer.w1a1(&mut Portable, pack)));
        group.bench_function(name("ternary"), |b| b.iter(|| layer.ternary(&mut Portable, pack)));
        group.bench_function(name("w1a8"), |b| b.iter(|| layer.w1a8(&mut Portable, pack)));
        group.bench_function(name("w1a16"), |b| b.iter(|| layer.w1a16(&mut Portable, pack)));
    }
    group.finish();
}

/// Median times of the int8 reference and of portable W1A1, in turns.
fn ratio() -> f64 {
    let layer = &mut Layer::new();
    let timed = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    };
    let (mut int8, mut w1a1) = (Vec::new(), Vec::new());
    for _ in 0..21 {
        int8.push(timed(&mut || layer.int8(&mut Reference)));
        w1a1.push(timed(&mut || layer.w1a1(&mut Portable, BitPack::Panel16)));
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    median(&mut int8) / median(&mut w1a1)
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    all(&mut criterion);
    criterion.final_summary();
    println!("portable W1A1 against the int8 reference: {:.1} times as fast", ratio());
}
