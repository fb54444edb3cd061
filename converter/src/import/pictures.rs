//! How pictures become frames, as a model's files say.

use runtime::image::{Filter, Fit, Resize};
use runtime::{FloatBits, Image};

use super::config;
use super::fit;
use super::json::wrong;
use super::options::ImportOptions;
use super::tensors::Tensors;
use crate::error::ConvertError;

/// What is done with a picture before the model sees it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pictures {
    /// Mean of each channel of pixels scaled to \[0, 1\]; empty where it is not stated.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel, likewise.
    pub std: Vec<f32>,
    /// How they are brought to the model's size.
    pub crop: Crop,
    /// How pixels are weighed; bilinear where it is not stated.
    pub filter: Option<Filter>,
}

impl Pictures {
    /// The frame of a model of `side × side` pixels; `options` come before what is stated.
    pub fn image(
        &self,
        side: u32,
        channels: u32,
        tensors: &Tensors<'_>,
        options: &ImportOptions,
    ) -> Result<Image, ConvertError> {
        let or = |given: &[f32], stated: &[f32]| if given.is_empty() { stated } else { given }.to_vec();
        let (mean, std) = (or(&options.mean, &self.mean), or(&options.std, &self.std));
        let options = ImportOptions { config: None, mean, std };
        let mut image = config::image(side, channels, tensors, &options)?;
        image.fit = self.crop.fit(image.height, self.filter.unwrap_or(Filter::Bilinear))?;
        Ok(image)
    }
}

/// How a picture of any size is brought to the model's.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Crop {
    /// It is stretched.
    #[default]
    Stretch,
    /// It is stretched to so many pixels on both sides, and the centre is kept.
    Square(u32),
    /// Its shorter side is resized so that the frame is this share of it, rounded down.
    Share(f64),
    /// Its shorter side is resized to as many pixels.
    ShortSide(u32),
}

impl Crop {
    /// The rule of the container, for frames with sides of `size`.
    pub fn fit(self, size: u16, filter: Filter) -> Result<Fit, ConvertError> {
        let pixels = |side: u32| u16::try_from(side).unwrap_or(u16::MAX);
        let (resize, stated) = match self {
            Crop::Stretch => return Ok(Fit::antialiased(square(size), filter)),
            Crop::Square(side) => (square(pixels(side)), format!("sides of {side}")),
            Crop::Share(fraction) => (fit::share(size, fraction), format!("crop_pct {fraction}")),
            Crop::ShortSide(side) => (Resize::ShortSide(pixels(side)), format!("a shorter side of {side}")),
        };
        let fit = Fit::antialiased(resize, filter);
        match fit.check(size, size).is_ok() && !matches!(self, Crop::Share(share) if share <= 0.0) {
            true => Ok(fit),
            false => Err(wrong(format!("no frame of {size} × {size} is cut from {stated} of the picture"))),
        }
    }
}

const fn square(side: u16) -> Resize {
    Resize::Sides { height: side, width: side }
}

/// How pictures become the frames of `image`, and their values, for people.
pub(super) fn sentence(image: &Image) -> String {
    let list = |bits: &[FloatBits]| {
        let values: Vec<_> =
            bits[..usize::from(image.channels)].iter().map(|b| f32::from_bits(b.0).to_string()).collect();
        match values.windows(2).all(|pair| pair[0] == pair[1]) {
            true => values[..1].join(""),
            false => values.join(","),
        }
    };
    let (mean, std) = (list(&image.mean), list(&image.std));
    let Image { height, width, .. } = *image;
    let fitted = fit::words(image);
    format!("pictures become frames of {height} × {width}: {fitted}; mean {mean}, standard deviation {std}")
}
