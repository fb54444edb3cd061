//! Images in memory.

use runtime::image::{MAX_CHANNELS, MAX_SIDE};

use crate::error::FormatError;
use crate::npy::Array;

/// An image of 8 bits a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Pixels, height × width × channels.
    pub pixels: Vec<u8>,
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
    /// 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.
    pub channels: u8,
}

/// Images of one size, all in memory: `u8`, N×C×H×W.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planar {
    pixels: Vec<u8>,
    len: usize,
    channels: u8,
    height: u16,
    width: u16,
}

impl Planar {
    /// The images in a `u8` array N×C×H×W, or N×H×W for grey ones.
    ///
    /// # Errors
    ///
    /// [`FormatError::DType`], and [`FormatError::Shape`] unless there are 1 to 4
    /// channels and sides of 1 to 16384 pixels.
    pub fn new(array: Array) -> Result<Self, FormatError> {
        let (len, sizes) = match *array.shape() {
            [len, height, width] => (len, sizes(1, height, width)),
            [len, channels, height, width] => (len, sizes(channels, height, width)),
            _ => (0, None),
        };
        let Some((channels, height, width)) = sizes else {
            return Err(FormatError::Shape {
                expected: "N×H×W or N×C×H×W with 1 to 4 channels and sides of 1 to 16384",
                found: array.shape().to_vec(),
            });
        };
        Ok(Planar { pixels: array.into_u8()?, len, channels, height, width })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Image `index`, its channels interleaved; `None` past the last.
    pub fn image(&self, index: usize) -> Option<Image> {
        let plane = usize::from(self.height) * usize::from(self.width);
        let channels = usize::from(self.channels);
        let planes = self.pixels.chunks_exact(plane * channels).nth(index)?;
        let mut pixels = vec![0; planes.len()];
        for (channel, plane) in planes.chunks_exact(plane).enumerate() {
            let interleaved = pixels.iter_mut().skip(channel).step_by(channels);
            for (pixel, value) in interleaved.zip(plane) {
                *pixel = *value;
            }
        }
        Some(Image { pixels, height: self.height, width: self.width, channels: self.channels })
    }
}

/// Channels, height and width, if they are those of a frame.
fn sizes(channels: usize, height: usize, width: usize) -> Option<(u8, u16, u16)> {
    let channels = u8::try_from(channels).ok()?;
    let (height, width) = (u16::try_from(height).ok()?, u16::try_from(width).ok()?);
    let sides = 1..=MAX_SIDE;
    let fits = sides.contains(&height) && sides.contains(&width);
    (fits && (1..=MAX_CHANNELS).contains(&channels)).then_some((channels, height, width))
}
