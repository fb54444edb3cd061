//! Resizing with antialiasing, in two passes: rows first, then columns.
//!
//! The filter has its full width in the source, or that of the resized frame where it is larger.
//! With `D = 2·max(S, R)`, source pixel `j` lies `n / D` from the centre of resized pixel `r`,
//! `n = (2j + 1)·R − (2r + 1)·S`. [`Filter::Bilinear`] covers the pixels with `|n| < D` and
//! [`Filter::Bicubic`] those with `|n| < 2D`; pixels outside the source do not count. With
//! `t = ⌊(2²⁰·|n| + D/2) / D⌋` and `u = 2²⁰`, the weight of a pixel is
//!
//! ```text
//! Bilinear   w = u − t
//! Bicubic    w =  ⌊(u − t)·(2u² + 2ut − 3t²) / 2³⁶⌋       for t ≤ u
//!            w = −⌊(t − u)·(2u − t)² / 2³⁶⌋               for t > u
//! ```
//!
//! and its coefficient in units of 2⁻²² is the share of the weights, `W` in all, rounded so that
//! the coefficients of one pixel add up to 2²² exactly and a frame of one colour keeps it:
//!
//! ```text
//! cᵢ = ⌊((W + w₀ + … + wᵢ)·2²² + W/2) / W⌋,   c₋₁ = 2²²,   kᵢ = cᵢ − cᵢ₋₁
//! ```
//!
//! The first pass makes of every source row that is needed `clamp((Σ kᵢ·srcᵢ + 2²¹) >> 22, 0, 255)`
//! for each column that is kept, and the second the same of those bytes, column by column. Pillow
//! does the same with coefficients in double precision: what it gives differs by at most one. (Since
//! version 13 it takes columns first where the height shrinks much more than the width.)
//!
//! # Bounds
//!
//! `(2r + 1)·S + 2D < 2⁴⁴`. A weight is at most 2²⁶ and a filter covers at most 2¹⁴ pixels, so
//! `W < 2³⁹` (the weights are samples of a curve whose area is the width of a pixel), and
//! `2W·2²² < 2⁶²`: `u64` suffices. Negative weights take less than a seventh of `W`, so the magnitudes
//! of the coefficients add up to less than 1.3·2²², and a sum of 255 times those is below 2³¹: `i32`
//! suffices.

use core::num::{NonZeroU64, NonZeroUsize};
use core::ops::Range;

use quant::slice::{chunks, chunks_mut, rows, rows_mut};

use super::axis::Axis;
use super::channels::Pixel;
use super::{Filter, Frame, MAX_CHANNELS};

/// Fractional bits of a distance.
const DISTANCE_BITS: u32 = 20;
const UNIT: u64 = 1 << DISTANCE_BITS;
/// What cubic weights are shifted by, so that their sums fit.
const CUBIC_SHIFT: u32 = 36;
/// Fractional bits of a coefficient.
const BITS: u32 = 22;
/// Bytes of a number in the scratch, which need not be aligned.
const WORD: usize = 4;

/// Values of a pixel's channels.
type Values<T> = [T; MAX_CHANNELS as usize];

/// Bytes that [`fill`] takes beside source and result: the coefficients of every column, those of
/// the row in hand, and the rows under the filter after the first pass.
pub(super) fn scratch_len([rows, columns]: [Axis; 2], channels: u8, filter: Filter) -> usize {
    let kept = usize::from(columns.kept);
    let row = kept * usize::from(channels);
    kept * filter.entry(columns) + filter.entry(rows) + filter.taps(rows) * row
}

/// Fills `dst` from `src` along its rows and columns, with [`scratch_len`] bytes of scratch.
pub(super) fn fill(
    src: Frame<'_>,
    [height, width]: [Axis; 2],
    filter: Filter,
    pixel: Pixel,
    dst: &mut [u8],
    scratch: &mut [u8],
) {
    let kept = usize::from(width.kept);
    let channels = usize::from(src.channels);
    let entry_len = filter.entry(width);
    let Some((columns, rest)) = scratch.split_at_mut_checked(kept * entry_len) else { return };
    let Some((vertical, rest)) = rest.split_at_mut_checked(filter.entry(height)) else { return };
    for (index, entry) in (0..width.kept).zip(rows_mut(columns, entry_len)) {
        filter.write(width, index, entry);
    }
    let mut ring = Ring { rows: rest, row_len: kept * channels, len: filter.taps(height) };
    let mut next = 0;
    for (index, line) in (0..height.kept).zip(rows_mut(dst, kept * pixel.len())) {
        let window = filter.write(height, index, vertical);
        for row in window.start.max(next)..window.end {
            for (entry, out) in rows(columns, entry_len).zip(rows_mut(ring.row_mut(row), channels)) {
                let Some((start, coefficients)) = read(entry) else { continue };
                let pixels = src.row(row).get(start * channels..).unwrap_or(&[]);
                store(weighted(rows(pixels, channels), coefficients), out);
            }
        }
        next = window.end;
        let Some((start, coefficients)) = read(vertical) else { continue };
        for (column, out) in rows_mut(line, pixel.len()).enumerate() {
            let mut values = [0; MAX_CHANNELS as usize];
            store(weighted(ring.column(start, column * channels, channels), coefficients), &mut values);
            pixel.write(&values, out);
        }
    }
}

impl Filter {
    /// Its reach on each side, in pixels of the coarser grid.
    fn reach(self) -> u64 {
        match self {
            Filter::Bilinear => 1,
            Filter::Bicubic => 2,
        }
    }

    /// Source pixels that it covers at most: an open interval of that length holds no more.
    fn taps(self, axis: Axis) -> usize {
        let length = 2 * self.reach() * coarser(axis);
        let taps = (length + axis.resized.get() - 1) / axis.resized;
        taps.min(axis.source.get().into()) as usize
    }

    /// Bytes of a pixel's first source pixel and its coefficients.
    fn entry(self, axis: Axis) -> usize {
        (1 + self.taps(axis)) * WORD
    }

    /// The weight of a source pixel `distance / unit` from the centre, as magnitude and whether it
    /// is negative.
    fn weight(self, distance: u64, unit: NonZeroU64) -> (u64, bool) {
        let t = ((distance << DISTANCE_BITS) + unit.get() / 2) / unit;
        match self {
            Filter::Bilinear => (UNIT.saturating_sub(t), false),
            Filter::Bicubic if t <= UNIT => {
                (((UNIT - t) * (2 * UNIT * UNIT + 2 * UNIT * t - 3 * t * t)) >> CUBIC_SHIFT, false)
            }
            Filter::Bicubic => {
                let left = (2 * UNIT).saturating_sub(t);
                (((t - UNIT) * left * left) >> CUBIC_SHIFT, true)
            }
        }
    }

    /// Writes the first source pixel and the coefficients of kept pixel `index`, zero past the last,
    /// and returns the source pixels that it is made of.
    fn write(self, axis: Axis, index: u16, entry: &mut [u8]) -> Range<usize> {
        let (source, resized) = (u64::from(axis.source.get()), axis.resized);
        let unit = NonZeroU64::MIN.saturating_add(2 * coarser(axis) - 1);
        let centre = (2 * (axis.first + u64::from(index)) + 1) * source;
        let reach = self.reach() * unit.get();
        let start = (centre.saturating_sub(reach) / resized).div_ceil(2);
        let end = ((centre + reach + resized.get() - 1) / resized / 2).min(source);
        let weight = |pixel: u64| self.weight(((2 * pixel + 1) * resized.get()).abs_diff(centre), unit);
        let total = (start..end).map(weight).fold(0, add);
        let (mut sum, mut before) = (total, 1 << BITS);
        let share = NonZeroU64::new(total).unwrap_or(NonZeroU64::MIN);
        let (words, _) = chunks_mut::<WORD, u8>(entry);
        let Some((first, coefficients)) = words.split_first_mut() else { return 0..0 };
        *first = (start as u32).to_le_bytes();
        coefficients.fill([0; WORD]);
        for (pixel, coefficient) in (start..end).zip(coefficients) {
            sum = add(sum, weight(pixel));
            let upto = ((sum << BITS) + total / 2) / share;
            *coefficient = (upto.wrapping_sub(before) as i32).to_le_bytes();
            before = upto;
        }
        start as usize..end as usize
    }
}

/// Pixels of the grid that the filter has its width in.
fn coarser(axis: Axis) -> u64 {
    axis.resized.get().max(axis.source.get().into())
}

/// `sum` and a weight. The sums of [`Filter::write`] begin at `W` or with the outer lobe of a cubic.
fn add(sum: u64, (weight, negative): (u64, bool)) -> u64 {
    if negative { sum.wrapping_sub(weight) } else { sum.wrapping_add(weight) }
}

/// The first source pixel and the coefficients that [`Filter::write`] wrote.
fn read(entry: &[u8]) -> Option<(usize, &[[u8; WORD]])> {
    let (words, _) = chunks::<WORD, u8>(entry);
    let (first, coefficients) = words.split_first()?;
    Some((u32::from_le_bytes(*first) as usize, coefficients))
}

/// Pixels times coefficients, summed for each channel.
fn weighted<'p>(pixels: impl Iterator<Item = &'p [u8]>, coefficients: &[[u8; WORD]]) -> Values<i32> {
    let mut sums = [0; MAX_CHANNELS as usize];
    for (pixel, coefficient) in pixels.zip(coefficients) {
        let coefficient = i32::from_le_bytes(*coefficient);
        for (sum, value) in sums.iter_mut().zip(pixel) {
            *sum += coefficient * i32::from(*value);
        }
    }
    sums
}

/// Rounds half up to bytes.
fn store(sums: Values<i32>, out: &mut [u8]) {
    for (out, sum) in out.iter_mut().zip(sums) {
        *out = ((sum + (1 << (BITS - 1))) >> BITS).clamp(0, 255) as u8;
    }
}

/// The latest rows after the first pass: row `r` is at `r` modulo their number.
struct Ring<'a> {
    rows: &'a mut [u8],
    row_len: usize,
    len: usize,
}

impl Ring<'_> {
    fn at(&self, row: usize) -> usize {
        row % NonZeroUsize::new(self.len).unwrap_or(NonZeroUsize::MIN)
    }

    fn row_mut(&mut self, row: usize) -> &mut [u8] {
        let start = self.at(row) * self.row_len;
        self.rows.get_mut(start..start + self.row_len).unwrap_or(&mut [])
    }

    /// The pixels at byte `offset` of row `first` and those that follow, around the end.
    fn column(&self, first: usize, offset: usize, channels: usize) -> impl Iterator<Item = &[u8]> {
        let slots = (self.at(first)..self.len).chain(0..self.len);
        slots.map(move |slot| {
            let start = slot * self.row_len + offset;
            self.rows.get(start..start + channels).unwrap_or(&[])
        })
    }
}
