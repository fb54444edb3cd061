//! Pictures of any size as a model's frames, by the rule that its container states.

use runtime::image::{self, FitError, Frame, MAX_CHANNELS};
use runtime::{ChannelOrder, Image, InputKind};

use crate::error::PictureError;
use crate::model::Model;

/// A picture of 8 bits a channel in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture<'p> {
    /// Pixels, height × width × channels, red first where it has colour.
    pub pixels: &'p [u8],
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
    /// 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.
    pub channels: u8,
}

impl Model {
    /// The image that the model takes; `None` where it takes other things, or several.
    pub fn image(&self) -> Option<Image> {
        let container = self.container();
        let mut inputs = container.inputs();
        match (inputs.next()?.kind, inputs.next()) {
            (InputKind::Image(image), None) => Some(image),
            _ => None,
        }
    }

    /// `picture` as a frame of this model: resized and cropped by the container's rule, in
    /// integers, so that every machine sees the same pixels.
    ///
    /// # Errors
    ///
    /// [`PictureError`].
    pub fn frame(&self, picture: &Picture<'_>) -> Result<Vec<u8>, PictureError> {
        let image = self.image().ok_or(PictureError::NoImage)?;
        frame(&image, picture).map_err(PictureError::Fit)
    }
}

/// `picture` as `image` asks for it: fitted first, then its channels converted.
fn frame(image: &Image, picture: &Picture<'_>) -> Result<Vec<u8>, FitError> {
    let Image { height, width, channels, fit, order, .. } = *image;
    let Picture { pixels, channels: given, .. } = *picture;
    if given == 0 || given > MAX_CHANNELS {
        return Err(FitError::Channels(given));
    }
    let area = usize::from(height) * usize::from(width);
    let mut frame = vec![0; area * usize::from(given)];
    image::fit(Frame::new(pixels, picture.height, picture.width, given)?, &mut frame, height, width, fit)?;
    if given != channels {
        let mut converted = vec![0; area * usize::from(channels)];
        image::convert_channels(Frame::new(&frame, height, width, given)?, &mut converted, channels)?;
        frame = converted;
    }
    if order == ChannelOrder::Bgr {
        for pixel in frame.chunks_exact_mut(usize::from(channels).max(3)) {
            pixel.swap(0, 2);
        }
    }
    Ok(frame)
}
