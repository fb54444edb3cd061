//! Workers that take frames from queues: how the processor and devices run.

#[cfg(feature = "threads")]
mod team;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::{io, mem, process};

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

/// Who works on a frame.
#[derive(Clone, Copy)]
enum Hands {
    /// One thread.
    One,
    /// All threads of a team.
    Team,
}

#[derive(Default)]
struct Queues {
    /// By [`Hands`].
    jobs: [VecDeque<Job>; 2],
    closed: bool,
}

#[derive(Default)]
struct Shared {
    queues: Mutex<Queues>,
    /// Told of new jobs and of the end, by [`Hands`].
    begun: [Condvar; 2],
    /// Told of batches that are done.
    ended: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        // A worker that panics has poisoned nothing: the queues are not touched while it works.
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on the frames of one queue until the queues are closed.
    fn serve(&self, worker: &mut dyn Worker, hands: Hands) {
        let mut queues = self.lock();
        while !queues.closed {
            match queues.jobs[hands as usize].pop_front() {
                Some(job) => {
                    drop(queues);
                    let last = job.run(worker);
                    queues = self.lock();
                    if last {
                        self.ended.notify_all();
                    }
                }
                None => {
                    let begun = &self.begun[hands as usize];
                    queues = begun.wait(queues).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

/// The threads of a run, which end with it.
#[derive(Default)]
struct Threads {
    handles: Vec<JoinHandle<()>>,
    /// The process that started them: they are not in a copy of it that `fork` makes.
    process: u32,
}

impl Threads {
    /// Starts one that calls `body`.
    fn start(&mut self, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.handles.push(thread::Builder::new().name("shiftformer".into()).spawn(body)?);
        self.process = process::id();
        Ok(())
    }

    /// Whether there are any in this process.
    fn are_here(&self) -> bool {
        !self.handles.is_empty() && self.process == process::id()
    }

    /// Waits for their ends.
    fn join(&mut self) {
        let here = self.are_here();
        let handles = mem::take(&mut self.handles);
        if !here {
            return mem::forget(handles);
        }
        for thread in handles {
            // A worker that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// A model on several workers. One of them may be the thread that waits.
pub(crate) struct PoolRun {
    kernels: String,
    board: Option<String>,
    shared: Arc<Shared>,
    threads: Threads,
    here: Option<Box<dyn Worker>>,
    /// Threads of the team; 0 without one.
    team: usize,
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
        let (threads, frames) = (Threads::default(), Frames::new(frame_len));
        let mut run = Self { kernels, board, shared, threads, here, team: 0, frames };
        for mut worker in elsewhere {
            let shared = Arc::clone(&run.shared);
            let started = run.threads.start(move || shared.serve(worker.as_mut(), Hands::One));
            started.map_err(|error| PrepareError::Threads(error.kind()))?;
        }
        Ok(run)
    }

    /// Hands over the first `frames` frames, of which the thread that waits does one at once if it is
    /// `here`.
    fn queue(&mut self, frames: usize, observe: Observe, here: bool) -> Result<Ticket, RunError> {
        let team = frames < self.team && self.threads.are_here();
        let hands = if team { Hands::Team } else { Hands::One };
        let others_work = team || !here || frames > 1;
        let (batch, frames) = self.frames.submit(frames, observe)?;
        let mut queues = self.shared.lock();
        for (index, frame) in frames.enumerate() {
            queues.jobs[hands as usize].push_back(Job { batch: Arc::clone(&batch), index, frame });
        }
        drop(queues);
        if others_work {
            self.shared.begun[hands as usize].notify_all();
        }
        Ok(Ticket(batch))
    }

    /// Takes part in the work until `batch` is done; without a worker here, only waits.
    fn work(&mut self, batch: &Batch) {
        let mut queues = self.shared.lock();
        while !batch.is_done() {
            let jobs = &mut queues.jobs[Hands::One as usize];
            let job = if self.here.is_some() { jobs.pop_front() } else { None };
            queues = match (job, &mut self.here) {
                (Some(job), Some(worker)) => {
                    drop(queues);
                    job.run(worker.as_mut());
                    self.shared.lock()
                }
                _ => self.shared.ended.wait(queues).unwrap_or_else(PoisonError::into_inner),
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
        self.queue(frames, observe, false)
    }

    fn submit_to_wait(&mut self, frames: usize, observe: Observe) -> Result<Ticket, RunError> {
        self.queue(frames, observe, self.here.is_some())
    }

    fn poll(&mut self, ticket: &Ticket, context: &mut Context<'_>) -> Poll<Result<(), RunError>> {
        ticket.0.wake_later(context.waker());
        if !ticket.0.is_done() {
            if self.threads.are_here() {
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
        let mut queues = self.shared.lock();
        queues.closed = true;
        // What nobody began is not done any more.
        let jobs: Vec<Job> = queues.jobs.iter_mut().flat_map(|jobs| jobs.drain(..)).collect();
        drop(queues);
        for Job { batch, index, frame } in jobs {
            batch.finish(index, frame, Some(RunError::Cancelled));
        }
        self.shared.begun.iter().for_each(Condvar::notify_all);
        self.frames.cancel();
        self.threads.join();
    }
}
