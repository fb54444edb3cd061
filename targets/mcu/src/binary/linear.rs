//! Dense layers of 1-bit weights: blocks of rows, blocks of channels, words of weights.

use core::iter::{once, repeat};

use quant::Fault;
use quant::bits::{BitPack, BitWeights};
use quant::ops::{BinaryLinearArgs, BinaryLinearOut};
use quant::slice::{window, window_mut};

use super::epilogue::Epilogue;
use super::fields::{Block, Fields};
use super::isa::{self, PANELS, Sums};
use super::subsets::{Inputs, Tables, WORDS};
use crate::zbb::{COUNTED, Rows};

/// Channels of a panel.
pub(crate) const LANES: usize = 16;
/// Channels that share the tables of a word.
pub(crate) const CHANNELS: usize = PANELS * LANES;

/// The activations of a layer, `R` rows of which share an entry of a table.
pub(super) trait Activations<const R: usize>: Fields<R> {
    /// Rows in all.
    fn rows(&self) -> usize;
    /// Largest magnitude of a sum.
    fn largest(&self) -> u64;
    /// What the inputs of word `word` add, of `R` rows from `row` on; of rows past the end,
    /// nothing that matters.
    fn inputs(&self, row: usize, word: usize, inputs: &mut Inputs);
    /// The same, where it is to be counted.
    #[inline(always)]
    fn counted(&self, _row: usize, _word: usize) -> Option<Rows> {
        None
    }
    /// What is added to the sums of row `row`, behind their factor.
    fn offset(&self, row: usize) -> i32;
}

/// A whole layer.
// On its own, so that one kind of activations at a time has its room on the stack.
#[inline(never)]
pub(super) fn layer<A: Activations<R>, const R: usize>(
    args: &BinaryLinearArgs<'_>,
    x: &A,
    mut out: BinaryLinearOut<'_>,
) -> Result<(), Fault> {
    let weights = args.weights;
    out.clear();
    let epilogue = Epilogue::new(&out, x.largest());
    let mut inputs = Inputs::new();
    let mut tables = Tables::new();
    let mut packed = [[0u32; LANES]; PANELS];
    let mut sums = Sums::new();
    let mut row = 0;
    while row < x.rows() {
        let rows = (x.rows() - row).min(R);
        let offsets = core::array::from_fn(|lane| x.offset(row + lane));
        let block = Block { offsets, rows, up: epilogue.up() };
        let mut channel = 0;
        while channel < weights.n {
            let width = (weights.n - channel).min(CHANNELS);
            let packed = window_mut(&mut packed, 0, width.div_ceil(LANES))?;
            let mut word = 0;
            loop {
                let until = weights.words.min(word + WORDS);
                for (word, fresh) in (word..until).zip(once(true).chain(repeat(false))) {
                    if let Some(rows) = x.counted(row, word) {
                        add_counts(&rows, &weights, (channel, word), fresh, packed)?;
                        continue;
                    }
                    x.inputs(row, word, &mut inputs);
                    tables.fill(&inputs);
                    add(&tables, &weights, (channel, word), fresh, packed)?;
                }
                let (first, last) = (word == 0, until == weights.words);
                let packed = window(packed.as_flattened(), 0, width)?;
                sums.take::<A>(packed, (first, last), &block)?;
                if last {
                    sums.store::<A>(packed, first, &block, &epilogue, (row, channel), &mut out)?;
                    break;
                }
                word = until;
            }
            channel += width;
        }
        row += rows;
    }
    Ok(())
}

/// Adds the sums of word `at.1` with the channels from `at.0` on; to 0 if `fresh`.
#[inline(never)]
fn add(
    tables: &Tables,
    weights: &BitWeights<'_>,
    at: (usize, usize),
    fresh: bool,
    packed: &mut [[u32; LANES]],
) -> Result<(), Fault> {
    isa::add(tables, weights, at, fresh, packed)
}

/// As [`add`], of signs that are counted.
#[inline(never)]
fn add_counts(
    rows: &Rows,
    weights: &BitWeights<'_>,
    at: (usize, usize),
    fresh: bool,
    packed: &mut [[u32; LANES]],
) -> Result<(), Fault> {
    panels(weights, at, fresh, packed, |weights, sums| rows.add(weights, sums))
}

/// Calls `add` with the weights and the sums of each panel.
#[inline(always)]
pub(crate) fn panels(
    weights: &BitWeights<'_>,
    (channel, word): (usize, usize),
    fresh: bool,
    packed: &mut [[u32; LANES]],
    add: impl Fn(&[u32; LANES], &mut [u32; LANES]),
) -> Result<(), Fault> {
    if fresh {
        packed.as_flattened_mut().fill(0);
    }
    match weights.pack {
        BitPack::Rows => {
            for (panel, packed) in packed.iter_mut().enumerate() {
                add(&gathered(weights, channel + panel * LANES, word), packed);
            }
        }
        BitPack::Panel16 => {
            for (panel, packed) in packed.iter_mut().enumerate() {
                let start = weights.pack.index(weights.words, channel + panel * LANES, word);
                let words = window(weights.data, start, LANES)?;
                add(words.try_into().map_err(|_| Fault::Bounds)?, packed);
            }
        }
    }
    Ok(())
}

/// Word `word` of the channels from `first` on; 0 past the last one.
#[inline(never)]
fn gathered(weights: &BitWeights<'_>, first: usize, word: usize) -> [u32; LANES] {
    let mut lanes = [0; LANES];
    for (lane, channel) in lanes.iter_mut().zip(first..weights.n) {
        *lane = weights.get(channel, word);
    }
    lanes
}

/// Signs, or −1, 0 and 1: four rows in 8 bits each. What is counted is where they differ from
/// the weights.
pub(super) struct Signs<'a> {
    pub(super) sign: &'a [u32],
    /// Which are not 0, where some are.
    pub(super) nonzero: Option<&'a [u32]>,
    pub(super) words: usize,
    pub(super) k: usize,
}

impl Signs<'_> {
    #[inline(always)]
    fn words(&self, from: &[u32], row: usize, word: usize) -> [u32; 4] {
        core::array::from_fn(|lane| from.get((row + lane) * self.words + word).copied().unwrap_or(0))
    }
}

impl Activations<4> for Signs<'_> {
    fn rows(&self) -> usize {
        self.sign.len().checked_div(self.words).unwrap_or(0)
    }

    fn largest(&self) -> u64 {
        self.words as u64 * 64
    }

    #[inline(always)]
    fn inputs(&self, row: usize, word: usize, inputs: &mut Inputs) {
        let signs = self.words(self.sign, row, word);
        match self.nonzero {
            None => inputs.count(signs, [u32::MAX; 4]),
            Some(nonzero) => {
                let nonzero = self.words(nonzero, row, word);
                let signs = core::array::from_fn(|lane| signs[lane] & nonzero[lane]);
                inputs.count(signs, nonzero);
            }
        }
    }

    #[inline(always)]
    fn counted(&self, row: usize, word: usize) -> Option<Rows> {
        let nonzero = || self.nonzero.map(|nonzero| self.words(nonzero, row, word));
        COUNTED.then(|| Rows { signs: self.words(self.sign, row, word), nonzero: nonzero() })
    }

    fn offset(&self, row: usize) -> i32 {
        let nonzero = self.nonzero.map(|m| window(m, row * self.words, self.words).unwrap_or(&[]));
        nonzero.map_or(self.k as i32, |m| m.iter().map(|m| m.count_ones()).sum::<u32>() as i32)
    }
}

impl Fields<4> for Signs<'_> {
    const FACTOR: i32 = -2;
    const SIGNED: bool = false;

    #[inline(always)]
    fn fields(entry: u32) -> [i32; 4] {
        entry.to_le_bytes().map(i32::from)
    }
}

/// int8: two rows in 16 bits each.
pub(super) struct Bytes<'a> {
    pub(super) x: &'a [i8],
    pub(super) k: usize,
}

impl Activations<2> for Bytes<'_> {
    fn rows(&self) -> usize {
        self.x.len().checked_div(self.k).unwrap_or(0)
    }

    fn largest(&self) -> u64 {
        (self.k as u64) << 7
    }

    #[inline(always)]
    fn inputs(&self, row: usize, word: usize, inputs: &mut Inputs) {
        let (first, second) = (part(self.x, self.k, row, word), part(self.x, self.k, row + 1, word));
        let both = first.iter().zip(&second);
        inputs.sum(both.map(|(&a, &b)| (i32::from(a) as u32).wrapping_add((i32::from(b) as u32) << 16)));
    }

    fn offset(&self, _: usize) -> i32 {
        0
    }
}

impl Fields<2> for Bytes<'_> {
    const FACTOR: i32 = 1;
    const SIGNED: bool = true;

    #[inline(always)]
    fn fields(entry: u32) -> [i32; 2] {
        let low = i32::from(entry as i16);
        [low, (entry as i32).wrapping_sub(low) >> 16]
    }
}

/// int16: one row.
pub(super) struct Shorts<'a> {
    pub(super) x: &'a [i16],
    pub(super) k: usize,
}

impl Activations<1> for Shorts<'_> {
    fn rows(&self) -> usize {
        self.x.len().checked_div(self.k).unwrap_or(0)
    }

    fn largest(&self) -> u64 {
        (self.k as u64) << 15
    }

    #[inline(always)]
    fn inputs(&self, row: usize, word: usize, inputs: &mut Inputs) {
        inputs.sum(part(self.x, self.k, row, word).iter().map(|&x| i32::from(x) as u32));
    }

    fn offset(&self, _: usize) -> i32 {
        0
    }
}

impl Fields<1> for Shorts<'_> {
    const FACTOR: i32 = 1;
    const SIGNED: bool = true;

    #[inline(always)]
    fn fields(entry: u32) -> [i32; 1] {
        [entry as i32]
    }
}

/// The inputs of row `row` that word `word` meets; 0 past the end of a row.
#[inline(always)]
fn part<T: Copy + Default>(x: &[T], k: usize, row: usize, word: usize) -> [T; 32] {
    let row = window(x, row * k, k).unwrap_or(&[]);
    let rest = row.get(32 * word..).unwrap_or(&[]);
    if let Some(all) = rest.first_chunk() {
        return *all;
    }
    let mut some = [T::default(); 32];
    some.iter_mut().zip(rest).for_each(|(place, &x)| *place = x);
    some
}
