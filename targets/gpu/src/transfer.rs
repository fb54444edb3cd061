//! Memory that frames go in and results come back through, used again and again.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::device::Gpu;
use crate::error::RunError;
use crate::landing::{Landing, State};
use crate::memory::buffer;

/// Memory of both directions for one submission. While no submission uses it, `frames` is mapped
/// and `results` is not.
#[derive(Clone)]
pub(crate) struct Transfer {
    frames: wgpu::Buffer,
    results: wgpu::Buffer,
    /// Of the submission that used it last.
    landing: Option<Arc<Landing>>,
}

impl Transfer {
    /// Room for frames of `frames` bytes and results of `results` bytes, all in all.
    pub(crate) fn new(gpu: &Gpu, frames: u64, results: u64) -> Result<Self, RunError> {
        let usage = wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC;
        let frames = buffer(gpu, "the frames", frames, usage)?;
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let results = buffer(gpu, "the results", results, usage)?;
        Ok(Self { frames, results, landing: None })
    }

    /// Where results lie.
    pub(crate) fn results(&self) -> &wgpu::Buffer {
        &self.results
    }

    /// Writes `frames` one after another, each the bytes of inputs of which `places` has one for
    /// each; every input begins with a word. The GPU may read them afterwards, and nobody else.
    ///
    /// # Errors
    ///
    /// [`RunError::Lost`] where the memory is not there.
    ///
    /// # Panics
    ///
    /// If a frame has another size.
    pub(crate) fn write(&self, frames: &[&[u8]], places: &[Range<u64>]) -> Result<(), RunError> {
        let bytes = frame_bytes(places) * frames.len() as u64;
        if bytes > 0 {
            let view = self.frames.slice(..bytes).get_mapped_range_mut();
            let mut view = view.map_err(|_| RunError::Lost)?;
            let mut at = 0;
            for frame in frames {
                let mut rest = *frame;
                for place in places {
                    let (input, tail) = rest.split_at((place.end - place.start) as usize);
                    view.slice(at..at + input.len()).copy_from_slice(input);
                    (at, rest) = (at + padded(place) as usize, tail);
                }
                assert!(rest.is_empty(), "a frame of {} bytes", frame.len());
            }
        }
        self.frames.unmap();
        Ok(())
    }

    /// Encodes the copy of `count` frames to their arenas, which are `distance` bytes apart.
    pub(crate) fn bring(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        (count, places): (usize, &[Range<u64>]),
        (arena, distance): (&wgpu::Buffer, u64),
    ) {
        let mut from = 0;
        for frame in 0..count as u64 {
            for place in places {
                // Whole words: nothing but inputs, which begin at multiples of 16, is there yet.
                let (to, bytes) = (frame * distance + place.start, padded(place));
                encoder.copy_buffer_to_buffer(&self.frames, from, arena, to, bytes);
                from += bytes;
            }
        }
    }

    /// Asks for both to be mapped at the end of the submission that was just made of it.
    pub(crate) fn map(&mut self) -> Arc<Landing> {
        let landing = Arc::new(Landing::default());
        // First, so that it has been mapped by the time that the landing is told.
        self.frames.slice(..).map_async(wgpu::MapMode::Write, |_| ());
        let told = Arc::clone(&landing);
        self.results.slice(..).map_async(wgpu::MapMode::Read, move |mapped| told.end(mapped.is_ok()));
        self.landing = Some(Arc::clone(&landing));
        landing
    }

    fn holds(&self, frames: u64, results: u64) -> bool {
        self.frames.size() >= frames && self.results.size() >= results
    }
}

/// Bytes between two frames whose inputs have `places` in an arena.
pub(crate) fn frame_bytes(places: &[Range<u64>]) -> u64 {
    places.iter().map(padded).sum()
}

/// Bytes of an input with those that fill its last word.
fn padded(place: &Range<u64>) -> u64 {
    (place.end - place.start).next_multiple_of(4)
}

/// Those that no submission has: as many as there ever were submissions at once.
#[derive(Default)]
pub(crate) struct Transfers(Mutex<Vec<Transfer>>);

impl Transfers {
    fn lock(&self) -> MutexGuard<'_, Vec<Transfer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One for frames of `frames` bytes and results of `results` bytes. One that the GPU still works
    /// with, since its submission was dropped before the end, is left to it.
    pub(crate) fn lend(self: &Arc<Self>, gpu: &Gpu, frames: u64, results: u64) -> Result<Lent, RunError> {
        let lent = |transfer| Lent { transfer, home: Arc::clone(self) };
        let mut free = self.lock();
        while let Some(at) = free.iter().position(|free| !is_pending(free)) {
            let mut transfer = free.swap_remove(at);
            let is_whole = transfer.landing.as_ref().is_none_or(|landing| landing.state() == State::Done);
            // A smaller one goes: a larger one takes its place.
            if is_whole && transfer.holds(frames, results) {
                if transfer.landing.take().is_some() {
                    transfer.results.unmap();
                }
                return Ok(lent(transfer));
            }
        }
        drop(free);
        Ok(lent(Transfer::new(gpu, frames, results)?))
    }
}

fn is_pending(transfer: &Transfer) -> bool {
    transfer.landing.as_ref().is_some_and(|landing| landing.state() == State::Pending)
}

/// One that goes back to where it came from.
pub(crate) struct Lent {
    pub(crate) transfer: Transfer,
    home: Arc<Transfers>,
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.lock().push(self.transfer.clone());
    }
}
