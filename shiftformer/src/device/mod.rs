//! Models on devices: at the end of a serial line, or in an emulator.

mod build;
mod emulator;
mod engine;
mod serial;

pub use build::{BuildError, FirmwareCrate};
pub use emulator::{EMULATED_BOARDS, EmulatedBoard, EmulatorError, PipeLine};
pub use engine::{ConnectError, DeviceEngine, DeviceIdentity};
pub use link;
pub use serial::{DEFAULT_BAUD, SerialError, SerialLine};
