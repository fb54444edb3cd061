//! Binary layers against the int8 layer of the same shape, and binary attention, by every kernel set of
//! this machine: `cargo bench -p shiftformer-cpu --bench binary`.
//!
//! Layers of 256 rows, 1536 channels and 384 inputs, and attention of six heads over as many rows and
//! inputs, run in turns on one thread; times are the least.

use std::time::{Duration, Instant};

use quant::bits::BitPack;
use quant::mem::{Blob, Element, Memory, Slot, Window};
use quant::ops::{
    Act, BinaryAttention, BinaryAttentionDestination, BinaryLinear, BinaryOut, BitAct, Channels, Destination,
    Linear, PerChannel,
};
use quant::pack::Pack;
use quant::{KernelSet, Op, REFERENCE};
use shiftformer_cpu::KERNEL_SETS;

const ROWS: u32 = 256;
const N: u32 = 1536;
const K: u32 = 384;
const WORDS: u32 = K / 32;
const HEADS: u32 = 6;

const ROUNDS: usize = 41;
/// The reference takes a hundred times as long.
const SLOW_ROUNDS: usize = 3;

/// Random bytes, and constants of layers behind them.
#[derive(Default)]
struct Bytes {
    /// Words, so that they are aligned.
    words: Vec<u32>,
    state: u64,
}

impl Bytes {
    /// `len` elements of what `value` makes of random bits, in whole words.
    fn push<T: Element + bytemuck::NoUninit>(&mut self, len: u32, value: impl Fn(u32) -> T) -> u32 {
        let offset = 4 * self.words.len() as u32;
        let values: Vec<T> = (0..len)
            .map(|_| {
                self.state = self.state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                value((self.state >> 32) as u32)
            })
            .collect();
        let bytes: &[u8] = bytemuck::cast_slice(&values);
        self.words.extend(
            bytes.chunks_exact(4).map(|word| u32::from_ne_bytes([word[0], word[1], word[2], word[3]])),
        );
        offset
    }
}

/// Ops of one shape over one arena and its constants.
struct Ops {
    arena: Bytes,
    blobs: Bytes,
    /// Names, and what runs.
    ops: Vec<(&'static str, Op)>,
}

impl Ops {
    fn new() -> Self {
        let (mut arena, mut blobs) = (Bytes::default(), Bytes::default());
        let requant = PerChannel {
            bias: Blob::new(blobs.push(N, |_| 1000i32), N),
            scale: Channels {
                mantissa: Blob::new(blobs.push(N, |_| 1i32 << 30), N),
                shift: Blob::new(blobs.push(N, |_| 36u8), N),
            },
        };
        let int8 = Blob::new(blobs.push(N * K, |bits| (bits as i8).max(-127)), N * K);
        let bits = Blob::new(blobs.push(N * WORDS, |bits| bits), N * WORDS);
        let out = Destination::I8 { out: Slot::new(arena.push(ROWS * N, |_| 0i8), ROWS * N), table: None };
        let x8 = Slot::new(arena.push(ROWS * K, |bits| bits as i8), ROWS * K);
        let x16 = Slot::new(arena.push(ROWS * K, |bits| bits as i16), ROWS * K);
        let mut words = || Slot::new(arena.push(ROWS * WORDS, |bits| bits), ROWS * WORDS);
        let (sign, nonzero) = (words(), words());
        let attention = BinaryAttention {
            queries: ROWS,
            keys: ROWS,
            heads: HEADS,
            head_dim: K / HEADS,
            q: sign,
            q_stride: WORDS,
            k: nonzero,
            k_stride: WORDS,
            v: words(),
            distance: Blob::new(blobs.push(HEADS, |_| 16u32), HEADS),
            out: BinaryAttentionDestination::I16(Slot::new(arena.push(ROWS * K, |_| 0i16), ROWS * K)),
            selected: Slot::new(arena.push(ROWS / 32, |_| 0u32), ROWS / 32),
        };
        let pack = Pack::Panel16x4;
        let linear = Linear { rows: ROWS, k: K, n: N, x: Act::I8(x8), weights: int8, pack, requant, out };
        let binary = |x| {
            let (out, pack) = (BinaryOut::Dense { requant, out }, BitPack::Panel16);
            Op::BinaryLinear(BinaryLinear { rows: ROWS, k: K, n: N, group: K, x, weights: bits, pack, out })
        };
        let ops = vec![
            ("int8", Op::Linear(linear)),
            ("W1A1", binary(BitAct::Sign(sign))),
            ("ternary", binary(BitAct::Ternary { sign, nonzero })),
            ("W1A8", binary(BitAct::I8(x8))),
            ("W1A16", binary(BitAct::I16(x16))),
            ("attention", Op::BinaryAttention(attention)),
        ];
        Self { arena, blobs, ops }
    }

    /// The least time of each op by `set`.
    fn times(&mut self, set: &KernelSet, rounds: usize) -> Vec<Duration> {
        let mut least = vec![Duration::MAX; self.ops.len()];
        for _ in 0..rounds {
            for (least, (_, op)) in least.iter_mut().zip(&self.ops) {
                let arena = bytemuck::cast_slice_mut(&mut self.arena.words);
                let mut memory = Memory::new(arena, bytemuck::cast_slice(&self.blobs.words));
                let start = Instant::now();
                set.run(op, &mut memory, Window { start: 0, count: ROWS, total: ROWS })
                    .expect("sound operands");
                *least = start.elapsed().min(*least);
            }
        }
        least
    }
}

fn main() {
    let mut ops = Ops::new();
    println!("µs of {ROWS} x {N} x {K}, and how many times as fast as int8 by the same kernels:");
    for set in KERNEL_SETS.iter().filter(|set| set.is_available()).chain([&REFERENCE]) {
        let rounds = if set.name() == REFERENCE.name() { SLOW_ROUNDS } else { ROUNDS };
        let times = ops.times(set, rounds);
        print!("{:12}", set.name());
        for ((name, _), time) in ops.ops.iter().zip(&times) {
            let ratio = times[0].as_secs_f64() / time.as_secs_f64();
            print!("  {name} {:.0} ({ratio:.2})", time.as_secs_f64() * 1e6);
        }
        println!();
    }
}
