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
use crate::error::PrepareError;
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

/// Devices at serial ports, which have the model in their flash.
#[derive(Clone)]
pub struct Serial {
    ports: Vec<String>,
    baud: u32,
    log: Option<LogSink>,
}

impl Serial {
    /// The device at `port`, at the speed that firmware uses unless it is told otherwise.
    pub fn new(port: impl Into<String>) -> Self {
        Self::several([port])
    }

    /// The devices at `ports`, over which frames are spread.
    pub fn several(ports: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { ports: ports.into_iter().map(Into::into).collect(), baud: DEFAULT_BAUD, log: None }
    }

    /// At `baud` bits a second.
    pub fn with_baud(self, baud: u32) -> Self {
        Self { baud, ..self }
    }

    /// Gives what a device logs to what `sink` makes for it.
    pub fn with_log(self, sink: LogSink) -> Self {
        Self { log: Some(sink), ..self }
    }

    /// The device at `port`.
    fn connect(&self, model: &Model, port: &str) -> Result<DeviceWorker, PrepareError> {
        let line = heard(SerialLine::open(port, self.baud)?, self.log.as_ref());
        Ok(DeviceWorker::connect(model, line, Patience::default())?)
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} baud", self.name(), self.baud)
    }
}

impl Backend for Serial {
    fn name(&self) -> String {
        self.ports.iter().map(|port| place(port)).collect::<Vec<_>>().join(",")
    }

    fn limits(&self) -> Limits {
        Limits { parallel: self.ports.len() }
    }

    fn prepare<'a>(&'a self, model: &'a Model) -> Preparing<'a> {
        Box::pin(async move {
            let connect = |port: &String| {
                self.connect(model, port).map_err(|reason| match self.ports.len() {
                    1 => reason,
                    _ => PrepareError::At { place: place(port), reason: Box::new(reason) },
                })
            };
            let devices = self.ports.iter().map(connect).collect::<Result<Vec<_>, _>>()?;
            Ok(Box::new(run_on(model, devices)?) as Box<dyn Run>)
        })
    }
}

/// The name of the device at `port`.
fn place(port: &str) -> String {
    format!("serial:{port}")
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
