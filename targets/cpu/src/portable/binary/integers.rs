//! Binary layers over int8 and int16 activations: weights are expanded to masks of four
//! inputs once for a tile of rows, then `z = 2·Σ (x ∧ mask) − Σ x`.

use core::ops::{Add, BitAnd};

use quant::Fault;
use quant::ops::{BinaryLinearArgs, BinaryLinearOut};
use quant::slice::{rows, window};

use super::{LANES, lanes};

/// Rows that share the masks of four inputs.
const ROWS: usize = 16;
/// Inputs of a word.
const WORD: usize = 32;
/// Inputs added at once.
const QUAD: usize = 4;

/// An activation, and the lane that four selected ones are summed in.
trait Activation: Copy + Default + Into<i32> {
    type Lane: Copy
        + Default
        + Into<i32>
        + From<Self>
        + Add<Output = Self::Lane>
        + BitAnd<Output = Self::Lane>;

    /// All ones where `bit` of `word` is set.
    fn mask(word: u32, bit: usize) -> Self::Lane;
}

impl Activation for i8 {
    /// 4 · 128 < 2¹⁵.
    type Lane = i16;

    #[inline(always)]
    fn mask(word: u32, bit: usize) -> i16 {
        ((word << (WORD - 1 - bit)) as i32 >> 31) as i16
    }
}

impl Activation for i16 {
    type Lane = i32;

    #[inline(always)]
    fn mask(word: u32, bit: usize) -> i32 {
        (word << (WORD - 1 - bit)) as i32 >> 31
    }
}

pub(crate) fn linear_i8(
    args: &BinaryLinearArgs<'_>,
    x: &[i8],
    out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    layer(args, x, out)
}

pub(crate) fn linear_i16(
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
    for (tile, x) in x.chunks(ROWS * (*k).max(1)).enumerate() {
        let mut sums = [0i32; ROWS];
        for (sum, row) in sums.iter_mut().zip(rows(x, *k)) {
            *sum = row.iter().map(|&x| x.into()).sum();
        }
        let mut channel = 0;
        while channel < weights.n {
            let used = (weights.n - channel).min(LANES);
            let mut selected = [[0i32; LANES]; ROWS];
            for word in 0..weights.words {
                let words = lanes(weights, channel, word)?;
                for quad in 0..WORD / QUAD {
                    let masks = expand::<T>(&words, quad * QUAD);
                    for (row, acc) in rows(x, *k).zip(&mut selected) {
                        add(four(row, word * WORD + quad * QUAD), &masks, acc);
                    }
                }
            }
            for (r, (acc, &sum)) in selected.iter().zip(&sums).take(x.len() / (*k).max(1)).enumerate() {
                let z = acc.map(|selected| 2 * selected - sum);
                out.store(tile * ROWS + r, channel, window(&z, 0, used)?)?;
            }
            channel += used;
        }
    }
    Ok(())
}

/// The masks of the four inputs from bit `first` of a word on.
#[inline(always)]
fn expand<T: Activation>(words: &[u32; LANES], first: usize) -> [[T::Lane; LANES]; QUAD] {
    [0, 1, 2, 3].map(|bit| words.map(|word| T::mask(word, first + bit)))
}

/// The four inputs from `first` on; 0 past the end of the row.
#[inline(always)]
fn four<T: Activation>(row: &[T], first: usize) -> [T; QUAD] {
    let row = row.get(first..).unwrap_or(&[]);
    row.first_chunk().copied().unwrap_or_else(|| {
        let mut last = [T::default(); QUAD];
        last.iter_mut().zip(row).for_each(|(place, &x)| *place = x);
        last
    })
}

/// `acc[lane] += Σ (x ∧ mask[lane])`.
#[inline(always)]
fn add<T: Activation>(x: [T; QUAD], masks: &[[T::Lane; LANES]; QUAD], acc: &mut [i32; LANES]) {
    let [x0, x1, x2, x3] = x.map(T::Lane::from);
    let [m0, m1, m2, m3] = masks;
    for lane in 0..LANES {
        let low = (x0 & m0[lane]) + (x1 & m1[lane]);
        let high = (x2 & m2[lane]) + (x3 & m3[lane]);
        acc[lane] += (low + high).into();
    }
}
