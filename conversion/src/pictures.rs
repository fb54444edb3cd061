//! How pictures become a model's frames: as the options say, or as its file does.

use converter::import::fit;
use shiftformer::runtime::image::{Filter, Fit, Resize};
use shiftformer::runtime::{ChannelOrder, Image};

use crate::choice::Choice;
use crate::failure::Failure;

/// What to do with pictures that are not of the model's size and channel order. What is `None` is
/// as the model's configuration says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pictures {
    /// Whether the model was trained on blue, green, red.
    pub bgr: bool,
    /// What becomes of a picture's sides; else they are stretched.
    pub resize: Option<Shape>,
    /// The fraction of the shorter side that is cut from the centre: see [`fraction`].
    pub crop: Option<f64>,
    /// How pixels are weighed; else bilinear.
    pub interpolation: Option<Interpolation>,
    /// Whether as many pixels are weighed as become one, and not the four nearest alone.
    pub antialias: bool,
}

impl Default for Pictures {
    fn default() -> Self {
        Self { bgr: false, resize: None, crop: None, interpolation: None, antialias: true }
    }
}

/// What becomes of a picture's sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Both become the model's.
    Stretch,
    /// The shorter becomes the model's, and the centre is cut.
    Crop,
}

impl Shape {
    /// All of them.
    pub const ALL: &'static [Choice<Self>] = &[
        Choice { name: "stretch", about: "Both sides to the model's", value: Shape::Stretch },
        Choice {
            name: "crop",
            about: "The shorter side to the model's, then the centre",
            value: Shape::Crop,
        },
    ];
}

/// How pixels are weighed, with antialiasing as in Pillow and torchvision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// A triangle as wide as two pixels of the result.
    Bilinear,
    /// A cubic as wide as four.
    Bicubic,
}

impl Interpolation {
    /// All of them.
    pub const ALL: &'static [Choice<Self>] = &[
        Choice {
            name: "bilinear",
            about: "A triangle as wide as two pixels of the result",
            value: Interpolation::Bilinear,
        },
        Choice { name: "bicubic", about: "A cubic as wide as four", value: Interpolation::Bicubic },
    ];
}

impl Pictures {
    /// Changes what `image` of the model called `name` says of pictures to what the options say.
    ///
    /// # Errors
    ///
    /// Options that make no sense together, or of this image.
    pub fn apply(&self, name: &str, image: &mut Image) -> Result<(), Failure> {
        if self.bgr {
            if image.channels != 3 {
                let message = format!("{name} takes {} channels: --bgr is for three", image.channels);
                return Err(Failure::new(message).help("leave --bgr out"));
            }
            image.order = ChannelOrder::Bgr;
        }
        image.fit = self.fit(name, image)?;
        Ok(())
    }

    fn fit(&self, name: &str, image: &Image) -> Result<Fit, Failure> {
        let Image { height, width, fit: stated, .. } = *image;
        let stretched = Resize::Sides { height, width };
        let resize = match (self.resize, self.crop) {
            (Some(Shape::Stretch), Some(_)) => {
                return Err(Failure::new("--crop cuts the centre, --resize stretch keeps the whole picture")
                    .help("leave one of them out"));
            }
            (Some(Shape::Stretch), None) => stretched,
            (Some(Shape::Crop), None) => Resize::ShortSide(height.max(width)),
            (Some(Shape::Crop) | None, Some(fraction)) => fit::share(height.max(width), fraction),
            (None, None) => stated.resize(height, width),
        };
        let filter = match (self.antialias, self.interpolation) {
            (false, _) => None,
            (true, Some(Interpolation::Bilinear)) => Some(Filter::Bilinear),
            (true, Some(Interpolation::Bicubic)) => Some(Filter::Bicubic),
            (true, None) => stated.filter(),
        };
        let fit = match (filter, resize) {
            (Some(filter), resize) => Fit::antialiased(resize, filter),
            (None, Resize::ShortSide(short_side)) => Fit::CenterCrop { short_side },
            (None, resize) if resize == stretched => Fit::Stretch,
            (None, Resize::Sides { height, width }) => {
                let message = format!(
                    "{name} cuts its frame from pictures of {height} × {width}, which takes antialiasing"
                );
                return Err(Failure::new(message).help("add --crop or --resize, or leave --no-antialias out"));
            }
        };
        fit.check(height, width).map(|()| fit).map_err(|reason| {
            Failure::new(format!("{name}: no frame of {height} × {width} comes of that crop: {reason}"))
        })
    }
}

/// `value` if it is a fraction of a picture's side.
///
/// # Errors
///
/// What was expected.
pub fn fraction(value: f64) -> Result<f64, &'static str> {
    if value > 0.0 && value <= 1.0 {
        Ok(value)
    } else {
        Err("expected a fraction above 0, up to 1, such as 0.875")
    }
}

#[cfg(test)]
mod tests {
    use shiftformer::runtime::FloatBits;

    use super::*;

    fn image(side: u16, channels: u8) -> Image {
        let bits = [FloatBits::default(); 4];
        let (order, fit) = (ChannelOrder::Rgb, Fit::stretched(side, side));
        Image { height: side, width: side, channels, order, fit, mean: bits, std: bits }
    }

    /// The image of a model of `image` converted with `pictures`.
    fn applied(mut image: Image, pictures: Pictures) -> Result<Image, String> {
        pictures.apply("m.onnx", &mut image).map_err(|error| error.to_string()).map(|()| image)
    }

    fn cropped(fraction: f64) -> Pictures {
        Pictures { crop: Some(fraction), ..Pictures::default() }
    }

    #[test]
    fn crops_are_those_of_timm() {
        let fit = |pictures| applied(image(224, 3), pictures).unwrap().fit;
        let crop = |side, filter| Fit::AntialiasedCrop { short_side: side, filter };
        // math.floor(224 / crop_pct) in Python.
        for (fraction, side) in [(0.875, 256), (0.9, 248), (0.95, 235), (0.7, 320), (1.0, 224)] {
            assert_eq!(fit(cropped(fraction)), crop(side, Filter::Bilinear));
        }
        let bicubic = Pictures { interpolation: Some(Interpolation::Bicubic), ..cropped(0.9) };
        assert_eq!(fit(bicubic), crop(248, Filter::Bicubic));
        let shape = Pictures { resize: Some(Shape::Crop), ..Pictures::default() };
        assert_eq!(fit(shape), crop(224, Filter::Bilinear));
        let nearest = Pictures { antialias: false, ..cropped(0.875) };
        assert_eq!(fit(nearest), Fit::CenterCrop { short_side: 256 });
        assert_eq!(fit(Pictures { crop: None, ..nearest }), Fit::Stretch);
        assert_eq!(fit(Pictures::default()), Fit::stretched(224, 224));
    }

    #[test]
    fn what_is_not_said_stays_as_it_is() {
        let default = Pictures::default();
        let mut given = image(32, 3);
        given.fit = Fit::AntialiasedCrop { short_side: 36, filter: Filter::Bicubic };
        assert_eq!(applied(given, default).unwrap(), given);
        let stretched = applied(given, Pictures { resize: Some(Shape::Stretch), ..default }).unwrap().fit;
        assert_eq!(stretched, Fit::Antialiased { height: 32, width: 32, filter: Filter::Bicubic });
        let bgr = Pictures { bgr: true, ..default };
        assert_eq!(applied(given, bgr).unwrap(), Image { order: ChannelOrder::Bgr, ..given });
        given.fit = Fit::CenterCrop { short_side: 40 };
        assert_eq!(applied(given, default).unwrap(), given);
    }

    #[test]
    fn options_that_make_no_sense_are_refused() {
        let refused = |image, pictures| applied(image, pictures).unwrap_err();
        let default = Pictures::default();
        assert!(refused(image(32, 1), Pictures { bgr: true, ..default }).contains("takes 1 channels"));
        let both = Pictures { resize: Some(Shape::Stretch), ..cropped(0.5) };
        assert!(refused(image(32, 3), both).contains("keeps the whole picture"));
        assert!(refused(image(224, 3), cropped(0.001)).contains("no frame of 224 × 224"));
        for value in [0.0, -0.5, 1.5, f64::NAN] {
            assert!(fraction(value).is_err(), "{value}");
        }
        let mut squashed = image(32, 3);
        squashed.fit = Fit::Antialiased { height: 40, width: 36, filter: Filter::Bicubic };
        let nearest = Pictures { antialias: false, ..default };
        assert!(refused(squashed, nearest).contains("pictures of 40 × 36"));
    }
}
