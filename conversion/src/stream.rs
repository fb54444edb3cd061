//! Many frames through one session.

use std::ops::Range;

use rayon::prelude::*;
use shiftformer::{Observe, Outputs, Session, Ticket};

use crate::failure::Failure;

/// Frames of a submission for each that the engine works on at once.
const DEPTH: usize = 4;

/// Runs the frames that `load` makes of the indices below `count`, the next ones being loaded
/// meanwhile, and gives their outputs to `take` in order. `parallel` frames are worked on at once.
///
/// # Errors
///
/// A frame that cannot be loaded, and a run that fails.
pub fn stream(
    session: &mut Session,
    (count, parallel): (usize, usize),
    load: impl Fn(usize) -> Result<Vec<u8>, Failure> + Sync,
    mut take: impl FnMut(Outputs<'_>),
) -> Result<(), Failure> {
    let several = |indices: Range<usize>| -> Result<Vec<Vec<u8>>, Failure> {
        indices.into_par_iter().map(&load).collect()
    };
    let part = (DEPTH * parallel).max(1);
    let mut frames = several(0..part.min(count))?;
    let mut loaded = frames.len();
    while !frames.is_empty() {
        let ticket = submit(session, &frames)?;
        let next = several(loaded..(loaded + part).min(count));
        session.engine().wait(&ticket).map_err(|error| failed(session, error))?;
        for frame in 0..ticket.len() {
            take(session.outputs(&ticket, frame).expect("a frame that is done"));
        }
        frames = next?;
        loaded += frames.len();
    }
    Ok(())
}

fn submit(session: &mut Session, frames: &[Vec<u8>]) -> Result<Ticket, Failure> {
    let engine = session.engine();
    for (index, frame) in frames.iter().enumerate() {
        engine.input(index).copy_from_slice(frame);
    }
    engine.submit(frames.len(), Observe::Nothing).map_err(|error| failed(session, error))
}

/// A run of `session` that failed.
pub fn failed(session: &Session, error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("{}: {error}", session.model().name()))
}
