//! Cutting rows in two, again and again, and running the parts at the same time.

use core::hint;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, Ordering};

use quant::Fault;
use quant::ops::{BinaryLinearOut, BitsOut, LinearOut, Planes, TensorMut};

/// Cuts lie behind a multiple of the first of these of which the rows before are four at least: whole
/// tiles of kernels, which have 4, 6 or 16 rows, as far as parts stay alike.
const UNITS: [usize; 3] = [48, 12, 4];

/// What is written, which can be cut between two rows.
pub(super) trait Cut: Send + Sized {
    /// Whether it can be cut behind the first `rows` of `of` rows.
    fn admits(&self, rows: usize, of: usize) -> bool;

    /// What belongs to the first `rows` of `of` rows, and to the others.
    fn cut(self, rows: usize, of: usize) -> (Self, Self);
}

/// Runs `run` on the rows `rows` of `out` in at most `parts` parts, on the threads of the pool that
/// this is called in.
pub(super) fn in_parts<O: Cut>(
    rows: Range<usize>,
    parts: usize,
    out: O,
    // One copy for all kernels: joins are more code than a call of one is work.
    run: &(dyn Fn(Range<usize>, O) -> Result<(), Fault> + Sync),
) -> Result<(), Fault> {
    let first = rows_of_first_half(rows.len(), parts);
    if first == 0 || !out.admits(first, rows.len()) {
        return run(rows, out);
    }
    let middle = rows.start + first;
    let (left, right) = out.cut(first, rows.len());
    let is_done = AtomicBool::new(false);
    let (left, right) = rayon::join(
        || {
            let left = in_parts(rows.start..middle, parts / 2, left, run);
            look_for_work(&is_done);
            left
        },
        || {
            let right = in_parts(middle..rows.end, parts - parts / 2, right, run);
            is_done.store(true, Ordering::Release);
            right
        },
    );
    left.and(right)
}

/// Rounds in which a thread looks for work until the other half is done, some hundreds of microseconds: rayon
/// lets a thread sleep after some ten, and to wake it takes as long.
const ROUNDS: usize = 1 << 12;

/// Does what others have not begun, until `is_done`, or for [`ROUNDS`].
fn look_for_work(is_done: &AtomicBool) {
    for _ in 0..ROUNDS {
        if is_done.load(Ordering::Acquire) {
            return;
        }
        if rayon::yield_now() != Some(rayon::Yield::Executed) {
            hint::spin_loop();
        }
    }
}

/// How many of `rows` rows are the first half of `parts` parts; 0 where they stay together.
fn rows_of_first_half(rows: usize, parts: usize) -> usize {
    let parts = parts.min(rows);
    let half = (rows as u64 * (parts / 2) as u64).checked_div(parts as u64).unwrap_or(0) as usize;
    let unit = UNITS.into_iter().find(|unit| half >= 4 * unit).unwrap_or(1);
    (half + unit / 2) / unit * unit
}

/// Elements that can be cut between two of them.
pub(super) trait Elements: Send + Sized {
    /// How many there are.
    fn count(&self) -> usize;

    /// The first `at` elements, and the others.
    fn halves(self, at: usize) -> (Self, Self);
}

impl<T: Send> Elements for &mut [T] {
    fn count(&self) -> usize {
        self.len()
    }

    fn halves(self, at: usize) -> (Self, Self) {
        self.split_at_mut(at)
    }
}

impl Elements for TensorMut<'_> {
    fn count(&self) -> usize {
        self.len()
    }

    fn halves(self, at: usize) -> (Self, Self) {
        match self {
            TensorMut::I8(all) => both(all.halves(at), TensorMut::I8),
            TensorMut::I16(all) => both(all.halves(at), TensorMut::I16),
            TensorMut::I32(all) => both(all.halves(at), TensorMut::I32),
        }
    }
}

impl Elements for LinearOut<'_> {
    fn count(&self) -> usize {
        self.len()
    }

    fn halves(self, at: usize) -> (Self, Self) {
        match self {
            LinearOut::I8 { out, table } => both(out.halves(at), |out| LinearOut::I8 { out, table }),
            LinearOut::I16 { out, residual } => both(out.halves(at), |out| LinearOut::I16 { out, residual }),
            LinearOut::I32 { out } => both(out.halves(at), |out| LinearOut::I32 { out }),
        }
    }
}

fn both<A, B>((first, second): (A, A), of: impl Fn(A) -> B) -> (B, B) {
    (of(first), of(second))
}

/// Elements in rows of `width`; the last row may be shorter.
pub(super) struct Rows<E> {
    pub(super) elements: E,
    pub(super) width: usize,
}

impl<E: Elements> Cut for Rows<E> {
    fn admits(&self, rows: usize, _: usize) -> bool {
        rows.checked_mul(self.width).is_some_and(|at| at <= self.elements.count())
    }

    fn cut(self, rows: usize, _: usize) -> (Self, Self) {
        let width = self.width;
        both(self.elements.halves(rows * width), |elements| Self { elements, width })
    }
}

/// Memory for some rows, of `width` elements each, at a time: every part has room for one at least.
pub(super) struct Scratch<'a, T> {
    pub(super) room: &'a mut [T],
    pub(super) width: usize,
}

impl<T> Scratch<'_, T> {
    fn rows(&self) -> usize {
        self.room.len().checked_div(self.width).unwrap_or(0)
    }
}

impl<T: Send> Cut for Scratch<'_, T> {
    fn admits(&self, _: usize, _: usize) -> bool {
        self.rows() >= 2
    }

    /// In the proportion of the rows that use it.
    fn cut(self, rows: usize, of: usize) -> (Self, Self) {
        let (all, width) = (self.rows(), self.width);
        let first = (all as u64 * rows as u64).checked_div(of as u64).unwrap_or(0) as usize;
        both(self.room.split_at_mut(first.clamp(1, all - 1) * width), |room| Self { room, width })
    }
}

impl<A: Cut, B: Cut> Cut for (A, B) {
    fn admits(&self, rows: usize, of: usize) -> bool {
        self.0.admits(rows, of) && self.1.admits(rows, of)
    }

    fn cut(self, rows: usize, of: usize) -> (Self, Self) {
        let ((a, c), (b, d)) = (self.0.cut(rows, of), self.1.cut(rows, of));
        ((a, b), (c, d))
    }
}

impl Cut for BitsOut<'_> {
    fn admits(&self, rows: usize, _: usize) -> bool {
        let least = match &self.planes {
            Planes::Sign { out, .. } => out.len(),
            Planes::Ternary { sign, nonzero, .. } => sign.len().min(nonzero.len()),
        };
        rows.checked_mul(self.words).is_some_and(|at| at <= least)
    }

    fn cut(self, rows: usize, _: usize) -> (Self, Self) {
        let (group, words, at) = (self.group, self.words, rows * self.words);
        let planes = match self.planes {
            Planes::Sign { out, high } => both(out.halves(at), |out| Planes::Sign { out, high }),
            Planes::Ternary { sign, nonzero, low, high } => {
                let ((a, c), (b, d)) = (sign.halves(at), nonzero.halves(at));
                both(((a, b), (c, d)), |(sign, nonzero)| Planes::Ternary { sign, nonzero, low, high })
            }
        };
        both(planes, |planes| Self { planes, group, words })
    }
}

impl Cut for BinaryLinearOut<'_> {
    fn admits(&self, rows: usize, of: usize) -> bool {
        match self {
            BinaryLinearOut::Dense { out, n, .. } => rows.checked_mul(*n).is_some_and(|at| at <= out.len()),
            BinaryLinearOut::Bits(out) => out.admits(rows, of),
        }
    }

    fn cut(self, rows: usize, of: usize) -> (Self, Self) {
        match self {
            BinaryLinearOut::Dense { up, bias, requant, out, n } => {
                both(out.halves(rows * n), |out| BinaryLinearOut::Dense { up, bias, requant, out, n })
            }
            BinaryLinearOut::Bits(out) => both(out.cut(rows, of), BinaryLinearOut::Bits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// The parts that `rows` rows are cut into.
    fn cuts(rows: usize, parts: usize) -> Vec<usize> {
        let first = rows_of_first_half(rows, parts);
        if first == 0 {
            return [rows].into();
        }
        [cuts(first, parts / 2), cuts(rows - first, parts - parts / 2)].concat()
    }

    #[test]
    fn rows_are_cut_between_whole_tiles_and_none_is_lost() {
        assert_eq!(cuts(197, 4), [48, 48, 48, 53]);
        assert_eq!(cuts(197, 8), [24, 24, 24, 24, 24, 24, 28, 25]);
        assert_eq!(cuts(50, 4), [12, 12, 13, 13]);
        assert_eq!(cuts(98, 3), [32, 32, 34]);
        assert_eq!(cuts(3, 2), [1, 2]);
        assert_eq!(cuts(1, 4), [1]);
        assert_eq!(cuts(9, 1), [9]);
        for (rows, parts) in [(0, 3), (2, 7), (100, 7), (1000, 14)] {
            let cut = cuts(rows, parts);
            assert_eq!((cut.iter().sum(), cut.len()), (rows, parts.min(rows).max(1)), "{cut:?}");
        }
    }

    #[test]
    fn scratch_is_shared_in_proportion_and_nobody_is_left_without() {
        let mut room = [0u8; 10 * 3];
        for (rows, of, expected) in [(4, 10, 4), (1, 1000, 1), (999, 1000, 9)] {
            let (first, second) = Scratch { room: &mut room, width: 3 }.cut(rows, of);
            assert_eq!((first.rows(), second.rows()), (expected, 10 - expected));
        }
        assert!(!Scratch { room: &mut room[..5], width: 3 }.admits(1, 2));
        assert!(!Scratch { room: &mut room, width: 0 }.admits(1, 2));
    }
}
