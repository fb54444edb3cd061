//! The options that say how pictures become a model's frames.

use conversion::{Interpolation, Pictures, Shape, fraction};

use crate::choices::choices;

/// Options for pictures that are not of the model's size and channel order.
#[derive(Debug, clap::Args)]
pub struct PictureArgs {
    /// The model was trained on blue, green, red: values of --mean and --std are in that order,
    /// too.
    #[arg(long)]
    bgr: bool,
    /// Resize pictures to the model's size, or so that it is cut from their centre [default: as
    /// the model's configuration says, else stretch].
    #[arg(long, value_name = "HOW", value_parser = choices(Shape::ALL))]
    resize: Option<Shape>,
    /// Cut this fraction of the picture's shorter side from its centre, such as 0.875: what timm
    /// calls crop_pct. The shorter side is resized to the model's side / FRACTION, rounded down.
    #[arg(long, value_name = "FRACTION", value_parser = share_of_a_side)]
    crop: Option<f64>,
    /// How pixels are weighed, with antialiasing as in Pillow and torchvision [default: as the
    /// model's configuration says, else bilinear].
    #[arg(long, value_name = "FILTER", value_parser = choices(Interpolation::ALL))]
    interpolation: Option<Interpolation>,
    /// Interpolate between the four nearest pixels alone, as TensorFlow and Keras do.
    #[arg(long, conflicts_with = "interpolation")]
    no_antialias: bool,
}

impl PictureArgs {
    /// What they ask for.
    pub fn options(&self) -> Pictures {
        let Self { bgr, resize, crop, interpolation, no_antialias } = *self;
        Pictures { bgr, resize, crop, interpolation, antialias: !no_antialias }
    }
}

fn share_of_a_side(text: &str) -> Result<f64, &'static str> {
    fraction(text.parse().unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use shiftformer::runtime::image::{Filter, Fit};
    use shiftformer::runtime::{ChannelOrder, FloatBits, Image};

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        pictures: PictureArgs,
    }

    fn image(side: u16, channels: u8) -> Image {
        let bits = [FloatBits::default(); 4];
        let (order, fit) = (ChannelOrder::Rgb, Fit::stretched(side, side));
        Image { height: side, width: side, channels, order, fit, mean: bits, std: bits }
    }

    /// The image of a model of `image` converted with `options`.
    fn applied(mut image: Image, options: &str) -> Result<Image, String> {
        let words = ["convert"].into_iter().chain(options.split_whitespace());
        let command = Command::try_parse_from(words).map_err(|error| error.to_string())?;
        let pictures = command.pictures.options();
        pictures.apply("m.onnx", &mut image).map_err(|error| error.to_string()).map(|()| image)
    }

    #[test]
    fn crops_are_those_of_timm() {
        let fit = |options: &str| applied(image(224, 3), options).unwrap().fit;
        let crop = |side, filter| Fit::AntialiasedCrop { short_side: side, filter };
        // math.floor(224 / crop_pct) in Python.
        for (fraction, side) in [("0.875", 256), ("0.9", 248), ("0.95", 235), ("0.7", 320), ("1", 224)] {
            assert_eq!(fit(&format!("--crop {fraction}")), crop(side, Filter::Bilinear));
        }
        assert_eq!(fit("--crop 0.9 --interpolation bicubic"), crop(248, Filter::Bicubic));
        assert_eq!(fit("--resize crop"), crop(224, Filter::Bilinear));
        assert_eq!(fit("--crop 0.875 --no-antialias"), Fit::CenterCrop { short_side: 256 });
        assert_eq!(fit("--no-antialias"), Fit::Stretch);
        assert_eq!(fit(""), Fit::stretched(224, 224));
    }

    #[test]
    fn what_is_not_said_stays_as_it_is() {
        let mut given = image(32, 3);
        given.fit = Fit::AntialiasedCrop { short_side: 36, filter: Filter::Bicubic };
        assert_eq!(applied(given, "").unwrap(), given);
        let stretched = applied(given, "--resize stretch").unwrap().fit;
        assert_eq!(stretched, Fit::Antialiased { height: 32, width: 32, filter: Filter::Bicubic });
        assert_eq!(applied(given, "--bgr").unwrap(), Image { order: ChannelOrder::Bgr, ..given });
        given.fit = Fit::CenterCrop { short_side: 40 };
        assert_eq!(applied(given, "").unwrap(), given);
    }

    #[test]
    fn options_that_make_no_sense_are_refused() {
        let refused = |image, options| applied(image, options).unwrap_err();
        assert!(refused(image(32, 1), "--bgr").contains("takes 1 channels"));
        assert!(refused(image(32, 3), "--crop 0.5 --resize stretch").contains("keeps the whole picture"));
        assert!(refused(image(32, 3), "--crop 1.5").contains("up to 1"));
        assert!(refused(image(32, 3), "--crop 0").contains("up to 1"));
        assert!(refused(image(224, 3), "--crop 0.001").contains("no frame of 224 × 224"));
        assert!(refused(image(32, 3), "--no-antialias --interpolation bicubic").contains("cannot be used"));
        let mut squashed = image(32, 3);
        squashed.fit = Fit::Antialiased { height: 40, width: 36, filter: Filter::Bicubic };
        assert!(refused(squashed, "--no-antialias").contains("pictures of 40 × 36"));
    }
}
