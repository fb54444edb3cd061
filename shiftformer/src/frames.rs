//! Frames and batches of an engine, used again and again.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::error::RunError;
use crate::event::Observe;
use crate::ticket::{Batch, Frame};

/// The frames of the next submission, and those that are free.
pub(crate) struct Frames {
    /// Bytes of a frame's inputs.
    frame_len: usize,
    /// Every batch there ever was; those without a ticket are used again.
    batches: Vec<Arc<Batch>>,
    /// The next submission.
    next: VecDeque<Frame>,
    free: Vec<Frame>,
    /// How many frames there are.
    count: usize,
}

impl Frames {
    /// None yet, of `frame_len` bytes each.
    pub(crate) fn new(frame_len: usize) -> Self {
        Self { frame_len, batches: Vec::new(), next: VecDeque::new(), free: Vec::new(), count: 0 }
    }

    /// The memory of frame number `frame` of the next submission.
    pub(crate) fn input(&mut self, frame: usize) -> &mut [u8] {
        while self.next.len() <= frame {
            if self.free.is_empty() {
                self.reclaim();
            }
            let mut frame = self.free.pop().unwrap_or_else(|| {
                self.count += 1;
                // Room for all there are, so that taking them back allocates nothing.
                self.free.reserve(self.count);
                Frame::default()
            });
            frame.input.resize(self.frame_len, 0);
            self.next.push_back(frame);
        }
        &mut self.next[frame].input
    }

    /// Takes back the frames of batches that nobody holds.
    fn reclaim(&mut self) {
        for batch in self.batches.iter_mut().filter_map(Arc::get_mut) {
            self.free.extend(batch.reclaim());
        }
    }

    /// A batch for the first `frames` frames, and these.
    ///
    /// # Errors
    ///
    /// [`RunError::NoFrames`] for none.
    pub(crate) fn submit(
        &mut self,
        frames: usize,
        observe: Observe,
    ) -> Result<(Arc<Batch>, impl ExactSizeIterator<Item = Frame> + '_), RunError> {
        if frames == 0 {
            return Err(RunError::NoFrames);
        }
        self.input(frames - 1);
        let batch = self.batch(frames, observe);
        Ok((batch, self.next.drain(..frames)))
    }

    /// A batch that nobody holds.
    fn batch(&mut self, frames: usize, observe: Observe) -> Arc<Batch> {
        self.reclaim();
        let unused = self.batches.iter_mut().position(|batch| Arc::get_mut(batch).is_some());
        let at = unused.unwrap_or_else(|| {
            self.batches.push(Arc::new(Batch::new()));
            self.batches.len() - 1
        });
        if let Some(batch) = Arc::get_mut(&mut self.batches[at]) {
            batch.begin(frames, observe);
        }
        Arc::clone(&self.batches[at])
    }

    /// Tells all batches that they are not wanted any more.
    pub(crate) fn cancel(&self) {
        for batch in &self.batches {
            batch.cancel();
        }
    }
}
