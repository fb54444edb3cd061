//! Sessions.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use shiftformer::{Canceller, Fitter, Outputs, Picture, PictureError};

use crate::answer::{Answer, Timings};
use crate::camera::CameraFrame;
use crate::error::ShiftformerError;
use crate::options::SessionOptions;

/// A model on an engine. Threads may share it: one call runs at a time, and others wait for it.
#[derive(uniffi::Object)]
pub struct Session {
    pub(crate) model: shiftformer::Model,
    running: Mutex<Running>,
    canceller: Canceller,
    backend: String,
    kernels: String,
    fallback: Option<String>,
}

/// What one call at a time uses.
struct Running {
    session: shiftformer::Session,
    /// `None` where the model takes other things than one image.
    fitter: Option<Fitter>,
}

impl Session {
    pub(crate) fn open(
        model: &shiftformer::Model,
        options: &SessionOptions,
    ) -> Result<Self, ShiftformerError> {
        let (session, fallback) = options.session(model)?;
        Ok(Self {
            model: model.clone(),
            canceller: session.canceller(),
            backend: session.backend().to_owned(),
            kernels: session.kernels().to_owned(),
            fallback,
            running: Mutex::new(Running { session, fitter: model.fitter().ok() }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `frame`.
    pub(crate) fn frame(&self, frame: &[u8]) -> Result<Answer, ShiftformerError> {
        self.answer(&mut self.lock().session, frame, Duration::ZERO)
    }

    /// Runs the frame that `prepare` makes.
    pub(crate) fn prepared(
        &self,
        prepare: impl FnOnce(&mut Fitter) -> Result<&[u8], PictureError>,
    ) -> Result<Answer, ShiftformerError> {
        let Running { session, fitter } = &mut *self.lock();
        let start = Instant::now();
        let frame = prepare(fitter.as_mut().ok_or(PictureError::NoImage)?)?;
        let prepared = start.elapsed();
        self.answer(session, frame, prepared)
    }

    /// Runs all `frames`.
    pub(crate) fn batch<F: AsRef<[u8]>>(&self, frames: &[F]) -> Result<Vec<Answer>, ShiftformerError> {
        let session = &mut self.lock().session;
        let start = Instant::now();
        let batch = session.run_batch(frames)?;
        let timings = Timings::new(Duration::ZERO, start.elapsed());
        Ok(batch.iter().map(|outputs| self.read(outputs, timings)).collect())
    }

    /// Runs `frame`, which took the time `prepared` to prepare.
    fn answer(
        &self,
        session: &mut shiftformer::Session,
        frame: &[u8],
        prepared: Duration,
    ) -> Result<Answer, ShiftformerError> {
        let start = Instant::now();
        let outputs = session.run(frame)?;
        Ok(self.read(outputs, Timings::new(prepared, start.elapsed())))
    }

    fn read(&self, outputs: Outputs<'_>, timings: Timings) -> Answer {
        let outputs = (0..outputs.len()).filter_map(|index| outputs.values(index)).map(<[i32]>::to_vec);
        Answer::new(self.model.clone(), outputs.collect(), timings)
    }
}

#[uniffi::export]
impl Session {
    /// Runs `frame`: the bytes of all inputs one after another, of an image its pixels as the
    /// model takes them.
    ///
    /// # Errors
    ///
    /// [`ShiftformerError::Run`] for a frame of another size than the model's.
    pub fn run(&self, frame: Vec<u8>) -> Result<Answer, ShiftformerError> {
        self.frame(&frame)
    }

    /// Runs a picture of any size: height × width × channels, of which 1 is grey, 2 grey and
    /// alpha, 3 RGB, 4 RGBA. It is resized and cropped by the model's rule, in integers.
    ///
    /// # Errors
    ///
    /// [`ShiftformerError::Picture`] for one that does not become a frame of the model.
    pub fn run_picture(
        &self,
        pixels: Vec<u8>,
        height: u16,
        width: u16,
        channels: u8,
    ) -> Result<Answer, ShiftformerError> {
        let picture = Picture { pixels: &pixels, height, width, channels };
        self.prepared(|fitter| fitter.picture(&picture))
    }

    /// Runs what a camera delivers: turned upright, brought to the model's colours, resized and
    /// cropped by its rule, all in integers.
    ///
    /// # Errors
    ///
    /// [`ShiftformerError::Picture`] for one that is not what it says.
    pub fn run_camera(&self, frame: CameraFrame) -> Result<Answer, ShiftformerError> {
        let frame = frame.borrow()?;
        self.prepared(|fitter| fitter.camera(&frame))
    }

    /// Runs every frame, spread over the engine's threads. The time of each answer is that of the
    /// whole batch.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and for no frame at all.
    pub fn run_batch(&self, frames: Vec<Vec<u8>>) -> Result<Vec<Arc<Answer>>, ShiftformerError> {
        Ok(self.batch(&frames)?.into_iter().map(Arc::new).collect())
    }

    /// Stops what the session runs at this moment, from any thread: that call ends in
    /// [`ShiftformerError::Cancelled`]. Later calls are not concerned.
    pub fn cancel(&self) {
        self.canceller.cancel();
    }

    /// The name of the engine that runs the model.
    pub fn backend(&self) -> String {
        self.backend.clone()
    }

    /// The kernels in use.
    pub fn kernels(&self) -> String {
        self.kernels.clone()
    }

    /// Why another engine runs the model than was asked for; null where none does.
    pub fn fallback(&self) -> Option<String> {
        self.fallback.clone()
    }
}
