//! How well an integer program follows the float model it was made from.
//!
//! The program runs with the reference kernels, so the figures are those of every
//! backend. Both models run on one frame at a time for each thread; sums are kept, not
//! traces, and they are added in the order of the frames, so that the figures do not
//! depend on the number of threads.

mod compare;
mod fidelity;
mod memory;
#[cfg(test)]
mod tests;

pub use compare::compare;
pub use fidelity::{MAX_SNR_DB, MIN_SNR_DB, fidelity};
pub(crate) use memory::Aligned;

use runtime::{ArenaError, Fault, LoadError, Model, Session};
use thiserror::Error;

use crate::error::ConvertError;

/// Why a program could not be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
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
}

/// A checked model of `container`, which must be aligned.
fn load(container: &Aligned) -> Result<Model<'_>, ConvertError> {
    Ok(Model::new(container.bytes()).map_err(MeasureError::Load)?)
}

/// Refuses frames that one of the models does not read.
fn check_frames(model: &Model<'_>, float: &float::Graph, frames: &[Vec<u8>]) -> Result<(), MeasureError> {
    if frames.is_empty() {
        return Err(MeasureError::NoFrames);
    }
    let expected: usize = model.inputs().map(|input| input.slot.bytes() as usize).sum();
    let pixels = float.tensors.first().map_or(0, float::Tensor::len);
    if pixels != expected {
        return Err(MeasureError::Input { program: expected, float: pixels });
    }
    let other = frames.iter().enumerate().find(|(_, frame)| frame.len() != expected);
    match other {
        Some((index, frame)) => Err(MeasureError::Frame { index, expected, found: frame.len() }),
        None => Ok(()),
    }
}

/// A session with its inputs filled from `frame`, whose length was checked.
fn start<'m, 'a>(
    model: &'m Model<'m>,
    arena: &'a mut Aligned,
    frame: &[u8],
) -> Result<Session<'m, 'a>, MeasureError> {
    let mut session = Session::new(model, arena.bytes_mut()).map_err(MeasureError::Arena)?;
    let mut rest = frame;
    for index in 0..model.inputs().count() {
        let input = session.input(index).ok_or(MeasureError::Fault(Fault::Bounds))?;
        let (bytes, tail) = rest.split_at_checked(input.len()).ok_or(MeasureError::Fault(Fault::Bounds))?;
        input.copy_from_slice(bytes);
        rest = tail;
    }
    Ok(session)
}
