//! Sums of 32 inputs under every pattern of 1-bit weights, by table.
//!
//! The inputs that a word of weights meets are cut into groups of 6, 6, 5, 5, 5 and 5. What
//! a group adds is looked up by its weights, in a table that serves many channels. An entry
//! holds the sums of several rows side by side, as one integer `Σ sum[r] · 2^(width · r)`, so
//! that one addition adds them all.

use quant::slice::{chunks, chunks_mut};

use super::isa;

/// Words of weights after which sums of 32 inputs each must be taken out of an entry:
/// `7 · 32 < 2⁸` counts, `7 · 32 · 2⁷ < 2¹⁵` sums of int8.
pub(crate) const WORDS: usize = 7;

/// Inputs of the first three groups.
pub(crate) const LOW: usize = 17;

/// What 32 inputs add, without a gap.
#[repr(C)]
pub(crate) struct Inputs {
    /// All of them together where every weight is −1.
    pub(crate) all_minus: u32,
    /// Each of them, how much more where its weight is +1.
    pub(crate) more: [u32; 32],
}

impl Inputs {
    pub(crate) const fn new() -> Self {
        Self { all_minus: 0, more: [0; 32] }
    }

    /// Of bits, a word for each row: the count of those in `nonzero` that differ from their
    /// weight.
    #[inline(always)]
    pub(crate) fn count(&mut self, signs: [u32; 4], nonzero: [u32; 4]) {
        let (signs, nonzero) = (bytes_of(signs), bytes_of(nonzero));
        isa::count(self, signs, nonzero);
    }

    /// Of integers, packed by the caller: their sum.
    #[inline(always)]
    pub(crate) fn sum(&mut self, packed: impl Iterator<Item = u32>) {
        self.all_minus = 0;
        for (more, x) in self.more.iter_mut().zip(packed) {
            self.all_minus = self.all_minus.wrapping_sub(x);
            *more = x.wrapping_mul(2);
        }
    }
}

/// Byte `i` of every row, the first row lowest: entry `i`.
#[inline(always)]
fn bytes_of(rows: [u32; 4]) -> [u32; 4] {
    let rows = rows.map(u32::to_le_bytes);
    core::array::from_fn(|i| u32::from_le_bytes(rows.map(|row| row[i])))
}

/// The tables of one word of weights, without a gap.
#[repr(C)]
pub(crate) struct Tables {
    pub(crate) six: [[u32; 64]; 2],
    pub(crate) five: [[u32; 32]; 4],
}

impl Tables {
    pub(crate) const fn new() -> Self {
        Self { six: [[0; 64]; 2], five: [[0; 32]; 4] }
    }

    /// The tables of `inputs`.
    // One copy for all kinds of inputs.
    #[inline(never)]
    pub(crate) fn fill(&mut self, inputs: &Inputs) {
        isa::fill(self, inputs);
    }

    /// The tables of the first [`LOW`] inputs; there must be no others.
    // One copy, as above.
    #[inline(never)]
    pub(crate) fn fill_low(&mut self, inputs: &Inputs) {
        isa::fill_low(self, inputs);
    }

    /// What the first [`LOW`] inputs add under the weights `w`.
    #[inline(always)]
    pub(crate) fn get_low(&self, w: u32) -> u32 {
        let ([a, b], [c, ..]) = (&self.six, &self.five);
        let (a, b) = (a[w as usize % 64], b[(w >> 6) as usize % 64]);
        a.wrapping_add(b).wrapping_add(c[(w >> 12) as usize % 32])
    }

    /// What the 32 inputs add under the weights `w`.
    #[inline(always)]
    pub(crate) fn get(&self, w: u32) -> u32 {
        let [_, d, e, f] = &self.five;
        let five = |table: &[u32; 32], from: u32| table[(w >> from) as usize % 32];
        let high = five(d, 17).wrapping_add(five(e, 22)).wrapping_add(five(f, 27));
        self.get_low(w).wrapping_add(high)
    }

    /// Adds to each sum what the inputs add under its weights.
    #[inline(always)]
    pub(crate) fn add<const N: usize>(&self, weights: &[u32; N], sums: &mut [u32; N]) {
        // Four at a time share the addresses of the tables.
        for (w, sums) in chunks::<4, _>(weights).0.iter().zip(chunks_mut::<4, _>(sums).0) {
            let [a, b, c, d] = w.map(|w| self.get(w));
            for (sum, more) in sums.iter_mut().zip([a, b, c, d]) {
                *sum = sum.wrapping_add(more);
            }
        }
    }
}

/// The sums of every subset of three, and `first`.
#[inline(always)]
pub(crate) fn subsets(first: u32, [a, b, c]: [u32; 3]) -> [u32; 8] {
    let a = [first, first.wrapping_add(a)];
    let [p, q] = a;
    let ab = [p, q, p.wrapping_add(b), q.wrapping_add(b)];
    core::array::from_fn(|i| ab[i % 4].wrapping_add(if i < 4 { 0 } else { c }))
}

/// `low + high` of every pair, as far as there is room.
#[inline(always)]
pub(crate) fn spread<const N: usize>(table: &mut [u32; N], low: &[u32; 8], high: &[u32; 8]) {
    for (entries, &high) in chunks_mut::<8, _>(table).0.iter_mut().zip(high) {
        *entries = low.map(|low| low.wrapping_add(high));
    }
}
