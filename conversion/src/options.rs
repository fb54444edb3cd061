//! What a conversion is asked for.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use converter::BuildOptions;
use converter::calibrate::{Precision, QuantizeOptions};

use crate::calibration::Images;
use crate::choice::Choice;
use crate::normalisation::Normalisation;
use crate::pictures::Pictures;
use crate::target::Target;

/// What a conversion is asked for. The defaults are those of the command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the container goes; its facts go beside it.
    pub output: Option<PathBuf>,
    /// Where the page goes that tells whether to trust the conversion.
    pub report: Option<PathBuf>,
    /// The arithmetic to convert to.
    pub format: Format,
    /// Images of the task, without need of labels. Float models need them.
    pub calib: Option<Images>,
    /// Images to calibrate with, spread over those.
    pub calib_samples: NonZeroUsize,
    /// The precision of layers, by their names or the beginnings of these up to a dot.
    pub precision: Vec<(String, Precision)>,
    /// Percent of the multiply-accumulates that may be given 16-bit activations where 8 bits would
    /// cost accuracy; by the format where it is `None`.
    pub escalate: Option<f64>,
    /// Bytes that the container may have.
    pub max_flash: Option<u64>,
    /// The file of the model's dimensions, instead of what its own file says.
    pub config: Option<PathBuf>,
    /// How pixels are normalized.
    pub normalisation: Normalisation,
    /// How pictures become frames.
    pub pictures: Pictures,
    /// The file of the names of the classes.
    pub labels: Option<PathBuf>,
    /// How the container is built.
    pub build: BuildOptions,
    /// What its weights are laid out for.
    pub target: Target,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            output: None,
            report: None,
            format: Format::default(),
            calib: None,
            calib_samples: CALIB_SAMPLES,
            precision: Vec::new(),
            escalate: None,
            max_flash: None,
            config: None,
            normalisation: Normalisation::default(),
            pictures: Pictures::default(),
            labels: None,
            build: BuildOptions::default(),
            target: Target::default(),
        }
    }
}

/// Images to calibrate with where nobody says how many.
const CALIB_SAMPLES: NonZeroUsize = NonZeroUsize::new(128).expect("not zero");

impl Options {
    /// How a float model is quantized.
    pub(crate) fn quantization(&self) -> QuantizeOptions {
        QuantizeOptions {
            precision: self.precision.iter().cloned().collect(),
            binary: self.format == Format::Bivit,
            flash: self.max_flash,
            escalation: self.escalate.map_or(self.format.escalation(), |percent| percent / 100.0),
            ..QuantizeOptions::default()
        }
    }
}

/// A family of integer arithmetic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// 8-bit products, 16-bit residual stream (I-ViT).
    #[default]
    Ivit,
    /// 1-bit weights and attention over signs where the model was trained so (BiViT).
    Bivit,
}

impl Format {
    /// All of them.
    pub const ALL: &'static [Choice<Self>] = &[
        Choice { name: "ivit", about: "8-bit products, 16-bit residual stream (I-ViT)", value: Format::Ivit },
        Choice {
            name: "bivit",
            about: "1-bit weights and attention over signs where the model was trained so (BiViT)",
            value: Format::Bivit,
        },
    ];

    /// Share of the multiply-accumulates that may read int16. Additions of binary weights
    /// cost the same in 16 bits, and signs need the precision.
    fn escalation(self) -> f64 {
        match self {
            Format::Ivit => 0.15,
            Format::Bivit => 1.0,
        }
    }
}

/// `value` if it is a percentage.
///
/// # Errors
///
/// What was expected.
pub fn percent(value: f64) -> Result<f64, &'static str> {
    if (0.0..=100.0).contains(&value) { Ok(value) } else { Err("expected a number from 0 to 100") }
}
