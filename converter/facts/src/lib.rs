//! What a conversion found out and decided: the report and `inspect --json` show it.

use serde::{Deserialize, Deserializer, Serialize};

/// The code in the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Everything about one conversion.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Facts {
    /// Identity of the container the facts are about, in hexadecimal.
    pub identity: String,
    /// The model file.
    pub model: String,
    /// What the user stated about it; none where the converter kept no record.
    #[serde(default)]
    pub stated: Option<Stated>,
    /// Calibration images.
    pub calibration_images: usize,
    /// Those of one value throughout.
    #[serde(default)]
    pub constant_images: usize,
    /// Those that equal an earlier one.
    #[serde(default)]
    pub repeated_images: usize,
    /// Activations in execution order.
    pub tensors: Vec<TensorFact>,
    /// What was folded, escalated or overridden, in the order it was done.
    pub changes: Vec<Change>,
    /// How well each instruction's output follows the float model.
    pub fidelity: Vec<Fidelity>,
    /// Float against integer on some images.
    pub comparisons: Vec<Comparison>,
}

/// What the user stated about a model, beside its file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stated {
    /// The configuration as JSON.
    pub config: Option<String>,
    /// Mean of each channel of pixels scaled to \[0, 1\], or one for all; empty if not stated.
    pub mean: Vec<f32>,
    /// Standard deviation, likewise.
    pub std: Vec<f32>,
}

/// How an activation was quantized.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TensorFact {
    /// Its name.
    pub name: String,
    /// Bits of an element: 8, 16, 32.
    pub bits: u8,
    /// Real value of one unit.
    #[serde(deserialize_with = "number")]
    pub scale: f64,
    /// The integer that stands for zero.
    pub zero: i32,
    /// Least value seen.
    #[serde(deserialize_with = "number")]
    pub min: f64,
    /// Largest value seen.
    #[serde(deserialize_with = "number")]
    pub max: f64,
    /// Least and largest value that can be represented.
    #[serde(deserialize_with = "numbers")]
    pub range: [f64; 2],
    /// How the range was chosen: `min-max`, `percentile 99.99`, `mse`, `fixed`.
    pub method: String,
    /// Share of the values seen that the range cuts off.
    #[serde(deserialize_with = "number")]
    pub clipped: f64,
    /// Largest magnitude over the 99.9th percentile of magnitudes.
    #[serde(deserialize_with = "number")]
    pub outlier_ratio: f64,
}

/// What kind of change was made to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// A computation disappeared into another.
    Folded,
    /// Channels were rescaled between a layer and the next.
    Equalized,
    /// A bias was corrected.
    Corrected,
    /// More bits were given to an activation.
    Escalated,
    /// More bits were not given, for want of room.
    Withheld,
    /// The user said so.
    Overridden,
    /// A calibration image was an outlier.
    LeftOut,
}

/// A change to the model, and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Change {
    /// What kind.
    pub kind: ChangeKind,
    /// The layer or tensor.
    pub layer: String,
    /// What was done, in words.
    pub what: String,
    /// Why, with the figure it was decided by.
    pub why: String,
}

/// How well an instruction's output follows the float model.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fidelity {
    /// Index of the instruction.
    pub instruction: usize,
    /// Name of its output.
    pub name: String,
    /// Its op.
    pub op: String,
    /// Signal-to-noise ratio in decibels.
    #[serde(deserialize_with = "number")]
    pub snr_db: f64,
}

/// Float against integer on some images.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// Which images.
    pub data: String,
    /// How many.
    pub images: usize,
    /// Whether these calibrated the model, and so say little of others.
    #[serde(default)]
    pub seen: bool,
    /// Percent of images in the class that the float model gives most often, for classifiers.
    #[serde(default)]
    pub largest_class: Option<f64>,
    /// Percent of images with the same class first, for classifiers.
    pub agreement: Option<f64>,
    /// Mean cosine of the outputs.
    #[serde(deserialize_with = "number")]
    pub cosine: f64,
    /// Float top-1 in percent, if labels were given.
    pub float_top1: Option<f64>,
    /// Integer top-1 in percent, if labels were given.
    pub integer_top1: Option<f64>,
    /// Figures of each output, in the order of the model's; none where the converter kept none.
    #[serde(default)]
    pub outputs: Vec<OutputComparison>,
}

/// Signal over noise below which an output is another answer than the float model's, in decibels:
/// the error is half of what is to be said.
pub const AGREES_DB: f64 = 6.0;

impl Comparison {
    /// Whether every output follows the float model as far as to be an answer to the same question;
    /// none where no figures were kept.
    pub fn agrees(&self) -> Option<bool> {
        (!self.outputs.is_empty()).then(|| self.outputs.iter().all(OutputComparison::agrees))
    }
}

/// How one output follows the float model on some images. Values are those before the ending.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OutputComparison {
    /// Its name.
    pub output: String,
    /// What it means: `logits`, `embedding`, `dense` or `values`.
    pub kind: String,
    /// What the model computes behind it, such as `softmax`.
    pub ending: Option<String>,
    /// Signal over noise in decibels, −100 to 200. The signal is the distance of the float values
    /// from their mean, or from 0 where they are all the same; none where they are 0 throughout.
    pub snr_db: Option<f64>,
    /// Whether it is the same for all images, and the float model's is not.
    pub constant: bool,
    /// Mean absolute error of a value, in the unit of the output.
    #[serde(deserialize_with = "number")]
    pub mean_error: f64,
    /// Share of the variation between images that is right (the coefficient of determination):
    /// 1 at best, below 0 where the mean would be nearer. None where the float output does not
    /// depend on the image.
    pub r2: Option<f64>,
    /// Of several labels by a sigmoid, percent of decisions at one half that are the same.
    pub decisions: Option<f64>,
    /// Percent of these decisions that the float model says yes to.
    pub yes: Option<f64>,
}

impl OutputComparison {
    /// Whether it is an answer to the same question as the float model's.
    pub fn agrees(&self) -> bool {
        !self.constant && self.snr_db.is_none_or(|snr| snr >= AGREES_DB)
    }
}

/// JSON has no infinities: they are written as null and read as NaN.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[f64; 2], D::Error> {
    let numbers = <[Option<f64>; 2]>::deserialize(deserializer)?;
    Ok(numbers.map(|number| number.unwrap_or(f64::NAN)))
}
