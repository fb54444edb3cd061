//! What a model's metadata says about its pixels.

use std::collections::HashMap;

use float::StatedPixels;

/// Keys that exporters write, each pair with what its values are of.
const PAIRS: &[(&str, &str, Unit)] = &[
    ("mean", "std", Unit::Either),
    ("image_mean", "image_std", Unit::Either),
    ("input_mean", "input_std", Unit::Either),
    ("pixel_mean", "pixel_std", Unit::Either),
    // OpenVINO's Model API and what trains for it.
    ("model_info mean_values", "model_info scale_values", Unit::Bytes),
    ("mean_values", "scale_values", Unit::Bytes),
];

/// ONNX's own key for the range of pixels, with the mean and standard deviation of each value.
const RANGE: &str = "Image.NominalPixelRange";
const RANGES: &[(&str, f32, f32)] =
    &[("NominalRange_0_255", 0.0, 1.0 / 255.0), ("Normalized_0_1", 0.0, 1.0), ("Normalized_1_1", 0.5, 0.5)];

/// ONNX's own key for the order of channels, and its value for blue first.
const FORMAT: &str = "Image.BitmapPixelFormat";
const BLUE_FIRST: &str = "Bgr8";

/// What values are of.
#[derive(Clone, Copy)]
enum Unit {
    /// Pixels from 0 to 255.
    Bytes,
    /// Those where a value is above 1, else pixels scaled to 0..=1.
    Either,
}

/// How pixels are normalised as `metadata` says: by both keys of a pair, each with one value or with
/// one for each channel. Anything else is about other things.
pub(super) fn pixels(metadata: &HashMap<String, String>, channels: usize) -> Option<StatedPixels> {
    let pair = PAIRS.iter().find_map(|&(mean_key, std_key, unit)| {
        let mut mean = numbers(metadata.get(mean_key)?, channels)?;
        let mut std = numbers(metadata.get(std_key)?, channels)?;
        let of_bytes = match unit {
            Unit::Bytes => true,
            Unit::Either => mean.iter().chain(&std).any(|&value| value > 1.0),
        };
        if of_bytes {
            mean.iter_mut().chain(&mut std).for_each(|value| *value /= 255.0);
        }
        let sound =
            mean.iter().all(|mean| mean.is_finite()) && std.iter().all(|std| std.is_normal() && *std > 0.0);
        sound.then(|| StatedPixels { source: format!("`{mean_key}` and `{std_key}`"), mean, std })
    });
    pair.or_else(|| {
        let stated = metadata.get(RANGE)?;
        let &(_, mean, std) = RANGES.iter().find(|(name, ..)| name == stated)?;
        Some(StatedPixels { source: format!("`{RANGE}`"), mean: vec![mean], std: vec![std] })
    })
}

/// Whether the model takes blue first.
pub(super) fn blue_first(metadata: &HashMap<String, String>) -> bool {
    metadata.get(FORMAT).is_some_and(|format| format == BLUE_FIRST)
}

/// One number or one for each channel, between brackets or not, with commas or spaces.
fn numbers(text: &str, channels: usize) -> Option<Vec<f32>> {
    let inner = text.trim().trim_start_matches(['[', '(']).trim_end_matches([']', ')']);
    let parts = inner.split(|c: char| c == ',' || c.is_whitespace()).filter(|part| !part.is_empty());
    let values = parts.map(|part| part.parse().ok()).collect::<Option<Vec<f32>>>()?;
    (values.len() == 1 || values.len() == channels).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated(pairs: &[(&str, &str)], channels: usize) -> Option<(String, Vec<f32>, Vec<f32>)> {
        let metadata = pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        pixels(&metadata, channels).map(|stated| (stated.source, stated.mean, stated.std))
    }

    #[test]
    fn keys_of_exporters_are_known() {
        let imagenet = (vec![0.485, 0.456, 0.406], vec![0.229, 0.224, 0.225]);
        let found = |source: &str| Some((source.to_owned(), imagenet.0.clone(), imagenet.1.clone()));
        let (mean, std) = ("[0.485, 0.456, 0.406]", "0.229 0.224,0.225");
        assert_eq!(stated(&[("mean", mean), ("std", std)], 3), found("`mean` and `std`"));
        assert_eq!(
            stated(&[("input_mean", mean), ("input_std", std)], 3),
            found("`input_mean` and `input_std`")
        );
        let (mean, std) = ("123.675 116.28 103.53", "58.395 57.12 57.375");
        for (keys, source) in [
            (
                ["model_info mean_values", "model_info scale_values"],
                "`model_info mean_values` and `model_info scale_values`",
            ),
            (["pixel_mean", "pixel_std"], "`pixel_mean` and `pixel_std`"),
        ] {
            let (name, means, stds) = stated(&[(keys[0], mean), (keys[1], std)], 3).unwrap();
            assert_eq!(name, source);
            let near = |found: &[f32], expected: &[f32]| {
                found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6)
            };
            assert!(near(&means, &imagenet.0) && near(&stds, &imagenet.1), "{means:?} {stds:?}");
        }
        // OpenVINO's are of bytes, whatever they are.
        let scaled = stated(&[("mean_values", "0 0 0"), ("scale_values", "1")], 3).unwrap();
        assert_eq!((scaled.1, scaled.2), (vec![0.0; 3], vec![1.0 / 255.0]));
        let range = |value| stated(&[(RANGE, value)], 3).map(|(_, mean, std)| (mean[0], std[0]));
        assert_eq!(range("Normalized_1_1"), Some((0.5, 0.5)));
        assert_eq!(range("Normalized_0_1"), Some((0.0, 1.0)));
        assert_eq!(range("NominalRange_0_255"), Some((0.0, 1.0 / 255.0)));
        assert_eq!(range("NominalRange_16_235"), None);
    }

    #[test]
    fn what_is_about_other_things_is_left_alone() {
        for pairs in [
            &[("mean", "0.5")][..],
            &[("mean", "of the targets"), ("std", "1")],
            &[("mean", "0.1 0.2"), ("std", "1 1")],
            &[("mean", "0.5"), ("std", "0")],
            &[("mean", "nan"), ("std", "0.5")],
            &[("names", "{0: 'person', 1: 'car'}"), ("stride", "32")],
        ] {
            assert_eq!(stated(pairs, 3), None, "{pairs:?}");
        }
    }
}
