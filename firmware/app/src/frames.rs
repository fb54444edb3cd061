//! Frames that do not come over the serial line: a camera or a sensor at the board itself.

use link::{Device, Event, ModelState, Target};

/// Bytes that go from the source to the inputs at a time.
const CHUNK: usize = 64;

/// Where frames come from, of as many bytes each as the model's inputs have together.
pub trait FrameSource {
    /// What may go wrong. The frame is dropped, and the next is asked for.
    type Error;

    /// Whether a frame is there; does not wait for one. Called between any two steps.
    ///
    /// # Errors
    ///
    /// Those of the source.
    fn frame_ready(&mut self) -> Result<bool, Self::Error>;

    /// Fills the front of `out` with the next bytes of the frame that is there, in the order
    /// of the inputs; how many they are. The frame is dropped where that is none.
    ///
    /// # Errors
    ///
    /// Those of the source.
    fn read(&mut self, out: &mut [u8]) -> Result<usize, Self::Error>;

    /// Takes the class of the frame read last; `None` where the model is no classifier, or
    /// the run failed.
    fn classified(&mut self, class: Option<usize>) {
        let _ = class;
    }
}

/// For boards whose frames come over the serial line.
#[derive(Clone, Copy, Debug)]
pub struct NoFrames;

impl FrameSource for NoFrames {
    type Error = core::convert::Infallible;

    fn frame_ready(&mut self) -> Result<bool, Self::Error> {
        Ok(false)
    }

    fn read(&mut self, _: &mut [u8]) -> Result<usize, Self::Error> {
        Ok(0)
    }
}

/// What frames are run on.
pub(crate) trait Runner: Target {
    /// Ticks of the board's clock, see [`Clock`](crate::Clock).
    fn now(&mut self) -> u64;

    /// The class of the run that is finished.
    fn class(&self) -> Option<usize>;
}

/// The frames of one source, which share the program with a host. The host goes first:
/// a run of its abandons a frame, and no frame is taken for some time after its requests.
pub(crate) struct Frames<F> {
    source: F,
    is_running: bool,
    /// As the device counted them the last time.
    requests: u32,
    /// When frames are taken again.
    resume: u64,
}

impl<F: FrameSource> Frames<F> {
    /// Seconds after the last request of a host.
    const PAUSE: u64 = 2;

    pub(crate) const fn new(source: F) -> Self {
        Self { source, is_running: false, requests: 0, resume: 0 }
    }

    /// Takes a frame, or runs one step of the frame that is being run.
    pub(crate) fn turn<R: Runner>(&mut self, device: &mut Device, runner: &mut R) {
        if device.is_busy() || device.requests() != self.requests {
            self.requests = device.requests();
            self.is_running = false;
            let pause = Self::PAUSE.saturating_mul(runner.identity().hz.into());
            self.resume = runner.now().saturating_add(pause);
        } else if self.is_running {
            self.step(runner);
        } else if runner.now() >= self.resume && matches!(self.source.frame_ready(), Ok(true)) {
            // What a host may still want to know of its run goes with the run.
            device.abandon();
            self.is_running = self.take(runner).is_some();
        }
    }

    fn step<R: Runner>(&mut self, runner: &mut R) {
        match runner.step(false) {
            Ok(Some(_)) => {}
            Ok(None) => self.finish(runner.class()),
            Err(problem) => {
                runner.note(Event::Refused(problem));
                self.finish(None);
            }
        }
    }

    fn finish(&mut self, class: Option<usize>) {
        self.is_running = false;
        self.source.classified(class);
    }

    /// Writes a whole frame into the inputs.
    fn take<R: Runner>(&mut self, runner: &mut R) -> Option<()> {
        let ModelState::Ready { input, .. } = runner.identity().model else { return None };
        runner.restart();
        let (mut bytes, mut offset) = ([0; CHUNK], 0);
        while offset < input {
            let left = usize::try_from(input.saturating_sub(offset)).unwrap_or(CHUNK);
            let places = bytes.get_mut(..left.min(CHUNK))?;
            let count = self.source.read(places).ok().filter(|&count| count > 0)?;
            runner.write(offset, places.get(..count)?).ok()?;
            offset = offset.saturating_add(count as u32);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
