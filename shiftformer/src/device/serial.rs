//! A serial port of this machine.

use std::io::{self, Read, Write};
use std::time::Duration;

use link::Line;
use serialport::{SerialPort, SerialPortType};
use thiserror::Error;

/// Speed of a port unless another is asked for.
pub const DEFAULT_BAUD: u32 = 115_200;

/// An open serial port.
pub struct SerialLine(Box<dyn SerialPort>);

/// A port cannot be opened.
#[derive(Clone, Debug, Error)]
#[error("cannot open the serial port {port}: {reason}")]
pub struct SerialError {
    /// Its name.
    pub port: String,
    /// The system's reason.
    pub reason: String,
}

impl SerialLine {
    /// Opens `port` at `baud`.
    ///
    /// # Errors
    ///
    /// [`SerialError`] where the system refuses.
    pub fn open(port: &str, baud: u32) -> Result<Self, SerialError> {
        let opened = serialport::new(port, baud).open();
        let refuse =
            |error: serialport::Error| SerialError { port: port.to_owned(), reason: error.to_string() };
        opened.map(Self).map_err(refuse)
    }

    /// The names of the ports at USB, where boards are found; none where the system does
    /// not tell.
    pub fn usb_ports() -> Vec<String> {
        let ports = serialport::available_ports().unwrap_or_default();
        let usb = |port: &serialport::SerialPortInfo| matches!(port.port_type, SerialPortType::UsbPort(_));
        ports.into_iter().filter(usb).map(|port| port.port_name).collect()
    }
}

impl Line for SerialLine {
    type Error = io::ErrorKind;

    fn send(&mut self, bytes: &[u8]) -> Result<(), io::ErrorKind> {
        self.0.write_all(bytes).and_then(|()| self.0.flush()).map_err(|error| error.kind())
    }

    fn receive(&mut self, out: &mut [u8], timeout_ms: u32) -> Result<usize, io::ErrorKind> {
        let timeout = Duration::from_millis(timeout_ms.max(1).into());
        self.0.set_timeout(timeout).map_err(|error| io::Error::from(error).kind())?;
        match self.0.read(out).map_err(|error| error.kind()) {
            Err(io::ErrorKind::TimedOut | io::ErrorKind::Interrupted) => Ok(0),
            Ok(0) => Err(io::ErrorKind::UnexpectedEof),
            other => other,
        }
    }
}
