//! Interpolation between the four nearest pixels, without antialiasing.
//!
//! The centre `x = (2r + 1)·S / 2R − 1/2` is rounded half up to 1/2048 of a pixel and clamped to
//! the frame:
//!
//! ```text
//! p = clamp(⌊((2r + 1)·S·2¹¹ + R) / 2R⌋ − 2¹⁰, 0, (S − 1)·2¹¹)
//! a = p div 2¹¹,  b = min(a + 1, S − 1),  w = p mod 2¹¹
//! ```
//!
//! With `w` for columns and `v` for rows, each channel is
//!
//! ```text
//! top    = (2¹¹ − w)·src[aᵥ][a] + w·src[aᵥ][b]
//! bottom = (2¹¹ − w)·src[bᵥ][a] + w·src[bᵥ][b]
//! dst    = ((2¹¹ − v)·top + v·bottom + 2²¹) >> 22
//! ```
//!
//! `(2r + 1)·S·2¹¹ + R < 2⁵⁵`: `u64` suffices. A weighted sum is at most `255·2²² + 2²¹ < 2³⁰`:
//! `u32` suffices.

use core::num::NonZeroU64;

use quant::slice::rows_mut;

use super::axis::Axis;
use super::channels::Pixel;
use super::{Frame, MAX_CHANNELS};

/// Fractional bits of a source position and of an interpolation weight.
const WEIGHT_BITS: u32 = 11;
const ONE: u32 = 1 << WEIGHT_BITS;

/// Fills `dst` from `src` along its rows and columns.
pub(super) fn fill(src: Frame<'_>, [rows, columns]: [Axis; 2], pixel: Pixel, dst: &mut [u8]) {
    let lines = rows_mut(dst, usize::from(columns.kept) * pixel.len());
    for (row, line) in Taps::new(rows).zip(lines) {
        let (top, bottom) = (src.row(row.lower), src.row(row.upper));
        for (column, out) in Taps::new(columns).zip(rows_mut(line, pixel.len())) {
            let mut values = [0; MAX_CHANNELS as usize];
            interpolate([top, bottom], usize::from(src.channels), row.weight, column, &mut values);
            pixel.write(&values, out);
        }
    }
}

/// Source positions of consecutive kept pixels, without a division for each.
///
/// `quotient` and `remainder` are those of `(2r + 1)·S·2¹¹ + R` by `2R`, stepped
/// exactly from one `r` to the next.
struct Taps {
    quotient: u64,
    remainder: u64,
    step: u64,
    step_remainder: u64,
    divisor: NonZeroU64,
    last: u64,
}

/// The two source indices around a position and the weight of the second.
#[derive(Clone, Copy)]
struct Tap {
    lower: usize,
    upper: usize,
    weight: u32,
}

impl Taps {
    fn new(axis: Axis) -> Self {
        let source = u64::from(axis.source.get());
        let divisor = axis.resized.saturating_add(axis.resized.get());
        let start = (((2 * axis.first + 1) * source) << WEIGHT_BITS) + axis.resized.get();
        let step = (2 * source) << WEIGHT_BITS;
        Taps {
            quotient: start / divisor,
            remainder: start % divisor,
            step: step / divisor,
            step_remainder: step % divisor,
            divisor,
            last: source - 1,
        }
    }
}

impl Iterator for Taps {
    type Item = Tap;

    fn next(&mut self) -> Option<Tap> {
        let position = self.quotient.saturating_sub(u64::from(ONE / 2));
        let position = position.min(self.last << WEIGHT_BITS);
        let lower = position >> WEIGHT_BITS;
        let tap = Tap {
            lower: lower as usize,
            upper: (lower + 1).min(self.last) as usize,
            weight: position as u32 & (ONE - 1),
        };
        self.quotient += self.step;
        self.remainder += self.step_remainder;
        if self.remainder >= self.divisor.get() {
            self.remainder -= self.divisor.get();
            self.quotient += 1;
        }
        Some(tap)
    }
}

/// Every channel of one pixel from its four neighbours in two rows, rounded once. `weight` is that
/// of the second row.
fn interpolate(rows: [&[u8]; 2], channels: usize, weight: u32, column: Tap, out: &mut [u8]) {
    let pixel = |row: usize, at: usize| {
        let row = rows.get(row).copied().unwrap_or(&[]);
        row.get(at * channels..(at + 1) * channels).unwrap_or(&[])
    };
    let top = pixel(0, column.lower).iter().zip(pixel(0, column.upper));
    let bottom = pixel(1, column.lower).iter().zip(pixel(1, column.upper));
    let blend = |(a, b): (&u8, &u8)| (ONE - column.weight) * u32::from(*a) + column.weight * u32::from(*b);
    for ((out, top), bottom) in out.iter_mut().zip(top).zip(bottom) {
        let sum = (ONE - weight) * blend(top) + weight * blend(bottom);
        *out = ((sum + (1 << (2 * WEIGHT_BITS - 1))) >> (2 * WEIGHT_BITS)) as u8;
    }
}
