//! Errors as the user sees them: what failed, by name, and what to do about it.

use std::path::Path;

use converter::ConvertError;
use data::DataError;
use onnx::OnnxError;
use program::ProgramError;
use shiftformer::device::SerialError;
use shiftformer::quant::Reject;
use shiftformer::runtime::LoadError;
use shiftformer::{NotInThisBuild, OpenError, PrepareError};

/// Something failed, in words for the user.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    message: String,
    help: Option<String>,
}

impl Failure {
    /// A failure that names the file, tensor or instruction.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    /// With advice.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What to do about it, where that is known.
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// What asks for a feature that this build was made without.
    pub fn without(feature: &'static str) -> Self {
        Self::new(format!("this build was made without the feature `{feature}`"))
            .help(format!("build the command line with `--features {feature}`, which is on by default"))
    }

    /// For `map_err` on input and output: `what` is for example "cannot write".
    pub fn io(what: &'static str, path: &Path) -> impl Fn(std::io::Error) -> Self {
        move |error| Self::new(format!("{what} {}: {error}", path.display()))
    }

    /// For `map_err` on the conversion of the model called `name`.
    pub fn convert<E: Into<ConvertError>>(name: &str) -> impl Fn(E) -> Self {
        move |error| {
            let error = error.into();
            Self { message: format!("cannot convert {name}: {error}"), help: convert_hint(&error) }
        }
    }
}

/// What to do about `error`; none where it says so itself.
fn convert_hint(error: &ConvertError) -> Option<String> {
    let hint = match error {
        ConvertError::Read { .. } => "check the path and its permissions",
        ConvertError::Foreign { format, .. } => format.way,
        ConvertError::Safetensors { .. } => {
            "the file may be incomplete: copy it again, or save it again with safetensors"
        }
        ConvertError::Folder { .. } => {
            "give a folder with model.safetensors, config.json and preprocessor_config.json, as save_pretrained writes it"
        }
        ConvertError::UnknownLayout { .. } => {
            "give an .onnx file, or a state dict saved as safetensors with the names of timm, torchvision or Hugging Face \
             or in the layouts of I-ViT and BiViT"
        }
        ConvertError::Config { .. } => {
            "correct the configuration beside the model, or give one with --config FILE.json, and --mean and --std of \
             pixels scaled to [0, 1]: those of ImageNet are --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225, and many models take \
             --mean 0.5 --std 0.5"
        }
        ConvertError::MissingTensor { .. } | ConvertError::Shape { .. } => {
            "the checkpoint and its configuration disagree: check `config` in the metadata, or give another with --config FILE.json"
        }
        ConvertError::UnreadTensors { .. } => {
            "export the model as ONNX, which says how its parts are connected; or remove the tensors from the \
             file if inference has no use for them"
        }
        ConvertError::Binarized => "convert it with --format bivit",
        ConvertError::NotBinarized => {
            "convert it with --format ivit, or train it with binarization first: converter/recipes shows how"
        }
        ConvertError::Layer { .. } => {
            "docs/conversion.md says which layers run on bits, and in which precision"
        }
        ConvertError::ElementType { .. } => "save the tensors as float32 or float16",
        ConvertError::Value { value, .. } if !value.is_finite() => {
            "look for the step at which training diverged, and save the model from before it"
        }
        ConvertError::Value { .. } => {
            "save a quantization-aware checkpoint after a validation run, with scales and integer weights frozen"
        }
        ConvertError::Onnx(error) => return onnx_hint(error),
        ConvertError::EmptyCalibration => "give --calib DATA with at least one image",
        ConvertError::NotFinite { .. } => {
            "check --mean and --std, and that the float model gives finite numbers for these images"
        }
        ConvertError::UnknownLayer { .. } => {
            "the beginning of a name up to a dot stands for all layers below it"
        }
        ConvertError::Ratio { .. } | ConvertError::Exponential { .. } => {
            "the scales of this layer look wrong: was the model trained to the end?"
        }
        ConvertError::Flash { .. } => {
            "a model that was trained with binary weights needs a few times less, with --format bivit; \
             or train one of smaller width or depth"
        }
        ConvertError::Program(ProgramError::TooLarge { .. }) => {
            "containers are limited to 4 GiB and 2048 instructions"
        }
        ConvertError::Program(ProgramError::Check {
            error: LoadError::Op { reason: Reject::Dimension, .. },
            ..
        }) => {
            "runtime/SPEC.md says how large the operands of each instruction may be: export the model with a \
             smaller image, or split the layer"
        }
        ConvertError::Graph(_) | ConvertError::Measure(_) | ConvertError::Program(_) => {
            "this is a defect of the converter: please report it with the checkpoint"
        }
    };
    Some(hint.to_owned())
}

fn onnx_hint(error: &OnnxError) -> Option<String> {
    let hint = match error {
        OnnxError::NotOnnx { .. } => {
            "the file may be incomplete: look at its size, copy it again, or export the model again"
        }
        OnnxError::Limit { .. } => {
            "exported vision models stay far below this limit: export the model with a smaller image or batch"
        }
        OnnxError::ElementType { .. } => "save the model with float32 or float16 weights",
        OnnxError::Tensor { .. } | OnnxError::Value { .. } | OnnxError::Node { .. } => {
            "the file breaks a rule of ONNX, which `onnx.checker.check_model` explains: export it again"
        }
        OnnxError::NotFinite { .. } => {
            "look for the step at which training diverged, and save the model from before it"
        }
        OnnxError::Unsupported { op, .. } => {
            return Some(format!("docs/onnx-operators.md says what is accepted of {op}, or that nothing is"));
        }
        OnnxError::Interface { .. } => "docs/conversion.md says which inputs and outputs a model may have",
        OnnxError::Normalisation { .. } => {
            "give --mean and --std of pixels scaled to [0, 1], as training used them"
        }
        // Those that are left name the way out.
        _ => return None,
    };
    Some(hint.to_owned())
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        Self { help: error.hint().map(str::to_owned), message: error.to_string() }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::new(error.to_string()).help(error.hint())
    }
}

impl From<PrepareError> for Failure {
    fn from(error: PrepareError) -> Self {
        Self::new(error.to_string()).help(error.hint())
    }
}

impl From<NotInThisBuild> for Failure {
    fn from(error: NotInThisBuild) -> Self {
        Self::new(error.to_string())
    }
}

impl From<SerialError> for Failure {
    fn from(error: SerialError) -> Self {
        Self::new(error.to_string()).help("check its name, that nobody else uses it, and its permissions")
    }
}

#[cfg(feature = "gpu")]
impl From<shiftformer::GpuError> for Failure {
    fn from(error: shiftformer::GpuError) -> Self {
        Self::new(error.to_string()).help("`shiftformer devices` lists the GPUs; `--backend cpu` needs none")
    }
}
