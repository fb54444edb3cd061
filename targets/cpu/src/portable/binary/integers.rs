//! Binary layers over int8 and int16 activations, by tables: the signed sums of eight
//! inputs under all 256 choices of signs are made once, and looked up by the bytes of the
//! weights of every output channel.

use core::ops::{Add, Neg};

use quant::Fault;
use quant::ops::{BinaryLinearArgs, BinaryLinearOut};
use quant::slice::{rows, window, window_mut};

use super::{LANES, lanes};

/// Inputs of a table.
const BYTE: usize = 8;
/// Tables of a word.
const TABLES: usize = 4;
/// Words whose tables are held together.
const WORDS: usize = 4;
/// Output channels summed for one set of tables, a multiple of [`LANES`].
const CHANNELS: usize = 1024;

/// An activation, and what eight of them are summed in.
trait Activation: Copy + Default {
    type Sum: Copy + Default + Into<i32> + From<Self> + Add<Output = Self::Sum> + Neg<Output = Self::Sum>;
}

impl Activation for i8 {
    /// 8 · 128 < 2¹⁵.
    type Sum = i16;
}

impl Activation for i16 {
    type Sum = i32;
}

pub(crate) fn binary_linear_i8(
    args: &BinaryLinearArgs<'_>,
    x: &[i8],
    out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    layer(args, x, out)
}

pub(crate) fn binary_linear_i16(
    args: &BinaryLinearArgs<'_>,
    x: &[i16],
    out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    layer(args, x, out)
}

fn layer<T: Activation>(
    args: &BinaryLinearArgs<'_>,
    x: &[T],
    mut out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    let BinaryLinearArgs { weights, k } = args;
    out.clear();
    for (r, row) in rows(x, *k).enumerate() {
        for channel in (0..weights.n).step_by(CHANNELS) {
            let used = (weights.n - channel).min(CHANNELS);
            let mut sums = [0i32; CHANNELS];
            for (block, inputs) in row.chunks(WORDS * TABLES * BYTE).enumerate() {
                let tables = tables(inputs);
                for (panel, sums) in sums.chunks_exact_mut(LANES).take(used.div_ceil(LANES)).enumerate() {
                    for (word, tables) in (block * WORDS..weights.words).zip(&tables) {
                        add(&lanes(weights, channel + panel * LANES, word)?, tables, sums);
                    }
                }
            }
            for (panel, z) in window_mut(&mut sums, 0, used)?.chunks(LANES).enumerate() {
                out.store(r, channel + panel * LANES, window(z, 0, z.len())?)?;
            }
        }
    }
    Ok(())
}

/// The tables of up to four words of inputs: those past the end of a row count nothing.
#[inline(always)]
fn tables<T: Activation>(inputs: &[T]) -> [[[T::Sum; 256]; TABLES]; WORDS] {
    let mut tables = [[[T::Sum::default(); 256]; TABLES]; WORDS];
    for (table, x) in tables.as_flattened_mut().iter_mut().zip(inputs.chunks(BYTE)) {
        let mut eight = [T::Sum::default(); BYTE];
        for (place, &x) in eight.iter_mut().zip(x) {
            *place = x.into();
        }
        fill(table, eight);
    }
    tables
}

/// `table[b] = Σ (b_i ? x_i : −x_i)`: each input doubles the part that is known.
#[inline(always)]
fn fill<S: Copy + Default + Add<Output = S> + Neg<Output = S>>(table: &mut [S; 256], x: [S; BYTE]) {
    table[0] = -x.into_iter().fold(S::default(), |sum, x| sum + x);
    for (bit, x) in x.into_iter().enumerate() {
        let (known, next) = table.split_at_mut(1 << bit);
        for (place, &sum) in next.iter_mut().zip(known.iter()) {
            *place = sum + x + x;
        }
    }
}

/// `sums[lane] += Σ` of the table entries that the bytes of the lane's word choose.
#[inline(always)]
fn add<S: Copy + Into<i32>>(words: &[u32; LANES], tables: &[[S; 256]; TABLES], sums: &mut [i32]) {
    let [t0, t1, t2, t3] = tables;
    for (sum, word) in sums.iter_mut().zip(words) {
        let [b0, b1, b2, b3] = word.to_le_bytes().map(usize::from);
        let low: i32 = t0[b0].into() + t1[b1].into();
        let high: i32 = t2[b2].into() + t3[b3].into();
        *sum += low + high;
    }
}
