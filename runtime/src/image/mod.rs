//! Integer preprocessing: how a camera or file frame becomes the frame a model reads.
//!
//! Frames are `u8`, height × width × channels, row by row. The rules use no floats, so a desktop
//! and a microcontroller produce the same pixels. [`Image::fill`] is the whole of it: it resizes
//! and crops by the model's [`Fit`], then brings every pixel to the model's channels.
//!
//! # Resizing
//!
//! A [`Fit`] gives the size `R` that the source size `S` is resized to along each axis, and the
//! index `o` of the first resized pixel that is kept: the kept ones are those in the middle. An
//! odd margin `m` puts the first at `m / 2` rounded half to even, as torchvision does. Model pixel
//! `i` is resized pixel `r = o + i`, whose centre lies in the source at `(2r + 1)·S / 2R − 1/2`.
//! Equal sizes give the source back unchanged. There are two rules for its value:
//!
//! * [`Fit::Antialiased`] and [`Fit::AntialiasedCrop`] weigh all pixels that a [`Filter`] covers,
//!   whose width grows with `S / R`: what Pillow, and with it torchvision, timm and Hugging Face, do
//!   with pictures in training. The formula is in `antialias.rs`.
//! * [`Fit::Stretch`] and [`Fit::CenterCrop`] interpolate between the four nearest pixels, and miss
//!   what lies between those of a picture that is shrunk: what TensorFlow and Keras do unless they
//!   are told otherwise. The formula is in `interpolate.rs`.
//!
//! # Channels
//!
//! One channel of a source is grey, two are grey and alpha, three RGB, four RGBA. Equal numbers
//! copy; alpha is dropped; grey is replicated into RGB; RGB becomes grey as
//! `(77·R + 150·G + 29·B + 128) >> 8`. Alpha is never made up. Where the model takes blue first,
//! the first and the third channel change places at the end.
//!
//! # Bounds
//!
//! With every side at most 2¹⁴, `R ≤ 2²⁸`. A frame has at most 2³⁰ bytes, so byte offsets fit a
//! 32-bit `usize`; so does [`Image::scratch_len`].

use core::fmt;
use core::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use crate::float_bits::FloatBits;

mod antialias;
mod axis;
mod channels;
mod fit;
mod interpolate;
#[cfg(test)]
mod tests;

use axis::Axis;
use channels::Pixel;
pub use fit::{Filter, Fit, Resize};

/// Largest height or width of a frame, in pixels.
pub const MAX_SIDE: u16 = 16384;
/// Largest number of channels of a frame.
pub const MAX_CHANNELS: u8 = 4;

/// Order of an image's channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChannelOrder {
    /// One channel.
    Gray,
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
    /// Something else, up to four channels.
    Other,
}

/// An image input: u8 pixels in height × width × channel order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
    /// Values of each pixel, 1..=4.
    pub channels: u8,
    /// Their order.
    pub order: ChannelOrder,
    /// How a frame of another size becomes this one.
    pub fit: Fit,
    /// Mean of each channel of pixels scaled to \[0, 1\], already folded into the program.
    pub mean: [FloatBits; 4],
    /// Standard deviation of each channel, likewise.
    pub std: [FloatBits; 4],
}

impl Image {
    /// Pixels of `[height, width]` as they are, scaled to \[0, 1\]: nothing is subtracted or divided by,
    /// and frames of another size are stretched.
    pub const fn plain([height, width]: [u16; 2], channels: u8, order: ChannelOrder) -> Self {
        let (zero, one) = (FloatBits(0), FloatBits(0x3f80_0000));
        Self { height, width, channels, order, fit: Fit::Stretch, mean: [zero; 4], std: [one; 4] }
    }

    /// Bytes of a frame.
    pub const fn len(&self) -> usize {
        self.height as usize * self.width as usize * self.channels as usize
    }

    /// Whether a frame has no bytes; never so in a checked container.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of scratch that [`fill`](Self::fill) takes for sources of `height` × `width` pixels of
    /// `channels` bytes.
    ///
    /// None without antialiasing, and where pixels stay as they are. Else the coefficients of each
    /// column, and as many rows of the model's width as the filter covers: 4536 bytes from 320 × 240
    /// RGB pixels to 96 × 96 with [`Filter::Bilinear`]; at most 2³⁰ + 2²⁰. None, too, where
    /// [`fill`](Self::fill) refuses such a source.
    pub fn scratch_len(&self, height: u16, width: u16, channels: u8) -> usize {
        let (Ok(height), Ok(width)) = (side(height), side(width)) else { return 0 };
        if channels > MAX_CHANNELS || self.fit.check(self.height, self.width).is_err() {
            return 0;
        }
        let axes = self.fit.axes([height, width], self.height, self.width);
        self.filter(axes).map_or(0, |filter| antialias::scratch_len(axes, channels, filter))
    }

    /// Makes the frame that a model reads of `src`, red first where it has colour: resized and
    /// cropped, then brought to the model's channels. See the [module](self) for the rules.
    ///
    /// `dst` receives the frame, [`len`](Self::len) bytes. What is in `scratch` is of no matter.
    ///
    /// # Errors
    ///
    /// Those of [`Fit::check`], [`FitError::Channels`] and [`FitError::Conversion`] for channels
    /// that cannot be made of the source's, [`FitError::Length`] for another `dst`, and
    /// [`FitError::Scratch`] for less than [`scratch_len`](Self::scratch_len) bytes.
    pub fn fill(&self, src: Frame<'_>, dst: &mut [u8], scratch: &mut [u8]) -> Result<(), FitError> {
        self.fit.check(self.height, self.width)?;
        let pixel = Pixel::new(src.channels, self.channels, self.order)?;
        if dst.len() != self.len() {
            return Err(FitError::Length { expected: self.len(), actual: dst.len() });
        }
        let axes = self.fit.axes([src.height, src.width], self.height, self.width);
        match self.filter(axes) {
            Some(filter) => {
                let (needed, actual) = (antialias::scratch_len(axes, src.channels, filter), scratch.len());
                let scratch = scratch.get_mut(..needed).ok_or(FitError::Scratch { needed, actual })?;
                antialias::fill(src, axes, filter, pixel, dst, scratch);
            }
            None => interpolate::fill(src, axes, pixel, dst),
        }
        Ok(())
    }

    /// The filter, where it changes pixels.
    fn filter(&self, [rows, columns]: [Axis; 2]) -> Option<Filter> {
        self.fit.filter().filter(|_| rows.is_resized() || columns.is_resized())
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
    /// A crop from a side over [`MAX_SIDE`] or under that of the model frame.
    Crop {
        /// The side that is cropped, in pixels.
        resized: u16,
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
    /// Scratch of fewer bytes than [`Image::scratch_len`] says.
    Scratch {
        /// Bytes that resizing takes.
        needed: usize,
        /// Bytes there are.
        actual: usize,
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
            FitError::Crop { resized, needed } => {
                write!(f, "a crop from a side of {resized} pixels, expected {needed} to {MAX_SIDE}")
            }
            FitError::Conversion { from, to } => {
                write!(f, "no conversion from {from} channels to {to}")
            }
            FitError::Scratch { needed, actual } => {
                write!(f, "{actual} bytes of scratch, expected {needed}")
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
        let expected = usize::from(height) * usize::from(width) * usize::from(channels);
        if pixels.len() != expected {
            return Err(FitError::Length { expected, actual: pixels.len() });
        }
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

    /// The bytes of one row, none outside the frame.
    fn row(&self, row: usize) -> &'a [u8] {
        let len = usize::from(self.width.get()) * usize::from(self.channels);
        let start = row * len;
        self.pixels.get(start..start + len).unwrap_or(&[])
    }
}

/// `pixels` as a side of a frame.
fn side(pixels: u16) -> Result<NonZeroU16, FitError> {
    NonZeroU16::new(pixels).filter(|side| side.get() <= MAX_SIDE).ok_or(FitError::Size(pixels))
}
