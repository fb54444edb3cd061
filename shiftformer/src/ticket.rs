//! Submissions in flight, and what comes of them.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::Waker;

use crate::error::RunError;
use crate::event::{Event, Observe};

/// One frame: its inputs, and after its run its outputs. The memory is used again and again.
#[derive(Debug, Default)]
pub struct Frame {
    /// The bytes of all inputs, one after another.
    pub input: Vec<u8>,
    /// The values of every output.
    pub outputs: Vec<Vec<i32>>,
    /// Every instruction in the order in which they were completed, where they were observed.
    pub events: Vec<Event>,
    /// What the device says of its run, where there is a device and the run was observed.
    #[cfg(feature = "device")]
    pub device: Option<crate::device::DeviceFacts>,
}

/// A frame that is done, one way or another.
#[derive(Debug)]
struct Done {
    frame: Frame,
    error: Option<RunError>,
}

/// The frames of one submission.
#[derive(Debug)]
pub(crate) struct Batch {
    done: Vec<OnceLock<Done>>,
    frames: usize,
    left: AtomicUsize,
    cancelled: AtomicBool,
    waker: Mutex<Option<Waker>>,
    pub(crate) observe: Observe,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self {
            done: Vec::new(),
            frames: 0,
            left: AtomicUsize::new(0),
            cancelled: AtomicBool::new(false),
            waker: Mutex::new(None),
            observe: Observe::Nothing,
        }
    }

    /// Gives back the frames of the last submission.
    pub(crate) fn reclaim(&mut self) -> impl Iterator<Item = Frame> + '_ {
        self.done.iter_mut().filter_map(|cell| cell.take().map(|done| done.frame))
    }

    /// Makes it ready for a submission of `frames`.
    pub(crate) fn begin(&mut self, frames: usize, observe: Observe) {
        self.done.resize_with(self.done.len().max(frames), OnceLock::new);
        self.frames = frames;
        *self.left.get_mut() = frames;
        *self.cancelled.get_mut() = false;
        *self.waker.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
        self.observe = observe;
    }

    pub(crate) fn is_done(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Frame number `index` is done; whether it was the last.
    pub(crate) fn finish(&self, index: usize, frame: Frame, error: Option<RunError>) -> bool {
        let filled = self.done[index].set(Done { frame, error });
        debug_assert!(filled.is_ok(), "every frame is done once");
        if self.left.fetch_sub(1, Ordering::AcqRel) > 1 {
            return false;
        }
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Asks for `waker` to be called when all is done.
    pub(crate) fn wake_later(&self, waker: &Waker) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
    }

    /// The first error, once all is done.
    pub(crate) fn outcome(&self) -> Result<(), RunError> {
        let errors = self.done[..self.frames].iter().filter_map(|cell| cell.get()?.error);
        errors.into_iter().next().map_or(Ok(()), Err)
    }
}

/// A submission. Dropping it cancels what is still to be done, and frees the outputs.
pub struct Ticket(pub(crate) Arc<Batch>);

impl Ticket {
    /// Frames of the submission.
    pub fn len(&self) -> usize {
        self.0.frames
    }

    /// Whether it has no frames: never.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether all its frames are done.
    pub fn is_done(&self) -> bool {
        self.0.is_done()
    }

    /// Leaves undone what has not begun, and stops what has at its next instruction. The frames
    /// concerned end in [`RunError::Cancelled`].
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// What came of frame number `frame`; `None` while it is not done, and where it failed.
    pub fn frame(&self, frame: usize) -> Option<&Frame> {
        let done = self.0.done[..self.0.frames].get(frame)?.get()?;
        done.error.is_none().then_some(&done.frame)
    }

    /// Why frame number `frame` failed, if it did.
    pub fn error(&self, frame: usize) -> Option<RunError> {
        self.0.done[..self.0.frames].get(frame)?.get()?.error
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("frames", &self.len()).field("is_done", &self.is_done()).finish()
    }
}
