//! What can be wrong with a float graph.

use thiserror::Error;

/// Why a float graph cannot be evaluated. Tensors are named by what the model file calls them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GraphError {
    /// A tensor that nothing has made yet is read.
    #[error("`{node}` reads `{tensor}`, which no earlier node makes")]
    Unmade {
        /// The tensor that the node makes.
        node: String,
        /// The tensor read.
        tensor: String,
    },
    /// A tensor is made twice, or is the frame.
    #[error("`{tensor}` is made more than once")]
    MadeTwice {
        /// The tensor.
        tensor: String,
    },
    /// A tensor index is out of range.
    #[error("{what} refers to tensor {index}, the graph has {count}")]
    NoTensor {
        /// Who refers to it.
        what: String,
        /// The index.
        index: usize,
        /// Tensors of the graph.
        count: usize,
    },
    /// A tensor or the whole graph is empty or too large to evaluate.
    #[error("`{tensor}`: {what}")]
    Size {
        /// The tensor.
        tensor: String,
        /// What is wrong, with the limit.
        what: String,
    },
    /// A node's parameters do not fit its tensors.
    #[error("`{tensor}` cannot be computed: {what} is {found}, expected {expected}")]
    Mismatch {
        /// The tensor that the node makes.
        tensor: String,
        /// Which parameter.
        what: &'static str,
        /// Its value.
        found: String,
        /// What the shapes ask for.
        expected: String,
    },
    /// A strided view leaves its tensor.
    #[error("`{node}` reads element {last} of `{tensor}`, which has {len}")]
    OutOfBounds {
        /// The tensor that the node makes.
        node: String,
        /// The tensor read.
        tensor: String,
        /// The last element read.
        last: u64,
        /// Elements of the tensor.
        len: usize,
    },
}
