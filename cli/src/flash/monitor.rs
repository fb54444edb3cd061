//! What a board says after it was written.

use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;
use shiftformer::Model;
use shiftformer::device::link::{Line, Patience};
use shiftformer::device::{SerialLine, connect};

use crate::compare::{Frames, Verification, compare};
use crate::failure::Failure;
use crate::log::Log;

/// Frames to compare.
const FRAMES: u32 = 2;
/// How long a board may take to greet.
const GREETING: Duration = Duration::from_secs(3);
/// A line on which nothing comes for so long is silent.
const SILENCE_MS: u32 = 300;
/// How every greeting begins.
const BEGIN: &str = "shiftformer on ";

/// The serial port of a board.
pub struct Monitor {
    port: String,
    line: SerialLine,
}

/// What a board said and did.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Its first line after the start, where it was heard.
    pub greeting: Option<String>,
    pub board: String,
    pub kernels: String,
    /// Ticks of its clock in a second.
    pub hz: u32,
    pub arena_bytes: u32,
    pub verification: Verification,
}

impl Monitor {
    /// Opens `port`, or the only port at USB.
    pub fn open(port: Option<&str>, baud: u32) -> Result<Self, Failure> {
        let port = match port {
            Some(port) => port.to_owned(),
            None => the_only(SerialLine::usb_ports())?,
        };
        let line = SerialLine::open(&port, baud)?;
        Ok(Self { port, line })
    }

    /// Waits for the greeting of `board`, asks whether it has `model`, and
    /// compares its instructions with the reference; prints its `log` meanwhile.
    pub fn watch(self, board: &str, model: &Model, log: Option<&Log>) -> Result<Report, Failure> {
        match log {
            Some(log) => watch(&self.port, log.listen(self.line), board, model),
            None => watch(&self.port, self.line, board, model),
        }
    }
}

fn watch<L: Line<Error = io::ErrorKind> + Send + 'static>(
    port: &str,
    mut line: L,
    board: &str,
    model: &Model,
) -> Result<Report, Failure> {
    let greeting = greeting(&mut line, GREETING);
    let (mut session, identity) = connect(model, format!("serial:{port}"), line, Patience::default())?;
    if identity.board != board {
        return Err(Failure::new(format!("the board at {port} is a {}", identity.board))
            .help("give the port of the board that was written with --port"));
    }
    let verification = compare(model, &mut session, &Frames::new(None, model)?, FRAMES, None)?;
    Ok(Report {
        greeting,
        board: identity.board,
        kernels: identity.kernels,
        hz: identity.hz,
        arena_bytes: identity.arena,
        verification,
    })
}

fn the_only(ports: Vec<String>) -> Result<String, Failure> {
    match ports.as_slice() {
        [port] => Ok(port.clone()),
        [] => Err(Failure::new("there is no serial port at USB")
            .help("connect the board's serial port, and give its name with --port PORT")),
        several => Err(Failure::new("there are several serial ports at USB")
            .help(format!("choose one with --port: {}", several.join(", ")))),
    }
}

/// The last greeting that comes before the line falls silent, waiting at most `patience` for
/// the first.
fn greeting<L: Line<Error = io::ErrorKind>>(line: &mut L, patience: Duration) -> Option<String> {
    let (begun, mut heard, mut buffer) = (Instant::now(), Vec::new(), [0; 256]);
    let mut found = None;
    while found.is_none() && begun.elapsed() < patience {
        // A line that fails is reported by the request that follows.
        while let Ok(count @ 1..) = line.receive(&mut buffer, SILENCE_MS) {
            heard.extend_from_slice(&buffer[..count]);
        }
        let text = String::from_utf8_lossy(&heard);
        found = text.rsplit_once(BEGIN).and_then(|(_, rest)| {
            let line = rest.split_once("\r\n")?.0;
            Some(format!("{BEGIN}{line}"))
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// Receives what is in the queue, part by part.
    struct Script(VecDeque<&'static [u8]>);

    impl Line for Script {
        type Error = io::ErrorKind;

        fn send(&mut self, _: &[u8]) -> Result<(), io::ErrorKind> {
            Ok(())
        }

        fn receive(&mut self, out: &mut [u8], _: u32) -> Result<usize, io::ErrorKind> {
            let Some(part) = self.0.pop_front() else { return Ok(0) };
            out[..part.len()].copy_from_slice(part);
            Ok(part.len())
        }
    }

    fn heard(parts: &[&'static [u8]]) -> Option<String> {
        greeting(&mut Script(parts.iter().copied().collect()), Duration::from_millis(50))
    }

    #[test]
    fn the_last_whole_greeting_counts() {
        let old = b"\xff\x00\r\nshiftformer on pico: no model in flash, arena 0 of 8 bytes\r\n";
        let (begin, end) = (b"\r\nshiftfor", b"mer on pico: model ready, arena 4 of 8 bytes\r\n\x07");
        let ready = "shiftformer on pico: model ready, arena 4 of 8 bytes";
        assert_eq!(heard(&[old, begin, end]).unwrap(), ready);
        // Silence before a greeting, and within one.
        assert_eq!(heard(&[b"", begin, b"", end]).unwrap(), ready);
        assert_eq!(heard(&[b"shiftformer on pi"]), None);
        assert_eq!(heard(&[]), None);
    }

    #[test]
    fn a_port_is_chosen_only_where_there_is_one() {
        assert_eq!(the_only(vec!["a".into()]).unwrap(), "a");
        assert!(the_only(vec![]).is_err());
        assert!(format!("{:?}", the_only(vec!["a".into(), "b".into()])).contains("a, b"));
    }
}
