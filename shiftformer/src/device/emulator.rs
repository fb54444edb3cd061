//! QEMU as a device: its UART is the emulator's standard input and output.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use link::Line;
use quant::pack::Packs;
use tempfile::NamedTempFile;
use thiserror::Error;

use super::build::FirmwareCrate;

/// A board of the emulator, and how firmware for it is built and started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmulatedBoard {
    /// Its name on the command line, and of its crate in `firmware/boards`.
    pub name: &'static str,
    /// Its processor core.
    pub core: &'static str,
    /// The compiler's target.
    pub target: &'static str,
    /// The compiler's `target-cpu`, where the target's own will not do.
    pub cpu: Option<&'static str>,
    /// The layouts of weights that its kernels read fastest.
    pub packs: Packs,
    /// The emulator's program.
    pub program: &'static str,
    /// The emulator's arguments for the machine.
    pub machine: &'static [&'static str],
    /// Where the firmware looks for the model.
    pub model_address: u32,
    /// Bytes that the model may have there.
    pub model_bytes: u32,
}

const ARM: &str = "qemu-system-arm";

/// Every board that an emulator is known for.
pub const EMULATED_BOARDS: &[EmulatedBoard] = &[
    EmulatedBoard {
        name: "virtual-m0",
        core: "Cortex-M0",
        target: "thumbv6m-none-eabi",
        cpu: None,
        packs: Packs::PLAIN,
        program: ARM,
        machine: &[
            "-machine",
            "microbit",
            "-global",
            "nrf51-soc.flash-size=0x400000",
            "-global",
            "nrf51-soc.sram-size=0x100000",
        ],
        model_address: 0x0010_0000,
        model_bytes: 3 << 20,
    },
    EmulatedBoard {
        name: "mps2-an386",
        core: "Cortex-M4",
        target: "thumbv7em-none-eabihf",
        cpu: Some("cortex-m4"),
        packs: Packs::DSP,
        program: ARM,
        machine: &["-machine", "mps2-an386"],
        model_address: 0x2100_0000,
        model_bytes: 16 << 20,
    },
    EmulatedBoard {
        name: "mps2-an500",
        core: "Cortex-M7",
        target: "thumbv7em-none-eabihf",
        cpu: Some("cortex-m7"),
        packs: Packs::DSP,
        program: ARM,
        machine: &["-machine", "mps2-an500"],
        model_address: 0x6000_0000,
        model_bytes: 16 << 20,
    },
    EmulatedBoard {
        name: "mps3-an547",
        core: "Cortex-M55",
        target: "thumbv8m.main-none-eabihf",
        cpu: Some("cortex-m55"),
        packs: Packs::MVE,
        program: ARM,
        machine: &["-machine", "mps3-an547"],
        model_address: 0x6000_0000,
        model_bytes: 16 << 20,
    },
    EmulatedBoard {
        name: "riscv-virt",
        core: "RV32IMC",
        target: "riscv32imc-unknown-none-elf",
        cpu: None,
        packs: Packs::PLAIN,
        program: "qemu-system-riscv32",
        machine: &["-machine", "virt", "-bios", "none", "-m", "256M"],
        model_address: 0x8800_0000,
        model_bytes: 16 << 20,
    },
];

/// The emulator cannot be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EmulatorError {
    /// The program is missing, or the system refuses.
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

impl EmulatedBoard {
    /// The board called `name`.
    pub fn by_name(name: &str) -> Option<&'static EmulatedBoard> {
        EMULATED_BOARDS.iter().find(|board| board.name == name)
    }

    /// What is built for it.
    pub const fn firmware(&self) -> FirmwareCrate {
        FirmwareCrate { name: self.name, target: self.target, cpu: self.cpu }
    }

    /// Starts the emulator with `firmware`, an ELF image for this board, and
    /// `container` in its flash. Virtual time is counted instructions, one a nanosecond.
    ///
    /// # Errors
    ///
    /// [`EmulatorError`].
    pub fn start(&self, firmware: &Path, container: &[u8]) -> Result<PipeLine, EmulatorError> {
        if container.len() > self.model_bytes as usize {
            return Err(EmulatorError::TooLarge { found: container.len(), limit: self.model_bytes });
        }
        let mut model = NamedTempFile::with_suffix(".shf").map_err(EmulatorError::File)?;
        model.write_all(container).and_then(|()| model.flush()).map_err(EmulatorError::File)?;
        // A comma ends a value, two are one.
        let path = model.path().display().to_string().replace(',', ",,");
        let loader = format!("loader,file={path},addr={:#x},force-raw=on", self.model_address);
        let mut command = Command::new(self.program);
        command.args(self.machine).args(["-display", "none", "-monitor", "none", "-parallel", "none"]);
        command.args(["-chardev", "stdio,id=line,signal=off", "-serial", "chardev:line"]);
        command.args(["-icount", "shift=0,sleep=off", "-device", &loader, "-kernel"]).arg(firmware);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let start = |reason| EmulatorError::Start { program: self.program, reason };
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
