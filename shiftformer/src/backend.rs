//! One face for every engine that runs a model.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use crate::blocking;
use crate::error::{PrepareError, RunError};
use crate::event::Observe;
use crate::model::Model;
use crate::ticket::Ticket;

/// An engine that can run models: the processor, a device at a serial port, an emulator.
pub trait Backend: Send + Sync {
    /// The name in reports.
    fn name(&self) -> String;

    /// What it can do at once.
    fn limits(&self) -> Limits;

    /// `model` as this engine reads it in this machine's memory while it runs, which sessions keep in
    /// place of the one that they were given: the file may go.
    ///
    /// # Errors
    ///
    /// [`PrepareError`] where it cannot be laid out.
    fn lay_out(&self, model: &Model) -> Result<Model, PrepareError> {
        Ok(model.clone())
    }

    /// Lays `model` out for this engine and makes a run of it. The future may be pending where
    /// the engine prepares in the background; [`Model::session_on`] waits for it.
    fn prepare<'a>(&'a self, model: &'a Model) -> Preparing<'a>;
}

/// A [`Run`] in the making.
pub type Preparing<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn Run>, PrepareError>> + 'a>>;

/// What an engine can do at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Frames that it works on at the same time. Submissions may hold more: they wait their turn.
    pub parallel: usize,
}

/// Another engine than the one that was asked runs the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// Its name.
    pub backend: String,
    /// Why the one that was asked does not.
    pub reason: String,
}

/// A model on an engine: frames go in, tickets come out.
///
/// Several tickets may be in flight. A ticket's outputs live as long as the ticket.
pub trait Run: Send {
    /// The kernels in use.
    fn kernels(&self) -> &str;

    /// What the device calls itself; `None` on this machine.
    fn board(&self) -> Option<&str> {
        None
    }

    /// The engine that runs it where that is another than the one that was asked.
    fn fallback(&self) -> Option<&Fallback> {
        None
    }

    /// Kernels that failed their test on this device, by name, others of the same results in their
    /// place.
    fn disabled(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// What the engine does without, and people should know of: files of a cache that are damaged.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    /// Nanoseconds that the engine spent on the last submission that was waited for, transfers left
    /// out, by a clock of its own; `None` where it has none.
    fn device_nanoseconds(&self) -> Option<u64> {
        None
    }

    /// Bytes of its own memory that the engine holds for the model: constants, and room for the
    /// largest submission so far. `None` where that is this machine's, and where nobody tells.
    fn memory_bytes(&self) -> Option<u64> {
        None
    }

    /// The memory that frame number `frame` of the next submission is written into: the bytes of
    /// all inputs, one after another. Its content before is undefined.
    fn input(&mut self, frame: usize) -> &mut [u8];

    /// Runs the first `frames` frames that were written.
    ///
    /// # Errors
    ///
    /// [`RunError::NoFrames`] for none.
    fn submit(&mut self, frames: usize, observe: Observe) -> Result<Ticket, RunError>;

    /// As [`submit`](Self::submit), by a caller who [waits](Self::wait) for the ticket at once: the
    /// thread that waits may do the work, so that an engine need not wake another one for it.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    fn submit_to_wait(&mut self, frames: usize, observe: Observe) -> Result<Ticket, RunError> {
        self.submit(frames, observe)
    }

    /// Whether all frames of `ticket` are done. Otherwise the waker of `context` is called when
    /// they are. An engine without a thread of its own does the work in this call; a GPU has one
    /// that waits for it, from the first call on.
    ///
    /// # Errors
    ///
    /// That of the first frame that failed.
    fn poll(&mut self, ticket: &Ticket, context: &mut Context<'_>) -> Poll<Result<(), RunError>>;

    /// Waits until all frames of `ticket` are done.
    ///
    /// # Errors
    ///
    /// As [`poll`](Self::poll).
    fn wait(&mut self, ticket: &Ticket) -> Result<(), RunError> {
        let waker = blocking::waker();
        let mut context = Context::from_waker(&waker);
        loop {
            match self.poll(ticket, &mut context) {
                Poll::Ready(done) => return done,
                Poll::Pending => thread::park(),
            }
        }
    }
}
