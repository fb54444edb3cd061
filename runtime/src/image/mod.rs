//! Integer preprocessing: how a camera or file frame becomes the frame a model reads.
//!
//! Frames are `u8`, height × width × channels, row by row. The rule uses no
//! floats and no intermediate image, so a desktop and a microcontroller produce
//! the same pixels.
//!
//! # The rule
//!
//! [`Fit`] gives the size `R` the source size `S` is resized to along each axis,
//! and the index `o` of the first resized pixel that is kept. Model pixel `i` is
//! resized pixel `r = o + i`, whose centre lies in the source at
//! `x = (2r + 1)·S / 2R − 1/2`. That is rounded half up to 1/2048 of a pixel and
//! clamped to the frame:
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
//! This is bilinear interpolation with half-pixel centres and without
//! antialiasing; equal sizes give the source back unchanged.
//!
//! Where the model wants other channels than the source has, the frame is fitted
//! first and [`convert_channels`] is applied to the result.
//!
//! # Bounds
//!
//! With every side at most 2¹⁴, `R ≤ 2²⁸` and `(2r + 1)·S·2¹¹ + R < 2⁵⁵`: `u64`
//! suffices. A weighted sum is at most `255·2²² + 2²¹ < 2³⁰`: `u32` suffices. A
//! frame has at most 2³⁰ bytes, so byte offsets fit a 32-bit `usize`.

use core::fmt;
use core::num::{NonZeroU16, NonZeroU64};

use serde::{Deserialize, Serialize};

use quant::slice::rows_mut;

mod channels;
#[cfg(test)]
mod tests;
pub use channels::convert_channels;

/// Largest height or width of a frame, in pixels.
pub const MAX_SIDE: u16 = 16384;
/// Largest number of channels of a frame.
pub const MAX_CHANNELS: u8 = 4;

/// Fractional bits of a source position and of an interpolation weight.
const WEIGHT_BITS: u32 = 11;
const ONE: u32 = 1 << WEIGHT_BITS;

/// How a source frame of any size is brought to the model's height and width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fit {
    /// Resize both axes independently to exactly the model's size.
    Stretch,
    /// Resize so that the shorter side becomes `short_side` and the longer one
    /// `⌊short_side · long / short⌋`, then keep the centre. An odd margin `m`
    /// puts the crop at `m / 2` rounded half to even, as torchvision does.
    CenterCrop {
        /// Length of the resized frame's shorter side, in pixels: at least both
        /// sides of the model frame, at most [`MAX_SIDE`].
        short_side: u16,
    },
}

impl Fit {
    /// Whether this rule can produce frames of `height` × `width` pixels.
    ///
    /// # Errors
    ///
    /// [`FitError::Size`] for a side outside `1..=MAX_SIDE`, and
    /// [`FitError::ShortSide`] for a crop larger than what it is cut from.
    pub fn check(self, height: u16, width: u16) -> Result<(), FitError> {
        let (height, width) = (side(height)?.get(), side(width)?.get());
        match self {
            Fit::Stretch => Ok(()),
            Fit::CenterCrop { short_side } if short_side < height.max(width) || short_side > MAX_SIDE => {
                Err(FitError::ShortSide { short_side, needed: height.max(width) })
            }
            Fit::CenterCrop { .. } => Ok(()),
        }
    }
}

/// Why a frame was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FitError {
    /// A height or width outside `1..=MAX_SIDE`.
    Size(u16),
    /// A number of channels outside `1..=MAX_CHANNELS`.
    Channels(u8),
    /// A buffer that does not have height · width · channels bytes.
    Length {
        /// Bytes the frame needs.
        expected: usize,
        /// Bytes the buffer has.
        actual: usize,
    },
    /// A [`Fit::CenterCrop`] whose short side is over [`MAX_SIDE`] or under the
    /// larger side of the model frame.
    ShortSide {
        /// The short side asked for, in pixels.
        short_side: u16,
        /// The smallest one that would do, in pixels.
        needed: u16,
    },
    /// No rule leads from one number of channels to the other.
    Conversion {
        /// Channels of the source.
        from: u8,
        /// Channels asked for.
        to: u8,
    },
}

impl fmt::Display for FitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FitError::Size(side) => {
                write!(f, "a side of {side} pixels, expected 1 to {MAX_SIDE}")
            }
            FitError::Channels(channels) => {
                write!(f, "{channels} channels, expected 1 to {MAX_CHANNELS}")
            }
            FitError::Length { expected, actual } => {
                write!(f, "a buffer of {actual} bytes, expected {expected}")
            }
            FitError::ShortSide { short_side, needed } => write!(
                f,
                "a centre crop from a short side of {short_side} pixels, expected {needed} to {MAX_SIDE}"
            ),
            FitError::Conversion { from, to } => {
                write!(f, "no conversion from {from} channels to {to}")
            }
        }
    }
}

impl core::error::Error for FitError {}

/// A borrowed `u8` frame, height × width × channels, whose size has been checked.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    pixels: &'a [u8],
    height: NonZeroU16,
    width: NonZeroU16,
    channels: u8,
}

impl<'a> Frame<'a> {
    /// A frame over `pixels`.
    ///
    /// # Errors
    ///
    /// [`FitError::Size`] or [`FitError::Channels`] for a size out of range, and
    /// [`FitError::Length`] unless there are `height · width · channels` bytes.
    pub fn new(pixels: &'a [u8], height: u16, width: u16, channels: u8) -> Result<Self, FitError> {
        let frame = Frame { pixels, height: side(height)?, width: side(width)?, channels };
        if channels == 0 || channels > MAX_CHANNELS {
            return Err(FitError::Channels(channels));
        }
        expect_length(pixels, height, width, channels)?;
        Ok(frame)
    }

    /// The pixels, height × width × channels.
    pub fn pixels(&self) -> &'a [u8] {
        self.pixels
    }

    /// Rows.
    pub fn height(&self) -> u16 {
        self.height.get()
    }

    /// Columns.
    pub fn width(&self) -> u16 {
        self.width.get()
    }

    /// Bytes a pixel.
    pub fn channels(&self) -> u8 {
        self.channels
    }

    /// The bytes of one pixel, none outside the frame.
    fn pixel(&self, row: usize, column: usize) -> &'a [u8] {
        let channels = usize::from(self.channels);
        let start = (row * usize::from(self.width.get()) + column) * channels;
        self.pixels.get(start..start + channels).unwrap_or(&[])
    }
}

/// Resizes and crops `src` to `height` × `width` pixels with the same channels.
///
/// `dst` receives the frame, height × width × channels. See the
/// [module](self) for the formula.
///
/// # Errors
///
/// Those of [`Fit::check`], and [`FitError::Length`] unless `dst` has exactly
/// `height · width · src.channels()` bytes.
pub fn fit(src: Frame<'_>, dst: &mut [u8], height: u16, width: u16, fit: Fit) -> Result<(), FitError> {
    fit.check(height, width)?;
    expect_length(dst, height, width, src.channels)?;
    let (rows, columns) = axes(src, height, width, fit);
    let channels = usize::from(src.channels);
    let lines = rows_mut(dst, usize::from(width) * channels);
    for (row, line) in rows.zip(lines) {
        for (column, pixel) in columns.clone().zip(rows_mut(line, channels)) {
            interpolate(src, row, column, pixel);
        }
    }
    Ok(())
}

/// The positions along rows and columns at which `fit` reads `src`.
fn axes(src: Frame<'_>, height: u16, width: u16, fit: Fit) -> (Axis, Axis) {
    let (resized_height, resized_width) = match fit {
        Fit::Stretch => (u64::from(height), u64::from(width)),
        Fit::CenterCrop { short_side } => {
            let short = NonZeroU64::from(src.height.min(src.width));
            let long = u64::from(short_side) * u64::from(src.height().max(src.width())) / short;
            if src.height <= src.width {
                (u64::from(short_side), long)
            } else {
                (long, u64::from(short_side))
            }
        }
    };
    (Axis::new(src.height, resized_height, height), Axis::new(src.width, resized_width, width))
}

/// Source positions of consecutive kept pixels, without a division for each.
///
/// `quotient` and `remainder` are those of `(2r + 1)·S·2¹¹ + R` by `2R`, stepped
/// exactly from one `r` to the next.
#[derive(Clone)]
struct Axis {
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

impl Axis {
    /// An axis of `source` pixels resized to `resized ≥ kept`, of which the `kept`
    /// in the middle are wanted.
    fn new(source: NonZeroU16, resized: u64, kept: u16) -> Self {
        let margin = resized.saturating_sub(u64::from(kept));
        let first = (margin + ((margin / 2) & 1)) / 2;
        let source = u64::from(source.get());
        let divisor = NonZeroU64::MIN.saturating_add((2 * resized).saturating_sub(1));
        let start = (((2 * first + 1) * source) << WEIGHT_BITS) + resized;
        let step = (2 * source) << WEIGHT_BITS;
        Axis {
            quotient: start / divisor,
            remainder: start % divisor,
            step: step / divisor,
            step_remainder: step % divisor,
            divisor,
            last: source - 1,
        }
    }
}

impl Iterator for Axis {
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

/// Every channel of one pixel from its four neighbours, rounded once.
fn interpolate(src: Frame<'_>, row: Tap, column: Tap, dst: &mut [u8]) {
    let top = src.pixel(row.lower, column.lower).iter().zip(src.pixel(row.lower, column.upper));
    let bottom = src.pixel(row.upper, column.lower).iter().zip(src.pixel(row.upper, column.upper));
    let blend = |(a, b): (&u8, &u8)| (ONE - column.weight) * u32::from(*a) + column.weight * u32::from(*b);
    for ((out, top), bottom) in dst.iter_mut().zip(top).zip(bottom) {
        let sum = (ONE - row.weight) * blend(top) + row.weight * blend(bottom);
        *out = ((sum + (1 << (2 * WEIGHT_BITS - 1))) >> (2 * WEIGHT_BITS)) as u8;
    }
}

/// `pixels` as a side of a frame.
fn side(pixels: u16) -> Result<NonZeroU16, FitError> {
    NonZeroU16::new(pixels).filter(|side| side.get() <= MAX_SIDE).ok_or(FitError::Size(pixels))
}

/// Refuses a buffer that is not exactly a frame; the sides are in range.
fn expect_length(buffer: &[u8], height: u16, width: u16, channels: u8) -> Result<(), FitError> {
    let expected = usize::from(height) * usize::from(width) * usize::from(channels);
    if buffer.len() == expected { Ok(()) } else { Err(FitError::Length { expected, actual: buffer.len() }) }
}
