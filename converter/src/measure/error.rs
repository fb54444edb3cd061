//! What can go wrong in a measurement.

use float::GraphError;
use runtime::{ArenaError, Fault, LoadError};
use thiserror::Error;

/// Why a program could not be measured.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MeasureError {
    /// The container is refused by the checker.
    #[error("the container is refused by the checker: {0}; convert the model again")]
    Load(LoadError),
    /// The arena cannot be used.
    #[error("the program's arena cannot be provided: {0}")]
    Arena(ArenaError),
    /// The program faulted.
    #[error("the program faulted: {0}; its container changed while it ran")]
    Fault(Fault),
    /// A frame has the wrong length.
    #[error(
        "frame {index} holds {found} bytes, the program reads {expected}; fit images to the model's size"
    )]
    Frame {
        /// Which.
        index: usize,
        /// Bytes the program reads.
        expected: usize,
        /// Bytes of the frame.
        found: usize,
    },
    /// There are no frames.
    #[error("there are no images to measure with; give at least one")]
    NoFrames,
    /// The two models have other inputs.
    #[error(
        "the program reads {program} bytes, the float model {float}; compare a program with the model it \
         was made from"
    )]
    Input {
        /// Bytes that the program reads.
        program: usize,
        /// Pixels that the float model reads.
        float: usize,
    },
    /// Fewer labels than frames.
    #[error("{labels} labels were given for {frames} images; give one for each")]
    Labels {
        /// How many labels.
        labels: usize,
        /// How many frames.
        frames: usize,
    },
    /// The two models have other outputs.
    #[error(
        "output {index} has {program} elements in the program and {float} in the float model; \
         compare a program with the model it was made from"
    )]
    Output {
        /// Which.
        index: usize,
        /// Elements in the program.
        program: usize,
        /// Elements in the float model.
        float: usize,
    },
    /// The float model does not hold together.
    #[error(transparent)]
    Float(#[from] GraphError),
}
