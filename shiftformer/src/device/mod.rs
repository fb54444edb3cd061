//! Models on devices: at the end of a serial line, or in an emulator.

mod backends;
mod build;
#[cfg(feature = "defmt")]
mod defmt;
mod emulator;
mod logged;
mod run;
mod serial;

pub use backends::{Emulated, LogSink, Serial};
pub use boards;
pub use build::{BuildError, FirmwareOptions, build_firmware};
#[cfg(feature = "defmt")]
pub use defmt::{LogLine, LogTable, LogTableError};
pub use emulator::{EMULATED_BOARDS, EmulatedBoard, EmulatorError, PipeLine, preferred_packs};
pub use link;
pub use logged::{Heard, Logged};
pub use run::{ConnectError, DeviceIdentity, connect};
pub use serial::{DEFAULT_BAUD, SerialError, SerialLine};

use std::io;

use link::Line;

/// What a device says of a run and of its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceFacts {
    /// Ticks of its clock in the steps of the run.
    pub ticks: u64,
    /// Ticks in a second.
    pub hz: u32,
    /// Memory in use at most.
    pub memory: link::MemoryUse,
}

/// A line of any kind.
struct AnyLine(Box<dyn Line<Error = io::ErrorKind> + Send>);

impl AnyLine {
    fn new(line: impl Line<Error = io::ErrorKind> + Send + 'static) -> Self {
        Self(Box::new(line))
    }
}

impl Line for AnyLine {
    type Error = io::ErrorKind;

    fn send(&mut self, bytes: &[u8]) -> Result<(), io::ErrorKind> {
        self.0.send(bytes)
    }

    fn receive(&mut self, out: &mut [u8], timeout_ms: u32) -> Result<usize, io::ErrorKind> {
        self.0.receive(out, timeout_ms)
    }
}
