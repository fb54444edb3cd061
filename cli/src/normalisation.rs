//! The options that say how a float model's pixels are normalised.

use std::str::FromStr;

use conversion::{Normalisation, unit_scaled};

/// Options for the normalisation of pixels.
#[derive(Debug, clap::Args)]
pub struct NormalisationArgs {
    /// Mean of each channel of pixels scaled to [0, 1] [default: from the metadata, or as the
    /// model does it itself].
    #[arg(long, value_name = "M,..", allow_negative_numbers = true)]
    mean: Option<Channels>,
    /// Standard deviation of each channel [default: likewise].
    #[arg(long, value_name = "S,..")]
    std: Option<Channels>,
    /// The model was trained on pixels scaled to [0, 1] and not normalized further.
    #[arg(long, conflicts_with_all = ["mean", "std"])]
    no_normalize: bool,
}

/// A value for each channel, or one for all.
#[derive(Clone, Debug)]
struct Channels(Vec<f32>);

impl FromStr for Channels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = |part: &str| part.trim().parse::<f32>().map_err(|_| format!("`{part}` is not a number"));
        let values = text.split(',').map(parse).collect::<Result<Vec<f32>, String>>()?;
        unit_scaled(values).map(Self)
    }
}

impl NormalisationArgs {
    /// What they ask for.
    pub fn options(&self) -> Normalisation {
        let values = |given: &Option<Channels>| given.as_ref().map(|given| given.0.clone());
        Normalisation {
            mean: values(&self.mean).unwrap_or_default(),
            std: values(&self.std).unwrap_or_default(),
            normalize: !self.no_normalize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbers_of_scaled_pixels() {
        let refused = |text: &str| text.parse::<Channels>().expect_err("refused");
        assert!(refused("123.675,116.28,103.53").ends_with("they are 0.485,0.456,0.406"));
        assert!(refused("0.5,x").contains("`x`"));
        for text in ["0.485,0.456, 0.406", "1", "-0.1", "nan", "inf"] {
            assert!(text.parse::<Channels>().is_ok(), "{text}");
        }
    }
}
