//! Errors in words for people.

use runtime::{ArenaError, Fault, LoadError};
use thiserror::Error;

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
    #[error("{0}")]
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

fn load_hint(error: &LoadError) -> &'static str {
    match error {
        LoadError::Truncated | LoadError::TrailingBytes | LoadError::Crc => {
            "the file is incomplete or altered: copy it again, or convert the model again"
        }
        LoadError::Magic => "expected a .shf file; `shiftformer convert` makes one from a checkpoint",
        LoadError::Version { .. } | LoadError::UnknownOp { .. } => {
            "convert the model again with this build, or use the build that made the file"
        }
        LoadError::Misaligned => "place the container at an address that is a multiple of 16",
        LoadError::Section(_)
        | LoadError::Arena
        | LoadError::InstructionCount
        | LoadError::Instruction { .. }
        | LoadError::Op { .. }
        | LoadError::Slot { .. }
        | LoadError::Tile { .. }
        | LoadError::Io { .. }
        | LoadError::OutputUndefined { .. } => {
            "the file was not written by `shiftformer convert`, or by a faulty version: convert the model again"
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
    #[error("{0}")]
    Arena(ArenaError),
    /// The program faulted, which a checked model does not.
    #[error("the program faulted ({0}); please report this with the container")]
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
