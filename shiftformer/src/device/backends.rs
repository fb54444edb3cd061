//! Devices as backends.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use link::{Line, Patience};

use super::line::AnyLine;
use super::run::{DeviceWorker, run_on};
use super::{DEFAULT_BAUD, EmulatedBoard, Heard, Logged, SerialLine};
use crate::backend::{Backend, Limits, Preparing, Run};
use crate::model::Model;

/// Makes what hears the log of one device.
pub type LogSink = Arc<dyn Fn() -> Box<dyn FnMut(Heard<'_>) + Send> + Send + Sync>;

/// `line`, its log heard by what `sink` makes.
fn heard(line: impl Line<Error = io::ErrorKind> + Send + 'static, sink: Option<&LogSink>) -> AnyLine {
    match sink {
        Some(sink) => AnyLine::new(Logged::new(line, sink())),
        None => AnyLine::new(line),
    }
}

/// A device at a serial port, which has the model in its flash.
#[derive(Clone)]
pub struct Serial {
    port: String,
    baud: u32,
    log: Option<LogSink>,
}

impl Serial {
    /// The device at `port`, at the speed that firmware uses unless it is told otherwise.
    pub fn new(port: impl Into<String>) -> Self {
        Self { port: port.into(), baud: DEFAULT_BAUD, log: None }
    }

    /// At `baud` bits a second.
    pub fn with_baud(self, baud: u32) -> Self {
        Self { baud, ..self }
    }

    /// Gives to `sink` what the device logs.
    pub fn with_log(self, sink: LogSink) -> Self {
        Self { log: Some(sink), ..self }
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} baud", self.name(), self.baud)
    }
}

impl Backend for Serial {
    fn name(&self) -> String {
        format!("serial:{}", self.port)
    }

    fn limits(&self) -> Limits {
        Limits { parallel: 1 }
    }

    fn prepare<'a>(&'a self, model: &'a Model) -> Preparing<'a> {
        Box::pin(async move {
            let line = heard(SerialLine::open(&self.port, self.baud)?, self.log.as_ref());
            let device = DeviceWorker::connect(model, line, Patience::default())?;
            Ok(Box::new(run_on(model, vec![device])?) as Box<dyn Run>)
        })
    }
}

/// Emulators of a board, each of which gets the model packed as its kernels like it.
#[derive(Clone)]
pub struct Emulated {
    board: &'static EmulatedBoard,
    firmware: PathBuf,
    emulators: NonZeroUsize,
    log: Option<LogSink>,
}

impl Emulated {
    /// One emulator of `board` with `firmware`, an ELF image for it.
    pub fn new(board: &'static EmulatedBoard, firmware: impl Into<PathBuf>) -> Self {
        Self { board, firmware: firmware.into(), emulators: NonZeroUsize::MIN, log: None }
    }

    /// With `emulators` of them, over which frames are spread.
    pub fn with_emulators(self, emulators: NonZeroUsize) -> Self {
        Self { emulators, ..self }
    }

    /// Gives to `sink` what the firmware logs.
    pub fn with_log(self, sink: LogSink) -> Self {
        Self { log: Some(sink), ..self }
    }
}

impl fmt::Debug for Emulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} emulators of {}", self.emulators, self.board.name)
    }
}

impl Backend for Emulated {
    fn name(&self) -> String {
        format!("qemu:{}", self.board.name)
    }

    fn limits(&self) -> Limits {
        Limits { parallel: self.emulators.get() }
    }

    fn prepare<'a>(&'a self, model: &'a Model) -> Preparing<'a> {
        Box::pin(async move {
            let packed = model.repacked(self.board.packs)?;
            let mut devices = Vec::with_capacity(self.emulators.get());
            for _ in 0..self.emulators.get() {
                let line = heard(self.board.start(&self.firmware, packed.bytes())?, self.log.as_ref());
                devices.push(DeviceWorker::connect(model, line, Patience::default())?);
            }
            Ok(Box::new(run_on(model, devices)?) as Box<dyn Run>)
        })
    }
}
