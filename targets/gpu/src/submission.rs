//! Frames on their way, and what comes of them.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use crate::clock;
use crate::device::Gpu;
use crate::error::RunError;
use crate::landing::{Landing, State};
use crate::pieces::{Piece, Pieces};
use crate::transfer::Lent;

/// What is seen of an instruction.
pub(crate) struct Seen {
    pub instruction: u32,
    /// Its results among the pieces.
    pub pieces: Range<usize>,
    /// The logical index of the first element of each.
    pub firsts: Vec<u32>,
}

/// An instruction whose output is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Its index in the program.
    pub instruction: u32,
    /// Hash of its output, as [`quant::hash`] defines it.
    pub hash: u64,
    /// Nanoseconds spent in it; 0 where the GPU does not tell.
    pub nanoseconds: u64,
}

/// Frames on their way through the GPU. Dropping it before the end leaves the GPU to its work, and
/// nobody sees the results.
pub struct Submission {
    pub(crate) gpu: Gpu,
    pub(crate) lent: Lent,
    pub(crate) landing: Arc<Landing>,
    pub(crate) index: wgpu::SubmissionIndex,
    pub(crate) pieces: Arc<Pieces>,
    pub(crate) frames: usize,
    /// What is seen of the first frame.
    pub(crate) seen: Vec<Seen>,
    /// Bytes of the times among the results.
    pub(crate) times: Option<Range<u64>>,
}

impl Submission {
    /// Frames of the submission.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Whether it has ended; asks the GPU, and does not wait for it.
    pub fn is_done(&self) -> bool {
        // What the poll finds out arrives in `landing`.
        let _ = self.gpu.device().poll(wgpu::PollType::Poll);
        self.landing.state() != State::Pending
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    ///
    /// [`RunError::Lost`].
    pub fn wait(&self) -> Result<(), RunError> {
        while self.landing.state() == State::Pending {
            let wait = wgpu::PollType::Wait { submission_index: Some(self.index.clone()), timeout: None };
            self.gpu.device().poll(wait).map_err(|_| RunError::Lost)?;
        }
        let done = self.landing.state() == State::Done && !self.gpu.has_failed();
        if done { Ok(()) } else { Err(RunError::Lost) }
    }

    /// Whether it has ended. Otherwise the waker of `context` is called when it has, also where nobody
    /// asks the GPU in the meantime: a thread of the [`Gpu`], which begins with the first call, waits
    /// for it then, and in a web page the browser does.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait).
    pub fn poll(&self, context: &mut Context<'_>) -> Poll<Result<(), RunError>> {
        self.landing.wake_later(context.waker());
        if self.is_done() {
            return Poll::Ready(self.wait());
        }
        let is_attended = &self.landing.is_attended;
        if !is_attended.load(Ordering::Relaxed) {
            let attendant = self.gpu.attendant();
            let attends = attendant.attend(self.gpu.device(), &self.index, &self.landing);
            is_attended.store(attends, Ordering::Relaxed);
            if !attends {
                // The system gives no thread: whoever polls has to ask again.
                context.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }

    /// The values of every output of frame number `frame`, after [`wait`](Self::wait): `outputs`
    /// gets one vector for each.
    ///
    /// # Errors
    ///
    /// [`RunError::Lost`].
    pub fn read(&self, frame: usize, outputs: &mut Vec<Vec<i32>>) -> Result<(), RunError> {
        let count = self.seen.first().map_or(self.pieces.all.len(), |seen| seen.pieces.start);
        let start = frame as u64 * self.pieces.bytes;
        let view = self.view(start..start + self.pieces.bytes)?;
        outputs.resize_with(count, Vec::new);
        for (values, piece) in outputs.iter_mut().zip(&self.pieces.all) {
            values.clear();
            values.extend(piece.values(&view));
        }
        Ok(())
    }

    /// The time that the GPU spent on all frames, transfers left out, by its own clock, after
    /// [`wait`](Self::wait); `None` where it does not tell.
    pub fn nanoseconds(&self) -> Option<u64> {
        let view = self.view(self.times.clone()?).ok()?;
        let times = clock::nanoseconds(&view, self.gpu.queue().get_timestamp_period());
        Some(times.sum())
    }

    /// Every instruction in the order in which they were completed, where they were observed.
    ///
    /// # Errors
    ///
    /// [`RunError::Lost`].
    pub fn observed(&self) -> Result<Vec<Observed>, RunError> {
        if self.seen.is_empty() {
            return Ok(Vec::new());
        }
        let view = self.view(0..self.pieces.bytes)?;
        let hash = |seen: &Seen| {
            let pieces = self.pieces.all[seen.pieces.clone()].iter().zip(&seen.firsts);
            let parts = pieces.map(|(piece, &first): (&Piece, &u32)| {
                let indexed = piece.values(&view).zip(first..);
                indexed.fold(0u64, |sum, (value, index)| sum.wrapping_add(quant::hash::mix(index, value)))
            });
            parts.fold(0, u64::wrapping_add)
        };
        let times = self.times.clone().map(|times| self.view(times)).transpose()?;
        let times = times.as_deref().unwrap_or_default();
        let mut times = clock::nanoseconds(times, self.gpu.queue().get_timestamp_period());
        let event = |seen: &Seen| Observed {
            instruction: seen.instruction,
            hash: hash(seen),
            nanoseconds: times.next().unwrap_or(0),
        };
        Ok(self.seen.iter().map(event).collect())
    }

    /// Some bytes of the results.
    fn view(&self, bytes: Range<u64>) -> Result<wgpu::BufferView, RunError> {
        self.lent.transfer.results().slice(bytes).get_mapped_range().map_err(|_| RunError::Lost)
    }
}
