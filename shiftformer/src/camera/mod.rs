//! Frames as cameras of phones deliver them: pixels with strides, in the sensor's orientation.
//!
//! A frame is turned upright and brought to red, green and blue, all in integers; then the
//! container's rule resizes and crops it, as it does any [`Picture`](crate::Picture).

mod planes;
mod upright;
mod yuv;

use runtime::Image;
use runtime::image::MAX_SIDE;
use thiserror::Error;

pub use planes::{Pixels, Plane};
pub use upright::Rotation;
pub use yuv::{Matrix, Range};

use crate::error::PictureError;
use crate::picture::Fitter;

/// One frame of a camera.
#[derive(Clone, Copy, Debug)]
pub struct CameraFrame<'f> {
    /// Where the pixels lie, and what they are.
    pub pixels: Pixels<'f>,
    /// Columns as the sensor sees them.
    pub width: u16,
    /// Rows as the sensor sees them.
    pub height: u16,
    /// How far the frame is to be turned clockwise to stand upright.
    pub rotation: Rotation,
    /// Whether left and right change places once it stands upright, as in a mirror.
    pub mirrored: bool,
    /// How brightness and colour become red, green and blue. RGBA and BGRA have no use for it.
    pub matrix: Matrix,
    /// The bytes that brightness and colour take. RGBA and BGRA have no use for it.
    pub range: Range,
}

impl<'f> CameraFrame<'f> {
    /// A frame that stands upright and is not mirrored. Brightness and colour are those of JPEG:
    /// [`Matrix::Bt601`] and [`Range::Full`], which Android's cameras deliver unless they say
    /// otherwise.
    pub const fn new(pixels: Pixels<'f>, width: u16, height: u16) -> Self {
        Self {
            pixels,
            width,
            height,
            rotation: Rotation::None,
            mirrored: false,
            matrix: Matrix::Bt601,
            range: Range::Full,
        }
    }

    /// Height and width of the frame once it stands upright.
    pub const fn upright_size(&self) -> [u16; 2] {
        match self.rotation {
            Rotation::None | Rotation::Half => [self.height, self.width],
            Rotation::Clockwise | Rotation::Anticlockwise => [self.width, self.height],
        }
    }

    /// Replaces `rgb` by the upright frame: height × width × 3, red first.
    ///
    /// # Errors
    ///
    /// [`CameraError`].
    pub fn upright(&self, rgb: &mut Vec<u8>) -> Result<(), CameraError> {
        for side in [self.width, self.height] {
            if side == 0 || side > MAX_SIDE {
                return Err(CameraError::Size(side));
            }
        }
        self.pixels.check(self.width.into(), self.height.into())?;
        rgb.resize(3 * usize::from(self.width) * usize::from(self.height), 0);
        upright::write(self, rgb);
        Ok(())
    }

    /// This frame as `image` asks for it.
    ///
    /// # Errors
    ///
    /// [`PictureError`].
    pub fn frame(&self, image: &Image) -> Result<Vec<u8>, PictureError> {
        let mut fitter = Fitter::new(*image);
        fitter.camera(self)?;
        Ok(fitter.into_frame())
    }
}

/// A camera's frame is not what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CameraError {
    /// A side of no pixels, or of more than 16,384.
    #[error("a camera frame has a side of {0} pixels, expected 1 to {MAX_SIDE}")]
    Size(u16),
    /// Rows that begin before those above them end.
    #[error("plane {plane} has {found} bytes from row to row, a row takes {needed}")]
    Stride {
        /// The plane, counted from 0.
        plane: usize,
        /// Bytes that a row takes at least.
        needed: usize,
        /// The stride.
        found: usize,
    },
    /// Pixels of colour that overlap.
    #[error("the planes of colour have {0} bytes from pixel to pixel, expected at least 1")]
    PixelStride(usize),
    /// Memory that ends before the last pixel.
    #[error("plane {plane} has {found} bytes, its pixels take {needed}")]
    Short {
        /// The plane, counted from 0.
        plane: usize,
        /// Bytes from the first pixel to the end of the last.
        needed: usize,
        /// Bytes that there are.
        found: usize,
    },
}

#[cfg(test)]
mod tests;
