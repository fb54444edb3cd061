//! What can be wrong with an ONNX file.

use thiserror::Error;

/// Why an ONNX model could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// The bytes are not a model.
    #[error("this is not a readable ONNX file: {reason}")]
    NotOnnx {
        /// What the decoder found.
        reason: String,
    },
    /// Something is larger than this reader accepts.
    #[error("{what}: {found} exceeds the limit of {limit}")]
    Limit {
        /// What is too large.
        what: String,
        /// How large it is.
        found: u64,
        /// How large it may be.
        limit: u64,
    },
    /// The operator set is not one this reader knows.
    #[error(
        "the model uses ONNX opset {found}; {} to {} are read: export it again with \
         `opset_version=17`, or convert it with `onnx.version_converter`",
        super::limits::OPSETS.start(),
        super::limits::OPSETS.end()
    )]
    Opset {
        /// The model's; 0 if it states none.
        found: i64,
    },
    /// A tensor's external data file is not there.
    #[error(
        "tensor `{tensor}` is stored in `{file}`, which cannot be read ({reason}); keep that file \
         in the directory of the model, or save the model with `save_as_external_data=False`"
    )]
    ExternalData {
        /// The tensor.
        tensor: String,
        /// The file as the model names it.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// A tensor has an element type that is not read.
    #[error(
        "tensor `{tensor}` has element type {found}; float32, float16, bfloat16, double, bool and \
         integers are read"
    )]
    ElementType {
        /// The tensor.
        tensor: String,
        /// Its type.
        found: String,
    },
    /// A tensor is inconsistent.
    #[error("tensor `{tensor}`: {reason}")]
    Tensor {
        /// The tensor.
        tensor: String,
        /// What is wrong.
        reason: String,
    },
    /// A tensor holds an element that is NaN or infinite.
    #[error("tensor `{tensor}` holds {value} at element {index}; expected a finite number")]
    NotFinite {
        /// The tensor.
        tensor: String,
        /// The element.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// A value has no producer, or two.
    #[error("value `{value}`, {role}, {problem}")]
    Value {
        /// The value.
        value: String,
        /// Who wants it.
        role: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A node that cannot be imported.
    #[error("node `{node}` ({op}) is not supported: {hint}")]
    Unsupported {
        /// The node.
        node: String,
        /// Its op.
        op: String,
        /// Why not, and what would be accepted instead.
        hint: String,
    },
    /// A node that breaks the rules of its op.
    #[error("node `{node}` ({op}) is not valid: {reason}")]
    Node {
        /// The node.
        node: String,
        /// Its op.
        op: String,
        /// What is wrong.
        reason: String,
    },
    /// The inputs or outputs of the model do not make an image model.
    #[error("{what} `{name}`: {reason}")]
    Interface {
        /// Input or output.
        what: &'static str,
        /// Its name.
        name: String,
        /// What is wrong and what is expected.
        reason: String,
    },
    /// Mean or standard deviation does not suit the model's image.
    #[error("{what} {reason}")]
    Normalisation {
        /// Which of the two.
        what: &'static str,
        /// What is wrong and what is expected.
        reason: String,
    },
}
