//! The end of a submission, told by the GPU.

use std::sync::atomic::{AtomicU8, Ordering};

/// How far a submission is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The GPU works on it.
    Pending,
    /// Its results can be read.
    Done,
    /// It has no results.
    Lost,
}

/// What is known of a submission.
#[derive(Debug, Default)]
pub(crate) struct Landing {
    state: AtomicU8,
}

const PENDING: u8 = 0;
const DONE: u8 = 1;
const LOST: u8 = 2;

impl Landing {
    pub(crate) fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            PENDING => State::Pending,
            DONE => State::Done,
            _ => State::Lost,
        }
    }

    /// Says that it has ended.
    pub(crate) fn end(&self, is_done: bool) {
        self.state.store(if is_done { DONE } else { LOST }, Ordering::Release);
    }
}
