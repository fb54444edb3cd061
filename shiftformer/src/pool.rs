//! Workers that take frames from one queue: how the processor and devices run.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};

use crate::backend::Run;
use crate::error::{PrepareError, RunError};
use crate::event::Observe;
use crate::frames::Frames;
use crate::ticket::{Batch, Frame, Ticket};

/// Runs one frame after another.
pub(crate) trait Worker: Send {
    /// Runs the inputs of `frame` and replaces its outputs and events, unless `is_cancelled`
    /// says to stop.
    fn run(
        &mut self,
        frame: &mut Frame,
        observe: Observe,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<(), RunError>;
}

/// A frame that waits for a worker.
struct Job {
    batch: Arc<Batch>,
    index: usize,
    frame: Frame,
}

impl Job {
    /// Does the work; whether the batch is done with it.
    fn run(self, worker: &mut dyn Worker) -> bool {
        let Job { batch, index, mut frame } = self;
        let is_cancelled = || batch.is_cancelled();
        let error = if is_cancelled() {
            Some(RunError::Cancelled)
        } else {
            // Nobody may wait for ever for a worker that is gone.
            let run = || worker.run(&mut frame, batch.observe, &is_cancelled);
            catch_unwind(AssertUnwindSafe(run)).unwrap_or(Err(RunError::Panicked)).err()
        };
        batch.finish(index, frame, error)
    }
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Told of new jobs and of the end.
    begun: Condvar,
    /// Told of batches that are done.
    ended: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A worker that panics has poisoned nothing: the queue is not touched while it works.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works until the queue is closed.
    fn serve(&self, worker: &mut dyn Worker) {
        let mut queue = self.lock();
        while !queue.closed {
            match queue.jobs.pop_front() {
                Some(job) => {
                    drop(queue);
                    let last = job.run(worker);
                    queue = self.lock();
                    if last {
                        self.ended.notify_all();
                    }
                }
                None => queue = self.begun.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

/// A model on several workers. One of them may be the thread that waits.
pub(crate) struct PoolRun {
    kernels: String,
    board: Option<String>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    here: Option<Box<dyn Worker>>,
    frames: Frames,
}

impl PoolRun {
    /// Workers for frames of `frame_len` bytes: `here` in the thread that waits, if given, and
    /// each of `elsewhere` in one of its own.
    pub(crate) fn new(
        (kernels, board): (String, Option<String>),
        frame_len: usize,
        here: Option<Box<dyn Worker>>,
        elsewhere: Vec<Box<dyn Worker>>,
    ) -> Result<Self, PrepareError> {
        let shared = Arc::new(Shared::default());
        let mut run = Self {
            kernels,
            board,
            shared,
            threads: Vec::with_capacity(elsewhere.len()),
            here,
            frames: Frames::new(frame_len),
        };
        for mut worker in elsewhere {
            let shared = Arc::clone(&run.shared);
            let thread = thread::Builder::new().name("shiftformer".into());
            let thread = thread.spawn(move || shared.serve(worker.as_mut()));
            run.threads.push(thread.map_err(|error| PrepareError::Threads(error.kind()))?);
        }
        Ok(run)
    }

    /// Takes part in the work until `batch` is done; without a worker here, only waits.
    fn work(&mut self, batch: &Batch) {
        let mut queue = self.shared.lock();
        while !batch.is_done() {
            let job = if self.here.is_some() { queue.jobs.pop_front() } else { None };
            queue = match (job, &mut self.here) {
                (Some(job), Some(worker)) => {
                    drop(queue);
                    job.run(worker.as_mut());
                    self.shared.lock()
                }
                _ => self.shared.ended.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl Run for PoolRun {
    fn kernels(&self) -> &str {
        &self.kernels
    }

    fn board(&self) -> Option<&str> {
        self.board.as_deref()
    }

    fn input(&mut self, frame: usize) -> &mut [u8] {
        self.frames.input(frame)
    }

    fn submit(&mut self, frames: usize, observe: Observe) -> Result<Ticket, RunError> {
        let (batch, frames) = self.frames.submit(frames, observe)?;
        let mut queue = self.shared.lock();
        for (index, frame) in frames.enumerate() {
            queue.jobs.push_back(Job { batch: Arc::clone(&batch), index, frame });
        }
        drop(queue);
        self.shared.begun.notify_all();
        Ok(Ticket(batch))
    }

    fn poll(&mut self, ticket: &Ticket, context: &mut Context<'_>) -> Poll<Result<(), RunError>> {
        ticket.0.wake_later(context.waker());
        if !ticket.0.is_done() {
            if !self.threads.is_empty() {
                return Poll::Pending;
            }
            self.work(&ticket.0);
        }
        Poll::Ready(ticket.0.outcome())
    }

    fn wait(&mut self, ticket: &Ticket) -> Result<(), RunError> {
        self.work(&ticket.0);
        ticket.0.outcome()
    }
}

impl Drop for PoolRun {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.closed = true;
        // What nobody began is not done any more.
        let jobs: Vec<Job> = queue.jobs.drain(..).collect();
        drop(queue);
        for Job { batch, index, frame } in jobs {
            batch.finish(index, frame, Some(RunError::Cancelled));
        }
        self.shared.begun.notify_all();
        self.frames.cancel();
        for thread in self.threads.drain(..) {
            // A worker that panicked has said so.
            let _ = thread.join();
        }
    }
}
