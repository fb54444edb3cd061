//! Binary ops over counts of bits in 16 words at once: those of a panel of weights, of as many keys, or
//! of as many channels of values.

mod attention;
mod layers;

use super::isa::LANES;
pub(super) use attention::attention;
pub(super) use layers::{bytes, signs, ternary, words};

/// Elements of a word.
const WORD: usize = 32;

/// One word of each lane.
type Panel = [u32; LANES];

/// Counts of bits.
///
/// # Safety
///
/// As for [`Isa`](super::isa::Isa).
pub(super) unsafe trait Count: Copy {
    /// A count for each lane, in registers.
    type Counts: Copy;

    /// Most words whose bits are counted together.
    const MOST: usize;

    /// Counts of nothing.
    ///
    /// # Safety
    ///
    /// As the trait says.
    unsafe fn none() -> Self::Counts;

    /// `counts[i] + popcount((x ⊕ w[i]) ∧ m)`.
    ///
    /// # Safety
    ///
    /// As the trait says.
    unsafe fn add(counts: Self::Counts, x: u32, m: u32, w: &Panel) -> Self::Counts;

    /// Adds `counts` to `sums`.
    ///
    /// # Safety
    ///
    /// As the trait says.
    unsafe fn add_to(sums: &mut [u32; LANES], counts: Self::Counts);

    /// The least of `values`.
    ///
    /// # Safety
    ///
    /// As the trait says.
    unsafe fn least(values: &[[u32; LANES]]) -> u32;

    /// Bit `i` says whether `values[i] ≤ limit`, all of which are below 2³¹.
    ///
    /// # Safety
    ///
    /// As the trait says.
    unsafe fn at_most(values: &[u32; LANES], limit: u32) -> u32;
}

/// `Σ popcount((x ⊕ w) ∧ m)` of each lane of some panels over the pairs `(x, m)`.
///
/// # Safety
///
/// As [`Count`] says.
#[inline(always)]
unsafe fn counted<I: Count, const P: usize>(
    mut pairs: impl Iterator<Item = (u32, u32)>,
    panels: &[&[Panel]; P],
) -> [[u32; LANES]; P] {
    let words = panels.iter().map(|panel| panel.len()).min().unwrap_or(0);
    let mut sums = [[0; LANES]; P];
    for first in (0..words).step_by(I::MOST) {
        // SAFETY: as the caller vouches; `word` is below the length of every panel.
        unsafe {
            let mut counts = [I::none(); P];
            for (word, (x, m)) in (first..words.min(first.saturating_add(I::MOST))).zip(&mut pairs) {
                for (counts, panel) in counts.iter_mut().zip(panels) {
                    *counts = I::add(*counts, x, m, panel.get_unchecked(word));
                }
            }
            for (sums, counts) in sums.iter_mut().zip(counts) {
                I::add_to(sums, counts);
            }
        }
    }
    sums
}
