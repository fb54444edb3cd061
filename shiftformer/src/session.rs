//! A model on an engine, one call at a time.

use std::fmt;
use std::future::poll_fn;

use runtime::OutputKind;

use crate::backend::{Backend, Fallback, Run};
use crate::blocking::block_on;
use crate::cancel::Canceller;
use crate::cpu::Cpu;
use crate::error::{PrepareError, RunError};
use crate::event::{Event, Observe};
use crate::logits::Logits;
use crate::model::Model;
use crate::ticket::{Frame, Ticket};

impl Model {
    /// A session on this machine's processor, with its fastest kernels and a thread for each
    /// core. The weights are laid out for it once, here; sessions of one model share them.
    ///
    /// # Errors
    ///
    /// As [`session_on`](Self::session_on).
    pub fn session(&self) -> Result<Session, PrepareError> {
        self.session_on(&Cpu::best())
    }

    /// A session on `backend`. Waits until it is ready; [`Backend::prepare`] does not.
    ///
    /// # Errors
    ///
    /// [`PrepareError`] where the backend cannot run the model.
    pub fn session_on(&self, backend: &dyn Backend) -> Result<Session, PrepareError> {
        let model = backend.lay_out(self)?;
        let run = block_on(backend.prepare(&model))?;
        Ok(Session::new(model, backend.name(), run))
    }
}

/// A model on an engine. Nothing is allocated after the first [`run`](Self::run), and nothing
/// after the first [`run_batch`](Self::run_batch) of the largest batch.
pub struct Session {
    model: Model,
    backend: String,
    run: Box<dyn Run>,
    /// Holds what was lent out last.
    ticket: Option<Ticket>,
    canceller: Canceller,
}

impl Session {
    pub(crate) fn new(model: Model, backend: String, run: Box<dyn Run>) -> Self {
        Self { model, backend, run, ticket: None, canceller: Canceller::default() }
    }

    /// The model as it lies in memory for the backend: on this machine's processor with its weights in
    /// the layout of the kernels. Name, identity and results are those of the model that the session
    /// was made of, which the session does not keep.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The name of the backend that runs the model.
    pub fn backend(&self) -> &str {
        self.fallback().map_or(&self.backend, |fallback| &fallback.backend)
    }

    /// Why another backend runs the model than the one that was asked, where that is so.
    pub fn fallback(&self) -> Option<&Fallback> {
        self.run.fallback()
    }

    /// Kernels of this device that its driver miscompiles, by name: they failed their test, and others
    /// of the same results have taken their place. Tests run when a session is made and when a run
    /// needs other kernels than those before.
    pub fn disabled(&self) -> Vec<&'static str> {
        self.run.disabled()
    }

    /// What the engine does without, and people should know of: files of a cache that are damaged or
    /// cannot be written.
    pub fn remarks(&self) -> Vec<String> {
        self.run.remarks()
    }

    /// The kernels in use.
    pub fn kernels(&self) -> &str {
        self.run.kernels()
    }

    /// What the device calls itself; `None` on this machine.
    pub fn board(&self) -> Option<&str> {
        self.run.board()
    }

    /// Runs `frame`, the bytes of all inputs one after another. The outputs are lent until the
    /// next run.
    ///
    /// # Errors
    ///
    /// [`RunError::Frame`] for a frame of another size; others mean a defect, or a device that
    /// does not answer.
    pub fn run(&mut self, frame: &[u8]) -> Result<Outputs<'_>, RunError> {
        Ok(self.batch(&[frame], Observe::Nothing)?.frame(0))
    }

    /// Runs every frame of `frames`, spread over what the engine has.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and [`RunError::NoFrames`] where there are none.
    pub fn run_batch<F: AsRef<[u8]>>(&mut self, frames: &[F]) -> Result<Batch<'_>, RunError> {
        self.batch(frames, Observe::Nothing)
    }

    /// Runs `frame` and notes what [`Outputs::events`] says of every instruction.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_observed(&mut self, frame: &[u8], observe: Observe) -> Result<Outputs<'_>, RunError> {
        Ok(self.batch(&[frame], observe)?.frame(0))
    }

    /// Runs `frame` and gives the time and hash of every instruction, in the order in which they
    /// were completed.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn trace(&mut self, frame: &[u8]) -> Result<&[Event], RunError> {
        Ok(self.run_observed(frame, Observe::Hashes)?.events())
    }

    /// As [`run`](Self::run), for those who may not wait; see [`Run::poll`] for what engines do.
    /// Dropping the future cancels the run.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn run_async(&mut self, frame: &[u8]) -> Result<Outputs<'_>, RunError> {
        Ok(self.run_batch_async(&[frame]).await?.frame(0))
    }

    /// As [`run_batch`](Self::run_batch), for those who may not wait; see [`Run::poll`] for what
    /// engines do. Dropping the future cancels the run.
    ///
    /// # Errors
    ///
    /// As [`run_batch`](Self::run_batch).
    pub async fn run_batch_async<F: AsRef<[u8]>>(&mut self, frames: &[F]) -> Result<Batch<'_>, RunError> {
        self.write(frames)?;
        let ticket = self.run.submit(frames.len(), Observe::Nothing)?;
        {
            let _watched = self.canceller.watch(&ticket.0);
            poll_fn(|context| self.run.poll(&ticket, context)).await?;
        }
        Ok(Batch { model: &self.model, ticket: self.ticket.insert(ticket) })
    }

    fn batch<F: AsRef<[u8]>>(&mut self, frames: &[F], observe: Observe) -> Result<Batch<'_>, RunError> {
        self.write(frames)?;
        let ticket = self.run.submit_to_wait(frames.len(), observe)?;
        {
            let _watched = self.canceller.watch(&ticket.0);
            self.run.wait(&ticket)?;
        }
        Ok(Batch { model: &self.model, ticket: self.ticket.insert(ticket) })
    }

    /// Writes `frames` where the engine reads them, and takes back what was lent out last.
    fn write<F: AsRef<[u8]>>(&mut self, frames: &[F]) -> Result<(), RunError> {
        self.ticket = None;
        for (index, frame) in frames.iter().enumerate() {
            write(self.run.input(index), frame.as_ref())?;
        }
        Ok(())
    }

    /// Cancels from another thread what this session runs. Dropping a future does it for
    /// [`run_async`](Self::run_async).
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// The engine's own face, for several submissions in flight and for frames that are written
    /// where the engine reads them.
    pub fn engine(&mut self) -> &mut dyn Run {
        self.run.as_mut()
    }

    /// The outputs of frame number `frame` of `ticket`, which this session's engine gave; `None`
    /// while it is not done, and where it failed.
    pub fn outputs<'t>(&'t self, ticket: &'t Ticket, frame: usize) -> Option<Outputs<'t>> {
        Some(Outputs { model: &self.model, frame: ticket.frame(frame)? })
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {} ({} kernels)", self.model.name(), self.backend(), self.kernels())
    }
}

/// Copies `frame` to where the engine reads it.
pub(crate) fn write(input: &mut [u8], frame: &[u8]) -> Result<(), RunError> {
    if input.len() != frame.len() {
        return Err(RunError::Frame { expected: input.len(), found: frame.len() });
    }
    input.copy_from_slice(frame);
    Ok(())
}

/// What came of several frames.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'s> {
    model: &'s Model,
    ticket: &'s Ticket,
}

impl<'s> Batch<'s> {
    /// Number of frames.
    pub fn len(&self) -> usize {
        self.ticket.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ticket.is_empty()
    }

    /// The outputs of frame number `index`.
    ///
    /// # Panics
    ///
    /// If there are not so many.
    pub fn frame(&self, index: usize) -> Outputs<'s> {
        let frame = self.ticket.frame(index).expect("an index below the number of frames");
        Outputs { model: self.model, frame }
    }

    /// The outputs of every frame, in order.
    pub fn iter(&self) -> impl Iterator<Item = Outputs<'s>> + use<'s> {
        let batch = *self;
        (0..self.len()).map(move |index| batch.frame(index))
    }
}

/// What came of one frame.
#[derive(Clone, Copy, Debug)]
pub struct Outputs<'s> {
    model: &'s Model,
    frame: &'s Frame,
}

impl<'s> Outputs<'s> {
    /// Number of outputs.
    pub fn len(&self) -> usize {
        self.frame.outputs.len()
    }

    /// Whether there are none: never.
    pub fn is_empty(&self) -> bool {
        self.frame.outputs.is_empty()
    }

    /// The values of output number `index`, in the units of its scale.
    pub fn values(&self, index: usize) -> Option<&'s [i32]> {
        self.frame.outputs.get(index).map(Vec::as_slice)
    }

    /// The first output of logits; `None` where the model is no classifier.
    pub fn logits(&self) -> Option<Logits<'s>> {
        let container = self.model.container();
        let mut outputs = container.outputs().enumerate();
        let (index, output) = outputs.find(|(_, output)| output.kind == OutputKind::Logits)?;
        Some(Logits::new(self.values(index)?, f32::from_bits(output.scale.0), self.model.ending(index)))
    }

    /// Every instruction in the order in which they were completed, where they were observed.
    pub fn events(&self) -> &'s [Event] {
        &self.frame.events
    }

    /// What the device says of this run; `None` on this machine, and where nothing was observed.
    #[cfg(feature = "device")]
    pub fn device(&self) -> Option<crate::device::DeviceFacts> {
        self.frame.device
    }
}
