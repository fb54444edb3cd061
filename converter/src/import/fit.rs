//! The size that pictures are resized to, and the words for it.

use runtime::image::{Filter, Resize};
use runtime::{ChannelOrder, Image};

/// The size before a crop that keeps the centre, as timm makes it of `crop_pct`: the shorter side
/// is `⌊size / fraction⌋` pixels, at most [`u16::MAX`]. `size` is the longer side of the frame.
pub fn share(size: u16, fraction: f64) -> Resize {
    // A cast rounds down, and saturates.
    Resize::ShortSide((f64::from(size) / fraction) as u16)
}

/// How the frames of `image` are made of pictures, for people, such as `resize the short side to
/// 256, crop the centre, antialiased bicubic`.
pub fn words(image: &Image) -> String {
    let Image { height, width, fit, order, .. } = *image;
    let resize = match fit.resize(height, width) {
        resize if resize == (Resize::Sides { height, width }) => "stretch".to_owned(),
        Resize::Sides { height, width } => format!("resize to {height} × {width}, crop the centre"),
        Resize::ShortSide(side) => format!("resize the short side to {side}, crop the centre"),
    };
    let filter = match fit.filter() {
        Some(Filter::Bilinear) => "antialiased bilinear",
        Some(Filter::Bicubic) => "antialiased bicubic",
        None => "bilinear without antialiasing",
    };
    let order = if order == ChannelOrder::Bgr { ", blue first" } else { "" };
    format!("{resize}, {filter}{order}")
}

#[cfg(test)]
mod tests {
    use runtime::FloatBits;
    use runtime::image::Fit;

    use super::*;

    #[test]
    fn frames_are_described_in_words() {
        let bits = [FloatBits::default(); 4];
        let image =
            |fit, order| Image { height: 32, width: 32, channels: 3, order, fit, mean: bits, std: bits };
        for (fit, order, expected) in [
            (Fit::Stretch, ChannelOrder::Rgb, "stretch, bilinear without antialiasing"),
            (Fit::stretched(32, 32), ChannelOrder::Bgr, "stretch, antialiased bilinear, blue first"),
            (
                Fit::stretched(36, 36),
                ChannelOrder::Rgb,
                "resize to 36 × 36, crop the centre, antialiased bilinear",
            ),
            (
                Fit::antialiased(share(32, 0.875), Filter::Bicubic),
                ChannelOrder::Rgb,
                "resize the short side to 36, crop the centre, antialiased bicubic",
            ),
        ] {
            assert_eq!(words(&image(fit, order)), expected);
        }
    }

    #[test]
    fn shares_round_down_and_saturate() {
        // math.floor(224 / crop_pct) in Python.
        for (fraction, side) in [(0.875, 256), (0.9, 248), (0.95, 235), (0.7, 320), (1.0, 224)] {
            assert_eq!(share(224, fraction), Resize::ShortSide(side));
        }
        assert_eq!(share(224, 1e-9), Resize::ShortSide(u16::MAX));
    }
}
