//! Frames on their way, and what comes of them.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::clock;
use crate::device::Gpu;
use crate::error::RunError;
use crate::pieces::{Piece, Pieces};

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

/// Frames on their way through the GPU.
pub struct Submission {
    gpu: Gpu,
    readback: wgpu::Buffer,
    index: wgpu::SubmissionIndex,
    pieces: Pieces,
    frames: usize,
    state: Arc<AtomicU8>,
    /// What is seen of the first frame.
    pub(crate) seen: Vec<Seen>,
    /// Where the times begin among the results.
    times_at: Option<u64>,
}

const PENDING: u8 = 0;
const DONE: u8 = 1;
const LOST: u8 = 2;

impl Submission {
    pub(crate) fn new(
        gpu: Gpu,
        (readback, times_at): (wgpu::Buffer, Option<u64>),
        index: wgpu::SubmissionIndex,
        pieces: Pieces,
        frames: usize,
    ) -> Self {
        let state = Arc::new(AtomicU8::new(PENDING));
        let told = Arc::clone(&state);
        readback.slice(..).map_async(wgpu::MapMode::Read, move |mapped| {
            told.store(if mapped.is_ok() { DONE } else { LOST }, Ordering::Release);
        });
        Self { gpu, readback, index, pieces, frames, state, seen: Vec::new(), times_at }
    }

    /// Frames of the submission.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Whether it has ended; asks the GPU, and does not wait for it.
    pub fn is_done(&self) -> bool {
        // What the poll finds out arrives in `state`.
        let _ = self.gpu.device().poll(wgpu::PollType::Poll);
        self.state.load(Ordering::Acquire) != PENDING
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    ///
    /// [`RunError::Lost`].
    pub fn wait(&self) -> Result<(), RunError> {
        while self.state.load(Ordering::Acquire) == PENDING {
            let wait = wgpu::PollType::Wait { submission_index: Some(self.index.clone()), timeout: None };
            self.gpu.device().poll(wait).map_err(|_| RunError::Lost)?;
        }
        let done = self.state.load(Ordering::Acquire) == DONE && !self.gpu.has_failed();
        if done { Ok(()) } else { Err(RunError::Lost) }
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
        let view = self.readback.slice(start..start + self.pieces.bytes).get_mapped_range();
        let view = view.map_err(|_| RunError::Lost)?;
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
        let view = self.readback.slice(self.times_at?..).get_mapped_range().ok()?;
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
        let view = self.readback.slice(..).get_mapped_range().map_err(|_| RunError::Lost)?;
        let hash = |seen: &Seen| {
            let pieces = self.pieces.all[seen.pieces.clone()].iter().zip(&seen.firsts);
            let parts = pieces.map(|(piece, &first): (&Piece, &u32)| {
                let indexed = piece.values(&view).zip(first..);
                indexed.fold(0u64, |sum, (value, index)| sum.wrapping_add(quant::hash::mix(index, value)))
            });
            parts.fold(0, u64::wrapping_add)
        };
        let times = self.times_at.map_or(&[][..], |at| &view[at as usize..]);
        let mut times = clock::nanoseconds(times, self.gpu.queue().get_timestamp_period());
        let event = |seen: &Seen| Observed {
            instruction: seen.instruction,
            hash: hash(seen),
            nanoseconds: times.next().unwrap_or(0),
        };
        Ok(self.seen.iter().map(event).collect())
    }
}
