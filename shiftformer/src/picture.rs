//! Pictures of any size as a model's frames, by the rule that its container states.

use runtime::image::{FitError, Frame};
use runtime::{Image, InputKind};

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
        picture.frame(&image).map_err(PictureError::Fit)
    }
}

impl Picture<'_> {
    /// This picture as `image` asks for it: resized and cropped by its rule, in integers, then
    /// brought to its channels and their order.
    ///
    /// # Errors
    ///
    /// [`FitError`].
    pub fn frame(&self, image: &Image) -> Result<Vec<u8>, FitError> {
        let Picture { pixels, height, width, channels } = *self;
        let source = Frame::new(pixels, height, width, channels)?;
        image.fit.check(image.height, image.width)?;
        let (mut frame, mut scratch) =
            (vec![0; image.len()], vec![0; image.scratch_len(height, width, channels)]);
        image.fill(source, &mut frame, &mut scratch)?;
        Ok(frame)
    }
}
