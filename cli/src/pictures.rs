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

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        pictures: PictureArgs,
    }

    fn read(options: &str) -> Result<Pictures, String> {
        let words = ["convert"].into_iter().chain(options.split_whitespace());
        let command = Command::try_parse_from(words).map_err(|error| error.to_string())?;
        Ok(command.pictures.options())
    }

    #[test]
    fn options_are_those_of_the_library() {
        let default = Pictures::default();
        assert_eq!(read(""), Ok(default));
        assert_eq!(read("--crop 0.875 --bgr"), Ok(Pictures { crop: Some(0.875), bgr: true, ..default }));
        let stretched = Pictures { resize: Some(Shape::Stretch), antialias: false, ..default };
        assert_eq!(read("--resize stretch --no-antialias"), Ok(stretched));
        let cut =
            Pictures { resize: Some(Shape::Crop), interpolation: Some(Interpolation::Bicubic), ..default };
        assert_eq!(read("--resize crop --interpolation bicubic"), Ok(cut));
    }

    #[test]
    fn options_that_make_no_sense_are_refused() {
        let refused = |options| read(options).unwrap_err();
        assert!(refused("--crop 1.5").contains("up to 1"));
        assert!(refused("--crop 0").contains("up to 1"));
        assert!(refused("--crop half").contains("up to 1"));
        assert!(refused("--no-antialias --interpolation bicubic").contains("cannot be used"));
        assert!(refused("--resize fold").contains("stretch, crop"));
    }
}
