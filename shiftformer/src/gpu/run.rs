//! Frames through a GPU.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use gpu::{Program, Submission};

use crate::backend::Run;
use crate::error::RunError;
use crate::event::{Event, Observe};
use crate::frames::Frames;
use crate::ticket::{Batch, Frame, Ticket};

/// A model on a GPU.
pub(super) struct GpuRun {
    program: Program,
    frames: Frames,
    /// What the GPU has been given, in this order.
    flights: VecDeque<Flight>,
    /// Outputs of one frame, before they change places with those of the frame.
    outputs: Vec<Vec<i32>>,
    /// Of the last batch that landed whole.
    nanoseconds: Option<u64>,
}

/// Frames of one batch that run together.
struct Flight {
    batch: Arc<Batch>,
    /// The number of its first frame in the batch.
    first: usize,
    frames: Vec<Frame>,
    submission: Result<Submission, RunError>,
}

impl GpuRun {
    /// Runs of `program`, whose inputs take `frame_len` bytes.
    pub(super) fn new(program: Program, frame_len: usize) -> Self {
        Self {
            program,
            frames: Frames::new(frame_len),
            flights: VecDeque::new(),
            outputs: Vec::new(),
            nanoseconds: None,
        }
    }

    /// Gives `frames` to the GPU, the first of which is number `first` of `batch`.
    fn launch(&mut self, batch: &Arc<Batch>, first: usize, frames: Vec<Frame>) {
        let submission = if batch.observe == Observe::Nothing {
            let inputs: Vec<&[u8]> = frames.iter().map(|frame| frame.input.as_slice()).collect();
            self.program.submit(&inputs)
        } else {
            self.program.observe(&frames[0].input)
        };
        let submission = submission.map_err(RunError::Gpu);
        self.flights.push_back(Flight { batch: Arc::clone(batch), first, frames, submission });
    }

    /// Waits for the oldest flight, and finishes its frames.
    fn land(&mut self) {
        let Some(Flight { batch, first, frames, submission }) = self.flights.pop_front() else { return };
        let landed = submission.and_then(|submission| Ok(submission.wait().map(|()| submission)?));
        let spent = landed.as_ref().ok().and_then(Submission::nanoseconds);
        let before = if first == 0 { Some(0) } else { self.nanoseconds };
        self.nanoseconds = before.zip(spent).map(|(before, spent)| before + spent);
        for (at, mut frame) in frames.into_iter().enumerate() {
            let done = match &landed {
                _ if batch.is_cancelled() => Err(RunError::Cancelled),
                Ok(submission) => self.read(submission, at, &mut frame),
                Err(error) => Err(*error),
            };
            batch.finish(first + at, frame, done.err());
        }
    }

    /// Lands what has ended, so that tickets that nobody waited for hold nothing.
    fn land_ended(&mut self) {
        let has_ended = |flight: &Flight| flight.submission.as_ref().map_or(true, Submission::is_done);
        while self.flights.front().is_some_and(has_ended) {
            self.land();
        }
    }

    fn read(&mut self, submission: &Submission, at: usize, frame: &mut Frame) -> Result<(), RunError> {
        submission.read(at, &mut self.outputs)?;
        std::mem::swap(&mut self.outputs, &mut frame.outputs);
        frame.events.clear();
        frame.events.extend(submission.observed()?.into_iter().map(|seen| Event {
            instruction: seen.instruction,
            hash: seen.hash,
            nanoseconds: seen.nanoseconds,
        }));
        Ok(())
    }
}

impl Run for GpuRun {
    fn kernels(&self) -> &str {
        self.program.kernels()
    }

    fn board(&self) -> Option<&str> {
        Some(&self.program.gpu().adapter().name)
    }

    fn disabled(&self) -> Vec<&'static str> {
        self.program.gpu().disabled()
    }

    fn remarks(&self) -> Vec<String> {
        self.program.gpu().remarks().iter().map(ToString::to_string).collect()
    }

    fn device_nanoseconds(&self) -> Option<u64> {
        self.nanoseconds
    }

    fn memory_bytes(&self) -> Option<u64> {
        Some(self.program.memory_bytes())
    }

    fn input(&mut self, frame: usize) -> &mut [u8] {
        self.frames.input(frame)
    }

    fn submit(&mut self, frames: usize, observe: Observe) -> Result<Ticket, RunError> {
        self.land_ended();
        let (batch, frames) = self.frames.submit(frames, observe)?;
        let mut frames: VecDeque<Frame> = frames.collect();
        let together = if observe == Observe::Nothing { self.program.most_frames() } else { 1 };
        let mut first = 0;
        while !frames.is_empty() {
            let some: Vec<Frame> = frames.drain(..frames.len().min(together)).collect();
            let count = some.len();
            self.launch(&batch, first, some);
            first += count;
        }
        Ok(Ticket(batch))
    }

    fn poll(&mut self, ticket: &Ticket, context: &mut Context<'_>) -> Poll<Result<(), RunError>> {
        // Its frames may land while another ticket is polled.
        ticket.0.wake_later(context.waker());
        let last = self.flights.iter().rposition(|flight| Arc::ptr_eq(&flight.batch, &ticket.0));
        let Some(last) = last else { return Poll::Ready(ticket.0.outcome()) };
        // The GPU works in order: with the newest of these all have ended.
        let newest = self.flights.range(..=last).rev().find_map(|flight| flight.submission.as_ref().ok());
        if newest.is_some_and(|submission| submission.poll(context).is_pending()) {
            return Poll::Pending;
        }
        for _ in 0..=last {
            self.land();
        }
        Poll::Ready(ticket.0.outcome())
    }

    fn wait(&mut self, ticket: &Ticket) -> Result<(), RunError> {
        while !ticket.is_done() && !self.flights.is_empty() {
            self.land();
        }
        ticket.0.outcome()
    }
}

impl Drop for GpuRun {
    fn drop(&mut self) {
        self.frames.cancel();
        while !self.flights.is_empty() {
            self.land();
        }
    }
}
