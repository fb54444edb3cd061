//! What can go wrong in a conversion, in words for its user.

use float::GraphError;
use onnx::OnnxError;
use program::ProgramError;
use thiserror::Error;

use crate::import::Format;
use crate::measure::error::MeasureError;

/// Why a model could not be converted.
#[derive(Debug, Error)]
pub enum ConvertError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file is not a sound safetensors file.
    #[error("{path} is not a readable safetensors file: {reason}")]
    Safetensors {
        /// The file.
        path: String,
        /// What the parser says.
        reason: String,
    },
    /// A folder or an index does not hold a model that is read.
    #[error("{path} holds no model that is read: {reason}")]
    Folder {
        /// The folder, or the index.
        path: String,
        /// What it lacks, and the way out.
        reason: String,
    },
    /// The file is in a format of others.
    #[error("{path} is {}", format.name)]
    Foreign {
        /// The file.
        path: String,
        /// Its format, with the way to one that is read.
        format: Format,
    },
    /// The layout of the checkpoint is not one we know.
    #[error("{path} is not a layout this converter knows: {hint}")]
    UnknownLayout {
        /// The file.
        path: String,
        /// What was looked for.
        hint: String,
    },
    /// The configuration is missing or wrong.
    #[error("the model configuration is unusable: {reason}")]
    Config {
        /// What is wrong and what is expected.
        reason: String,
    },
    /// The model was trained with binarization, and another arithmetic was asked for.
    #[error("the model has weights or activations of one bit, which this format has no instructions for")]
    Binarized,
    /// The model was not trained with binarization.
    #[error("no layer of the model was trained with weights or activations of one bit")]
    NotBinarized,
    /// A layer cannot be made of the instructions there are.
    #[error("`{layer}` cannot be converted: {reason}")]
    Layer {
        /// Its name.
        layer: String,
        /// Why, and what is possible.
        reason: String,
    },
    /// A tensor is not there.
    #[error("tensor `{name}` is missing")]
    MissingTensor {
        /// Its name.
        name: String,
    },
    /// Tensors of the file would be left out of the program.
    #[error(
        "{} of the file's tensors would be left out: {}: {meaning}; a model without them is another model",
        names.len(),
        listed(names)
    )]
    UnreadTensors {
        /// All of them.
        names: Vec<String>,
        /// What they probably are.
        meaning: String,
    },
    /// A tensor has another shape than the configuration asks for.
    #[error("tensor `{name}` has shape {found:?}, expected {expected:?}")]
    Shape {
        /// Its name.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape the configuration implies.
        expected: Vec<usize>,
    },
    /// A tensor has an element type that is not read.
    #[error("tensor `{name}` has element type {found}, expected {expected}")]
    ElementType {
        /// Its name.
        name: String,
        /// Its type.
        found: String,
        /// The types that are read.
        expected: &'static str,
    },
    /// A tensor holds a value that cannot be used.
    #[error("tensor `{name}` holds {value} at element {index}; expected {expected}")]
    Value {
        /// Its name.
        name: String,
        /// The element.
        index: usize,
        /// Its value.
        value: f64,
        /// What is expected instead.
        expected: &'static str,
    },
    /// A scale ratio has no multiplier.
    #[error("`{name}`: the scale ratio {ratio:e} cannot be represented; its scales are too far apart")]
    Ratio {
        /// The instruction.
        name: String,
        /// The ratio.
        ratio: f64,
    },
    /// A softmax or GELU scale is out of range.
    #[error("`{name}`: the scale {scale:e} is too small for an integer exponential over {terms} terms")]
    Exponential {
        /// The instruction.
        name: String,
        /// The input scale.
        scale: f64,
        /// Terms of the sum.
        terms: u32,
    },
    /// A float graph does not hold together.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The program could not be measured against its float model.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// There is nothing to calibrate with.
    #[error("there are no calibration images; give some with --calib, 32 are enough to begin with")]
    EmptyCalibration,
    /// An activation is NaN or infinite.
    #[error(
        "activation `{name}` is not finite on the calibration images; are --mean and --std those of the training?"
    )]
    NotFinite {
        /// The tensor.
        name: String,
    },
    /// A layer named by the user is not there.
    #[error("there is no layer `{name}`; the layers are {known}")]
    UnknownLayer {
        /// What was asked for.
        name: String,
        /// The layers.
        known: String,
    },
    /// The container exceeds what the user allows.
    #[error("the smallest container of this model has {smallest} bytes, {limit} are allowed")]
    Flash {
        /// Bytes that are allowed.
        limit: u64,
        /// Bytes with 8 bits wherever there is a choice.
        smallest: u64,
    },
    /// The program cannot be built.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// An ONNX model cannot be imported.
    #[error(transparent)]
    Onnx(#[from] OnnxError),
}

/// The first of `names`, and how many there are.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 6;
    let shown: Vec<_> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let shown = shown.join(", ");
    match names.len().checked_sub(SHOWN) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}
