//! Models on devices: at the end of a serial line, or in an emulator.

mod backends;
mod build;
#[cfg(feature = "defmt")]
mod defmt;
mod emulator;
mod error;
mod facts;
mod line;
mod logged;
mod run;
mod serial;

pub use backends::{Emulated, LogSink, Serial};
pub use boards;
pub use build::{BuildError, FirmwareOptions, build_firmware};
#[cfg(feature = "defmt")]
pub use defmt::{LogLine, LogTable, LogTableError};
pub use emulator::{EMULATED_BOARDS, EmulatedBoard, EmulatorError, PipeLine, preferred_packs};
pub use error::ConnectError;
pub use facts::DeviceFacts;
pub use link;
pub use logged::{Heard, Logged};
pub use run::{DeviceIdentity, connect};
pub use serial::{DEFAULT_BAUD, SerialError, SerialLine};
