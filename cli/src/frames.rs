//! Frames for a model: of images, and random ones.

use std::path::Path;

use data::{DataError, Dataset, FrameSpec, read_image};
use shiftformer::Model;
use shiftformer::runtime::{ChannelOrder, Image};

use crate::failure::Failure;

/// The image that a model takes.
#[derive(Clone, Copy, Debug)]
pub struct FrameSource {
    spec: FrameSpec,
    order: ChannelOrder,
}

impl FrameSource {
    /// That of `model`, whose only input must be an image.
    pub fn of(model: &Model) -> Result<Self, Failure> {
        model.image().map(|image| Self::of_image(&image)).ok_or_else(|| {
            Failure::new(format!("{} does not take one image", model.name()))
                .help("`inspect` lists its inputs")
        })
    }

    /// That of a model that takes `image`.
    pub fn of_image(image: &Image) -> Self {
        let Image { height, width, channels, fit, order, .. } = *image;
        Self { spec: FrameSpec { height, width, channels, fit }, order }
    }

    /// Image `index` of `data`.
    pub fn load(&self, data: &Dataset, index: usize) -> Result<Vec<u8>, Failure> {
        Ok(self.ordered(data.load(index, &self.spec)?))
    }

    /// The image file at `path`.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, Failure> {
        let fit = |reason| DataError::Fit { path: path.into(), index: 0, reason };
        Ok(self.ordered(read_image(path)?.to_frame(&self.spec).map_err(fit)?))
    }

    /// An image in memory; `name` is for messages.
    pub fn convert(&self, image: &data::Image, name: &str) -> Result<Vec<u8>, Failure> {
        let fit = |reason| DataError::Fit { path: name.into(), index: 0, reason };
        Ok(self.ordered(image.to_frame(&self.spec).map_err(fit)?))
    }

    /// `frame`, which is red first where it has colour, in the model's channel order.
    fn ordered(&self, mut frame: Vec<u8>) -> Vec<u8> {
        if self.order == ChannelOrder::Bgr {
            for pixel in frame.chunks_exact_mut(usize::from(self.spec.channels).max(3)) {
                pixel.swap(0, 2);
            }
        }
        frame
    }
}

/// Random bytes for all inputs of `model`, the same for the same `seed` (SplitMix64).
pub fn random(model: &Model, seed: u64) -> Vec<u8> {
    let len = model.frame_len();
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (0..len).map(|_| (next() >> 56) as u8).collect()
}
