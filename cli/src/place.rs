//! Where a model runs: on this machine, on a device, in an emulator.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use shiftformer::device::link::{Line, Patience};
use shiftformer::device::{DEFAULT_BAUD, DeviceEngine, EMULATED_BOARDS, EmulatedBoard, SerialLine};
use shiftformer::quant::pack::Packs;
use shiftformer::runtime::Model;
use shiftformer::{Backend, Engine, EngineOptions, KernelSet, engine};

use crate::failure::Failure;
use crate::firmware;
use crate::log::Log;

/// Where to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In this process.
    Local(Backend),
    /// On a device at a serial port.
    Serial(String),
    /// In an emulator of a board.
    Emulated(&'static EmulatedBoard),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Local(backend) => backend.fmt(f),
            Place::Serial(port) => write!(f, "serial:{port}"),
            Place::Emulated(board) => write!(f, "qemu:{}", board.name),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name.split_once(':') {
            Some(("serial", port)) if !port.is_empty() => Ok(Place::Serial(port.to_owned())),
            Some(("qemu", board)) => EmulatedBoard::by_name(board).map(Place::Emulated).ok_or_else(|| {
                let known: Vec<&str> = EMULATED_BOARDS.iter().map(|board| board.name).collect();
                format!("there is no emulated board `{board}`; there are: {}", known.join(", "))
            }),
            _ => name
                .parse()
                .map(Place::Local)
                .map_err(|error| format!("{error}; or serial:PORT, qemu:BOARD for firmware")),
        }
    }
}

/// Where to run, with which kernels.
#[derive(Clone, Debug, clap::Args)]
pub struct EngineArgs {
    /// Where to run: reference, cpu, serial:PORT, qemu:BOARD.
    #[arg(long, default_value_t = Place::Local(Backend::Cpu))]
    pub backend: Place,
    /// Kernels to run with: reference, portable [default: the backend's best].
    #[arg(long, value_name = "SET")]
    pub kernels: Option<KernelSet>,
    /// Firmware for qemu:BOARD, an ELF file [default: built from the source tree]; with --log
    /// also that of serial:PORT.
    #[arg(long, value_name = "FILE")]
    pub firmware: Option<PathBuf>,
    /// Print what the firmware of qemu:BOARD or serial:PORT logs.
    #[arg(long)]
    pub log: bool,
    /// Speed of serial:PORT.
    #[arg(long, value_name = "BAUD", default_value_t = DEFAULT_BAUD)]
    pub baud: u32,
}

/// What engines are made of: everything that is the same for all of them is done.
#[derive(Clone, Debug)]
pub enum Engines {
    /// In this process.
    Local(EngineOptions),
    /// On a device.
    Serial {
        /// Its port.
        port: String,
        /// Its speed.
        baud: u32,
        /// How its log is read, if it is.
        log: Option<Log>,
    },
    /// In emulators, one for each engine.
    Emulated {
        /// The board.
        board: &'static EmulatedBoard,
        /// Its firmware.
        firmware: PathBuf,
        /// How its log is read, if it is.
        log: Option<Log>,
    },
}

impl EngineArgs {
    /// On this machine with the best kernels.
    pub fn cpu() -> Self {
        let backend = Place::Local(Backend::Cpu);
        Self { backend, kernels: None, firmware: None, log: false, baud: DEFAULT_BAUD }
    }

    /// The layouts of weights that the engine likes; `None` where it reads them as they
    /// are.
    pub fn preferred_packs(&self) -> Result<Option<Packs>, Failure> {
        let backend = match self.backend {
            Place::Local(backend) => backend,
            Place::Emulated(board) => return Ok(Some(board.packs)),
            Place::Serial(_) => return Ok(None),
        };
        Ok(match (EngineOptions { backend, kernels: self.kernels }).kernel_set()? {
            KernelSet::Reference => None,
            set => Some(set.preferred_packs()),
        })
    }

    /// Builds what has to be built.
    pub fn engines(&self) -> Result<Engines, Failure> {
        let chosen_by_firmware = |what: &str| {
            Failure::new(format!("--{what} has no effect on {}", self.backend))
                .help("kernels are chosen when firmware is built; leave it out")
        };
        match &self.backend {
            Place::Local(_) if self.firmware.is_some() => Err(chosen_by_firmware("firmware")),
            Place::Local(_) if self.log => Err(Failure::new(format!("{} logs nothing", self.backend))
                .help("--log is for firmware: serial:PORT, qemu:BOARD")),
            Place::Local(backend) => {
                let options = EngineOptions { backend: *backend, kernels: self.kernels };
                options.kernel_set()?;
                Ok(Engines::Local(options))
            }
            Place::Serial(_) | Place::Emulated(_) if self.kernels.is_some() => {
                Err(chosen_by_firmware("kernels"))
            }
            Place::Serial(_) if self.firmware.is_some() && !self.log => Err(chosen_by_firmware("firmware")),
            Place::Serial(port) => {
                let log = match &self.firmware {
                    Some(elf) => Some(Log::of(elf)?),
                    None if self.log => {
                        return Err(Failure::new("--log needs the firmware that the board runs")
                            .help("give its ELF file with --firmware FILE"));
                    }
                    None => None,
                };
                Ok(Engines::Serial { port: port.clone(), baud: self.baud, log })
            }
            Place::Emulated(board) => {
                let firmware = match &self.firmware {
                    Some(file) => file.clone(),
                    None => firmware::build(board.description, self.log)?,
                };
                let log = if self.log { Some(Log::of(&firmware)?) } else { None };
                Ok(Engines::Emulated { board, firmware, log })
            }
        }
    }
}

impl From<EngineOptions> for Engines {
    fn from(options: EngineOptions) -> Self {
        Engines::Local(options)
    }
}

impl Engines {
    /// An engine for `model`.
    pub fn engine<'m>(&self, model: &Model<'m>) -> Result<Box<dyn Engine + 'm>, Failure> {
        match self {
            Engines::Local(options) => Ok(engine(model, *options)?),
            Engines::Serial { port, baud, log } => {
                let line = SerialLine::open(port, *baud)?;
                connect(model, &Place::Serial(port.clone()), line, log.as_ref())
            }
            Engines::Emulated { board, firmware, log } => {
                let line = board.start(firmware, model.file())?;
                connect(model, &Place::Emulated(board), line, log.as_ref())
            }
        }
    }

    /// How many engines there can be at once, where `wanted` are asked for.
    pub fn limit(&self, wanted: usize) -> usize {
        match self {
            Engines::Local(_) | Engines::Emulated { .. } => wanted,
            Engines::Serial { .. } => 1,
        }
    }
}

/// The device at the other end of `line`.
fn connect<'m, L: Line<Error = io::ErrorKind> + Send + 'm>(
    model: &Model<'m>,
    place: &Place,
    line: L,
    log: Option<&Log>,
) -> Result<Box<dyn Engine + 'm>, Failure> {
    let (name, patience) = (place.to_string(), Patience::default());
    Ok(match log {
        Some(log) => Box::new(DeviceEngine::connect(model, name, log.listen(line), patience)?),
        None => Box::new(DeviceEngine::connect(model, name, line, patience)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_explained() {
        for name in
            ["reference", "cpu", "serial:/dev/ttyACM0", "serial:COM3", "qemu:mps2-an500", "qemu:virtual-m0"]
        {
            assert_eq!(name.parse::<Place>().expect(name).to_string(), name);
        }
        assert!("qemu:abacus".parse::<Place>().unwrap_err().contains("mps2-an386"));
        assert!("serial:".parse::<Place>().unwrap_err().contains("serial:PORT"));
        assert!("abacus".parse::<Place>().unwrap_err().contains("reference, cpu"));
    }

    #[test]
    fn options_without_effect_are_refused() {
        let args = EngineArgs { firmware: Some("x.elf".into()), ..EngineArgs::cpu() };
        assert!(args.engines().is_err());
        let backend = Place::Serial("port".into());
        let args = EngineArgs { backend, kernels: Some(KernelSet::Portable), ..EngineArgs::cpu() };
        assert!(args.engines().is_err());
        let args = EngineArgs { log: true, ..EngineArgs::cpu() };
        assert!(args.engines().unwrap_err().to_string().contains("logs nothing"));
        let backend = Place::Serial("port".into());
        let args = EngineArgs { backend, log: true, ..EngineArgs::cpu() };
        assert!(args.engines().unwrap_err().to_string().contains("--log needs the firmware"));
    }
}
