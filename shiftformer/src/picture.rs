//! Pictures of any size as a model's frames, by the rule that its container states.

use std::mem::take;

use runtime::image::{FitError, Frame};
use runtime::{Image, InputKind};

use crate::camera::CameraFrame;
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

    /// What makes frames of this model of many pictures, in the same memory.
    ///
    /// # Errors
    ///
    /// [`PictureError::NoImage`].
    pub fn fitter(&self) -> Result<Fitter, PictureError> {
        self.image().map(Fitter::new).ok_or(PictureError::NoImage)
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
        let mut fitter = Fitter::new(*image);
        fitter.fill(self)?;
        Ok(fitter.into_frame())
    }
}

/// Makes frames for one image input. Its memory grows to what the largest picture takes.
#[derive(Clone, Debug)]
pub struct Fitter {
    image: Image,
    frame: Vec<u8>,
    scratch: Vec<u8>,
    /// The last camera frame, upright.
    upright: Vec<u8>,
}

impl Fitter {
    /// For frames as `image` asks for them.
    pub const fn new(image: Image) -> Self {
        Self { image, frame: Vec::new(), scratch: Vec::new(), upright: Vec::new() }
    }

    /// `picture` as a frame, which is lent until the next one.
    ///
    /// # Errors
    ///
    /// [`PictureError::Fit`].
    pub fn picture(&mut self, picture: &Picture<'_>) -> Result<&[u8], PictureError> {
        self.fill(picture).map_err(PictureError::Fit)?;
        Ok(&self.frame)
    }

    /// `camera` as a frame, which is lent until the next one: turned upright, and brought to red,
    /// green and blue before it is resized.
    ///
    /// # Errors
    ///
    /// [`PictureError`].
    pub fn camera(&mut self, camera: &CameraFrame<'_>) -> Result<&[u8], PictureError> {
        let mut upright = take(&mut self.upright);
        let filled = camera.upright(&mut upright).map_err(PictureError::Camera).and_then(|()| {
            let [height, width] = camera.upright_size();
            let picture = Picture { pixels: &upright, height, width, channels: 3 };
            self.fill(&picture).map_err(PictureError::Fit)
        });
        self.upright = upright;
        filled.map(|()| self.frame.as_slice())
    }

    /// The last frame.
    pub fn into_frame(self) -> Vec<u8> {
        self.frame
    }

    fn fill(&mut self, picture: &Picture<'_>) -> Result<(), FitError> {
        let Self { image, frame, scratch, .. } = self;
        let Picture { pixels, height, width, channels } = *picture;
        let source = Frame::new(pixels, height, width, channels)?;
        image.fit.check(image.height, image.width)?;
        frame.resize(image.len(), 0);
        scratch.resize(image.scratch_len(height, width, channels), 0);
        image.fill(source, frame, scratch)
    }
}
