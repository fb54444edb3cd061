//! Lines of any kind.

use std::io;

use link::Line;

/// A line of any kind.
pub(super) struct AnyLine(Box<dyn Line<Error = io::ErrorKind> + Send>);

impl AnyLine {
    pub(super) fn new(line: impl Line<Error = io::ErrorKind> + Send + 'static) -> Self {
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
