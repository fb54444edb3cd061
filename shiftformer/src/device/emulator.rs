//! QEMU as a device: its UART is the emulator's standard input and output.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use boards::{Board, EMULATED, Emulator, Kernels};
use link::Line;
use quant::pack::Packs;
use tempfile::NamedTempFile;
use thiserror::Error;

/// The layouts of weights that `kernels` read fastest.
pub const fn preferred_packs(kernels: Kernels) -> Packs {
    match kernels {
        Kernels::Plain => mcu::Plain::PACKS,
        Kernels::Dsp => mcu::Dsp::PACKS,
        Kernels::Mve => mcu::Mve::PACKS,
    }
}

/// A board of an emulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmulatedBoard {
    /// Its name on the command line, and of its crate in `firmware/boards`.
    pub name: &'static str,
    /// The layouts of weights that its kernels read fastest.
    pub packs: Packs,
    /// Its description.
    pub description: &'static Board,
    emulator: Emulator,
}

/// Every board that an emulator is known for.
pub const EMULATED_BOARDS: &[EmulatedBoard] = &{
    let mut boards = [EmulatedBoard::of(EMULATED[0]); EMULATED.len()];
    let mut index = 1;
    while index < boards.len() {
        boards[index] = EmulatedBoard::of(EMULATED[index]);
        index += 1;
    }
    boards
};

/// The emulator cannot be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// It is not installed.
    #[error("{} is not installed", .0.program)]
    Missing(Emulator),
    /// The system refuses.
    #[error("cannot start {program}: {reason}")]
    Start {
        /// The emulator's program.
        program: &'static str,
        /// The system's reason.
        reason: io::Error,
    },
    /// The container is larger than the region that stands for flash.
    #[error("the container has {found} bytes, the board takes {limit}")]
    TooLarge {
        /// Bytes of the container.
        found: usize,
        /// Bytes of the region.
        limit: u32,
    },
    /// The container cannot be handed over.
    #[error("cannot write a temporary file: {0}")]
    File(io::Error),
}

impl EmulatorError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            EmulatorError::Missing(emulator) => format!(
                "`apt-get install {}` installs it on Debian; in a clone, `cargo xtask prepare` does",
                emulator.package
            ),
            EmulatorError::Start { program, .. } => format!("check that `{program} --version` runs"),
            EmulatorError::TooLarge { .. } => {
                "choose a board with more memory for the model, or a smaller model".into()
            }
            EmulatorError::File(_) => "check the folder for temporary files".into(),
        }
    }
}

impl EmulatedBoard {
    /// That of an emulator among the descriptions; the others do not compile.
    const fn of(board: &'static Board) -> Self {
        let Some(emulator) = board.emulator() else { panic!("it has no emulator") };
        Self { name: board.name, packs: preferred_packs(board.core.kernels()), description: board, emulator }
    }

    /// The board called `name`.
    pub fn by_name(name: &str) -> Option<&'static EmulatedBoard> {
        EMULATED_BOARDS.iter().find(|board| board.name == name)
    }

    /// Starts the emulator with `firmware`, an ELF image for this board, and
    /// `container` in its flash. Virtual time is counted instructions, one a nanosecond.
    ///
    /// # Errors
    ///
    /// [`EmulatorError`].
    pub fn start(&self, firmware: &Path, container: &[u8]) -> Result<PipeLine, EmulatorError> {
        let region = self.description.model();
        if container.len() > region.bytes as usize {
            return Err(EmulatorError::TooLarge { found: container.len(), limit: region.bytes });
        }
        let mut model = NamedTempFile::with_suffix(".shf").map_err(EmulatorError::File)?;
        model.write_all(container).and_then(|()| model.flush()).map_err(EmulatorError::File)?;
        // A comma ends a value, two are one.
        let path = model.path().display().to_string().replace(',', ",,");
        let loader = format!("loader,file={path},addr={:#x},force-raw=on", region.start);
        let Emulator { program, machine, .. } = self.emulator;
        let mut command = Command::new(program);
        command.args(machine).args(["-display", "none", "-monitor", "none", "-parallel", "none"]);
        command.args(["-chardev", "stdio,id=line,signal=off", "-serial", "chardev:line"]);
        command.args(["-icount", "shift=0,sleep=off", "-device", &loader, "-kernel"]).arg(firmware);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let start = |reason: io::Error| match reason.kind() {
            io::ErrorKind::NotFound => EmulatorError::Missing(self.emulator),
            _ => EmulatorError::Start { program, reason },
        };
        let child = command.spawn().map_err(start)?;
        PipeLine::new(child, model).ok_or_else(|| start(io::ErrorKind::BrokenPipe.into()))
    }
}

/// The UART of a running emulator, which ends when this is dropped.
#[derive(Debug)]
pub struct PipeLine {
    child: Child,
    input: ChildStdin,
    output: Receiver<Vec<u8>>,
    /// Received, and not yet asked for.
    rest: Vec<u8>,
    /// Lives as long as the emulator, which may read it again.
    _model: NamedTempFile,
}

impl PipeLine {
    fn new(mut child: Child, model: NamedTempFile) -> Option<Self> {
        let (input, mut pipe) = (child.stdin.take()?, child.stdout.take()?);
        let (sender, output) = sync_channel(64);
        // Ends with the emulator, or when nobody listens any more.
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Some(Self { child, input, output, rest: Vec::new(), _model: model })
    }
}

impl Line for PipeLine {
    type Error = io::ErrorKind;

    fn send(&mut self, bytes: &[u8]) -> Result<(), io::ErrorKind> {
        self.input.write_all(bytes).and_then(|()| self.input.flush()).map_err(|error| error.kind())
    }

    fn receive(&mut self, out: &mut [u8], timeout_ms: u32) -> Result<usize, io::ErrorKind> {
        if self.rest.is_empty() {
            match self.output.recv_timeout(Duration::from_millis(timeout_ms.into())) {
                Ok(bytes) => self.rest = bytes,
                Err(RecvTimeoutError::Timeout) => return Ok(0),
                Err(RecvTimeoutError::Disconnected) => return Err(io::ErrorKind::UnexpectedEof),
            }
        }
        let count = out.len().min(self.rest.len());
        out[..count].copy_from_slice(&self.rest[..count]);
        self.rest.drain(..count);
        Ok(count)
    }
}

impl Drop for PipeLine {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emulated_boards_are_those_of_the_descriptions() {
        assert_eq!(EMULATED_BOARDS.len(), EMULATED.len());
        for (board, description) in EMULATED_BOARDS.iter().zip(EMULATED) {
            assert_eq!((board.name, board.description), (description.name, *description));
        }
        assert!(EmulatedBoard::by_name("mps2-an500").is_some());
        assert!(EmulatedBoard::by_name("pico").is_none(), "people own it");
    }

    #[test]
    fn a_missing_emulator_and_a_large_container_are_explained() {
        let board = EmulatedBoard::by_name("virtual-m0").unwrap();
        let missing = EmulatorError::Missing(board.emulator);
        assert_eq!(missing.to_string(), "qemu-system-arm is not installed");
        assert!(missing.hint().contains("apt-get install qemu-system-arm"));
        let large = board.start(Path::new("none.elf"), &vec![0; (3 << 20) + 1]).unwrap_err();
        assert!(matches!(large, EmulatorError::TooLarge { limit, .. } if limit == 3 << 20), "{large}");
    }
}
