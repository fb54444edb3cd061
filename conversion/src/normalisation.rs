//! How a float model's pixels are normalised: as the command says, or as its file does.

use float::{Graph, Preprocessing, StatedPixels};

use crate::failure::Failure;

/// How pixels are normalized.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalisation {
    /// Mean of each channel of pixels scaled to \[0, 1\], or one for all; empty where it is not
    /// stated.
    pub mean: Vec<f32>,
    /// Standard deviation, likewise.
    pub std: Vec<f32>,
    /// Whether they are normalized at all, beyond being scaled to \[0, 1\].
    pub normalize: bool,
}

impl Default for Normalisation {
    fn default() -> Self {
        Self { mean: Vec::new(), std: Vec::new(), normalize: true }
    }
}

/// `values` of a mean or standard deviation, unless they are of pixels from 0 to 255.
///
/// # Errors
///
/// What the values would be of pixels scaled to \[0, 1\].
pub fn unit_scaled(values: Vec<f32>) -> Result<Vec<f32>, String> {
    if values.iter().any(|&value| value > 1.0 && value.is_finite()) {
        let scaled = values.iter().map(|value| rounded(f64::from(*value) / 255.0).to_string());
        let scaled = scaled.collect::<Vec<_>>().join(",");
        return Err(format!(
            "pixels are scaled to [0, 1], and these values are of pixels from 0 to 255: divided by 255 \
             they are {scaled}"
        ));
    }
    Ok(values)
}

/// Five significant digits.
fn rounded(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

impl Normalisation {
    /// Mean and standard deviation as the options state them; empty where they do not.
    pub(crate) fn stated(&self) -> (Vec<f32>, Vec<f32>) {
        if self.normalize { (self.mean.clone(), self.std.clone()) } else { (vec![0.0], vec![1.0]) }
    }

    /// Refuses a model called `name` that is normalised nowhere, and tells `note` what it does
    /// with its pixels itself, and what of its metadata is heeded.
    pub(crate) fn check(&self, name: &str, model: &Graph, note: &dyn Fn(&str)) -> Result<(), Failure> {
        let (mean, std) = self.stated();
        let stated = !mean.is_empty() || !std.is_empty();
        let options = if self.normalize { "--mean and --std" } else { "--no-normalize" };
        if let Some(said) = model.stated.as_ref().and_then(|said| of_metadata(model, said, &mean, &std)) {
            note(&format!("{name} {said}"));
        }
        match model.preprocessing {
            Some(Preprocessing::Absent) if !stated && model.stated.is_none() => {
                return Err(unknown(name, model.image.channels));
            }
            Some(Preprocessing::Bytes) if !stated => {
                note(&format!("{name} expects bytes, 0 to 255: it is given them as they are"));
            }
            Some(Preprocessing::Unit) if !stated => {
                note(&format!("{name} normalizes pixels itself: it is given them scaled to [0, 1]"));
            }
            Some(Preprocessing::Bytes) if !scaled(&mean, &std, 1.0 / 255.0) => note(&format!(
                "{name} expects bytes, 0 to 255: are pixels normalized twice? \
                 Leave {options} out to give it bytes"
            )),
            Some(Preprocessing::Unit) if !scaled(&mean, &std, 1.0) => note(&format!(
                "{name} normalizes pixels itself: are they normalized twice? Leave {options} out to give \
                 it pixels scaled to [0, 1]"
            )),
            Some(Preprocessing::Absent | Preprocessing::Unit | Preprocessing::Bytes) | None => {}
        }
        Ok(())
    }
}

/// What becomes of `said`, which the metadata of `model` state, beside the command's `mean` and
/// `std`: where those differ, or are used for want of others.
fn of_metadata(model: &Graph, said: &StatedPixels, mean: &[f32], std: &[f32]) -> Option<String> {
    let list = |values: &[f32]| {
        values.iter().map(|value| rounded(f64::from(*value)).to_string()).collect::<Vec<_>>().join(",")
    };
    let source = &said.source;
    let options = format!("--mean {} --std {}", list(&said.mean), list(&said.std));
    let same = |given: &[f32], said: &[f32], default: f32| {
        let at = |values: &[f32], channel: usize| match values {
            [] => default,
            [value] => *value,
            values => values.get(channel).copied().unwrap_or(default),
        };
        (0..usize::from(model.image.channels)).all(|c| (at(given, c) - at(said, c)).abs() < 1e-3)
    };
    match (mean.is_empty() && std.is_empty(), model.preprocessing) {
        (true, Some(Preprocessing::Absent)) => {
            Some(format!("says in its metadata ({source}) how pixels are normalized: {options}"))
        }
        (true, _) => Some(format!(
            "has {source} in its metadata ({options}): that is taken for what it does with its pixels itself"
        )),
        (false, _) if same(mean, &said.mean, 0.0) && same(std, &said.std, 1.0) => None,
        (false, _) => Some(format!(
            "says otherwise in its metadata ({source}), {options}: what the command says is done"
        )),
    }
}

/// Whether pixels are divided by `std` and changed no further.
fn scaled(means: &[f32], stds: &[f32], std: f32) -> bool {
    let default = [1.0];
    let stds = if stds.is_empty() { &default } else { stds };
    means.iter().all(|&mean| mean == 0.0) && stds.iter().all(|&found| (found / std - 1.0).abs() < 0.01)
}

fn unknown(name: &str, channels: u8) -> Failure {
    let imagenet = if channels == 3 { "\n  --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225" } else { "" };
    Failure::new(format!(
        "nothing says how {name} wants its pixels normalized: neither the command nor the model"
    ))
    .help(format!(
        "add what training used, of pixels scaled to [0, 1]; common are{imagenet}\n  --mean 0.5 --std 0.5\n\
             or add --no-normalize, where training only scaled them to [0, 1]"
    ))
}

#[cfg(test)]
mod tests {
    use shiftformer::runtime::image::Fit;
    use shiftformer::runtime::{ChannelOrder, FloatBits, Image};

    use super::*;

    #[test]
    fn values_of_bytes_are_shown_divided() {
        let refused = |values: &[f32]| unit_scaled(values.to_vec()).expect_err("refused");
        assert!(refused(&[123.675, 116.28, 103.53]).ends_with("they are 0.485,0.456,0.406"));
        assert!(refused(&[58.395, 57.12, 57.375]).ends_with("they are 0.229,0.224,0.225"));
        assert!(refused(&[127.5]).ends_with("they are 0.5"));
        for values in [&[0.485, 0.456, 0.406][..], &[1.0], &[-0.1], &[f32::INFINITY]] {
            assert_eq!(unit_scaled(values.to_vec()).as_deref(), Ok(values));
        }
        assert!(unit_scaled(vec![f32::NAN]).is_ok());
    }

    #[test]
    fn pixels_that_are_only_scaled() {
        assert!(scaled(&[0.0], &[1.0], 1.0) && scaled(&[0.0], &[], 1.0));
        assert!(scaled(&[0.0], &[0.00392], 1.0 / 255.0));
        assert!(!scaled(&[0.5], &[1.0], 1.0) && !scaled(&[], &[0.25], 1.0));
    }

    #[test]
    fn metadata_are_heeded_with_a_word() {
        let bits = [FloatBits::default(); 4];
        let (order, fit) = (ChannelOrder::Rgb, Fit::stretched(4, 4));
        let mut model =
            Graph::new(Image { height: 4, width: 4, channels: 3, order, fit, mean: bits, std: bits });
        model.preprocessing = Some(Preprocessing::Absent);
        let said = StatedPixels {
            source: "`mean` and `std`".into(),
            mean: vec![0.485, 0.456, 0.406],
            std: vec![0.25],
        };
        let note = |model: &Graph, mean: &[f32], std: &[f32]| of_metadata(model, &said, mean, std);
        let used = note(&model, &[], &[]).unwrap();
        assert!(used.ends_with("how pixels are normalized: --mean 0.485,0.456,0.406 --std 0.25"), "{used}");
        assert_eq!(note(&model, &[0.485, 0.456, 0.406], &[0.25, 0.25, 0.25]), None);
        assert!(note(&model, &[0.5], &[0.25]).unwrap().contains("what the command says is done"));
        assert!(note(&model, &[0.485, 0.456, 0.406], &[]).unwrap().contains("says otherwise"));
        model.preprocessing = Some(Preprocessing::Bytes);
        assert!(note(&model, &[], &[]).unwrap().contains("itself"));
    }
}
