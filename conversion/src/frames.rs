//! Frames for a model: of images, and random ones.

use std::path::Path;

use data::{Dataset, read_image};
use shiftformer::runtime::Image;
use shiftformer::runtime::image::FitError;
use shiftformer::{Model, Picture};

use crate::failure::Failure;

/// The image that a model takes.
#[derive(Clone, Copy, Debug)]
pub struct FrameSource {
    image: Image,
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
        Self { image: *image }
    }

    /// Image `index` of `data`.
    pub fn load(&self, data: &Dataset, index: usize) -> Result<Vec<u8>, Failure> {
        let name = || format!("{}: image {index}", data.file(index).display());
        self.fill(&picture(&data.image(index)?), name)
    }

    /// The image file at `path`.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>, Failure> {
        self.fill(&picture(&read_image(path)?), || path.display().to_string())
    }

    /// An image in memory; `name` is for messages.
    pub fn convert(&self, image: &data::Image, name: &str) -> Result<Vec<u8>, Failure> {
        self.fill(&picture(image), || name.to_owned())
    }

    /// A picture in memory; `name` is for messages.
    ///
    /// # Errors
    ///
    /// A picture that cannot be brought to the model's size and channels.
    pub fn fill(&self, picture: &Picture<'_>, name: impl Fn() -> String) -> Result<Vec<u8>, Failure> {
        picture.frame(&self.image).map_err(|reason| {
            let refused = Failure::new(format!("{} does not fit the model: {reason}", name()));
            match reason {
                FitError::Conversion { .. } => {
                    refused.help("a model frame of 1 or 3 channels can be made of any image")
                }
                _ => refused,
            }
        })
    }
}

fn picture(image: &data::Image) -> Picture<'_> {
    let data::Image { pixels, height, width, channels } = image;
    Picture { pixels, height: *height, width: *width, channels: *channels }
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
