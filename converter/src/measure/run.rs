//! A program on frames.

use runtime::{Fault, Model, Session};

use super::error::MeasureError;
use super::memory::Aligned;

/// A checked model of `container`, which must be aligned.
pub(super) fn load(container: &Aligned) -> Result<Model<'_>, MeasureError> {
    Model::new(container.bytes()).map_err(MeasureError::Load)
}

/// Refuses frames that one of the models does not read.
pub(super) fn check_frames(
    model: &Model<'_>,
    float: &float::Graph,
    frames: &[Vec<u8>],
) -> Result<(), MeasureError> {
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
pub(super) fn start<'m, 'a>(
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
