//! The end of a submission, told by the GPU.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::Waker;

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

/// What is known of a submission, and who wants to know.
#[derive(Debug, Default)]
pub(crate) struct Landing {
    state: AtomicU8,
    waker: Mutex<Option<Waker>>,
    /// Whether the attendant knows of it.
    pub(crate) is_attended: AtomicBool,
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

    /// Says that it has ended, and wakes whoever waits. Only the first word counts.
    pub(crate) fn end(&self, is_done: bool) {
        let state = if is_done { DONE } else { LOST };
        let _ = self.state.compare_exchange(PENDING, state, Ordering::AcqRel, Ordering::Acquire);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Asks for `waker` to be called at the end, in place of the one before. An end in the meantime
    /// may not call it: the state is to be looked at afterwards.
    pub(crate) fn wake_later(&self, waker: &Waker) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
    }
}
