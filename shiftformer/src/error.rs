//! Errors in words for people.

use runtime::{ArenaError, Fault, LoadError};
use thiserror::Error;

use crate::explain::{load_hint, load_reason};

/// A container cannot be used.
#[derive(Debug, Error)]
#[error("{name}: {problem}")]
pub struct OpenError {
    /// The file's path, or the name given with its bytes.
    pub name: String,
    /// What is wrong.
    #[source]
    pub problem: OpenProblem,
}

/// Why a container cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenProblem {
    /// The system refuses.
    #[error("cannot be read: {0}")]
    Read(std::io::Error),
    /// More than [`MAX_FILE_BYTES`](crate::MAX_FILE_BYTES).
    #[error("is larger than 2 GiB")]
    TooLarge,
    /// The checker refuses.
    #[error("{}", load_reason(.0))]
    Load(LoadError),
}

impl OpenError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match &self.problem {
            OpenProblem::Read(_) => "check the path and its permissions",
            OpenProblem::TooLarge => "containers are at most 2 GiB: this is probably another file",
            OpenProblem::Load(reason) => load_hint(reason),
        }
    }
}

/// A run failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The frame has not the size of the model's inputs.
    #[error("the frame has {found} bytes, the model's inputs take {expected}")]
    Frame {
        /// Bytes of all inputs together.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// The arena was refused.
    #[error("the arena was refused: {0:?}")]
    Arena(ArenaError),
    /// The program faulted, which a checked model does not.
    #[error("the program faulted ({0:?}); please report this with the container")]
    Fault(Fault),
    /// The device gave no answer.
    #[cfg(feature = "device")]
    #[error("{0}")]
    Device(link::HostError<std::io::ErrorKind>),
    /// An instruction's output cannot be observed.
    #[error("the output of instruction {index} cannot be traced; please report this with the container")]
    Untraceable {
        /// The instruction.
        index: u32,
    },
}
