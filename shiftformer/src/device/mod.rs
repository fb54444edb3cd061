//! Models on devices: at the end of a serial line, or in an emulator.

mod build;
#[cfg(feature = "defmt")]
mod defmt;
mod emulator;
mod engine;
mod logged;
mod serial;

pub use boards;
pub use build::{BuildError, FirmwareOptions, build_firmware};
#[cfg(feature = "defmt")]
pub use defmt::{LogLine, LogTable, LogTableError};
pub use emulator::{EMULATED_BOARDS, EmulatedBoard, EmulatorError, PipeLine, preferred_packs};
pub use engine::{ConnectError, DeviceEngine, DeviceIdentity};
pub use link;
pub use logged::{Heard, Logged};
pub use serial::{DEFAULT_BAUD, SerialError, SerialLine};
