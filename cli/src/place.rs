//! Where a model runs: on this machine, on a device, in an emulator.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use shiftformer::device::{DEFAULT_BAUD, EMULATED_BOARDS, Emulated, EmulatedBoard, Serial};
use shiftformer::quant::KernelSet;
use shiftformer::{Backend, Cpu, Fallback, Model, NotInThisBuild, Session};
#[cfg(feature = "gpu")]
use shiftformer::{Gpu, GpuCache};

use crate::failure::Failure;
use crate::firmware;
use crate::log::Log;

/// Where to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The scalar reference on this machine.
    Reference,
    /// This machine's processor.
    Cpu,
    /// A GPU of this machine.
    Gpu,
    /// On devices at serial ports.
    Serial(Vec<String>),
    /// In an emulator of a board.
    Emulated(&'static EmulatedBoard),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Reference => f.write_str("reference"),
            Place::Cpu => f.write_str("cpu"),
            Place::Gpu => f.write_str("gpu"),
            Place::Serial(ports) => {
                let named = ports.iter().map(|port| format!("serial:{port}"));
                f.write_str(&named.collect::<Vec<_>>().join(","))
            }
            Place::Emulated(board) => write!(f, "qemu:{}", board.name),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name.split_once(':') {
            None if name == "reference" => Ok(Place::Reference),
            None if name == "cpu" => Ok(Place::Cpu),
            None if name == "gpu" => Ok(Place::Gpu),
            Some(("serial", _)) => serial_ports(name).map(Place::Serial),
            Some(("qemu", board)) => EmulatedBoard::by_name(board).map(Place::Emulated).ok_or_else(|| {
                let known: Vec<&str> = EMULATED_BOARDS.iter().map(|board| board.name).collect();
                format!("there is no emulated board `{board}`; there are: {}", known.join(", "))
            }),
            _ => Err(format!(
                "there is no `{name}` backend; there are: reference, cpu, gpu; or serial:PORT, qemu:BOARD for firmware"
            )),
        }
    }
}

/// The ports of `serial:PORT`, and of several such names with commas between them.
fn serial_ports(names: &str) -> Result<Vec<String>, String> {
    let mut ports = Vec::new();
    for name in names.split(',') {
        let port = name.strip_prefix("serial:").filter(|port| !port.is_empty());
        let port = port.ok_or_else(|| format!("`{name}` is no serial:PORT, such as serial:/dev/ttyACM0"))?;
        if ports.iter().any(|other| other == port) {
            return Err(format!("{port} is named twice"));
        }
        ports.push(port.to_owned());
    }
    Ok(ports)
}

/// The kernel set called `name`.
fn kernel_set(name: &str) -> Result<&'static KernelSet, NotInThisBuild> {
    Cpu::best().with_kernels(name).map(|cpu| cpu.kernels())
}

/// Which GPU.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct GpuArgs {
    /// The GPU to run on: a part of its name or its number in the list of `devices` [default: the
    /// first].
    #[arg(long = "gpu", value_name = "NAME|INDEX")]
    pub name: Option<String>,
    /// Where compiled shaders and measured tiles are kept for a GPU, or off to keep none; so does the
    /// variable SHIFTFORMER_GPU_CACHE [default: shiftformer in the user's folder for caches].
    #[arg(long = "gpu-cache", value_name = "FOLDER|off")]
    pub cache: Option<String>,
}

#[cfg(feature = "gpu")]
impl GpuArgs {
    /// The GPU that is asked for.
    pub fn open(&self) -> Result<Gpu, Failure> {
        let cache = self.cache.as_deref().map_or_else(GpuCache::of_user, GpuCache::named);
        Ok(Gpu::open_with(self.name.as_deref(), &cache)?)
    }
}

/// Where to run, with which kernels.
#[derive(Clone, Debug, clap::Args)]
pub struct EngineArgs {
    /// Where to run: reference, cpu, gpu, serial:PORT, qemu:BOARD; several boards as
    /// serial:PORT,serial:PORT.
    #[arg(long, default_value_t = Place::Cpu)]
    pub backend: Place,
    /// Kernels to run with, such as portable or reference; a name that is unknown lists those of this
    /// machine [default: the fastest].
    #[arg(long, value_name = "SET", value_parser = kernel_set)]
    pub kernels: Option<&'static KernelSet>,
    #[command(flatten)]
    pub gpu: GpuArgs,
    /// Measure first which tiles the GPU is the fastest with, but for what was measured before; the
    /// command `tune` measures again, and prints what it finds.
    #[arg(long)]
    pub tune: bool,
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

impl EngineArgs {
    /// One engine that is asked for, for commands that tell something of one.
    ///
    /// # Errors
    ///
    /// As [`backend`](Self::backend), and where several devices are named.
    pub fn one(&self) -> Result<Box<dyn Backend>, Failure> {
        if matches!(&self.backend, Place::Serial(ports) if ports.len() > 1) {
            let message = format!("this looks at one device, and {} are several", self.backend);
            return Err(Failure::new(message).help("name one of them; `eval` spreads images over several"));
        }
        self.backend(NonZeroUsize::MIN)
    }

    /// The backend that is asked for, with `threads` threads or emulators. What has to be built
    /// is built here.
    pub fn backend(&self, threads: NonZeroUsize) -> Result<Box<dyn Backend>, Failure> {
        self.check_gpu()?;
        match &self.backend {
            Place::Reference | Place::Cpu => Ok(Box::new(self.here(threads)?)),
            Place::Gpu => self.on_gpu(threads),
            Place::Serial(_) | Place::Emulated(_) if self.kernels.is_some() => {
                Err(self.chosen_by_firmware("kernels"))
            }
            Place::Serial(ports) => self.serial(ports),
            Place::Emulated(board) => self.emulated(board, threads),
        }
    }

    /// What is said of a GPU is for one.
    fn check_gpu(&self) -> Result<(), Failure> {
        let GpuArgs { name, cache } = &self.gpu;
        let given = [("gpu", name.is_some()), ("gpu-cache", cache.is_some()), ("tune", self.tune)];
        match given.into_iter().find(|(_, given)| *given) {
            Some((option, _)) if self.backend != Place::Gpu => {
                let message = format!("--{option} has no effect on {}", self.backend);
                Err(Failure::new(message).help("it is for --backend gpu"))
            }
            _ => Ok(()),
        }
    }

    /// This machine's processor on one thread, for what is measured on nothing else.
    ///
    /// # Errors
    ///
    /// Where another backend is asked for.
    pub fn processor(&self) -> Result<Cpu, Failure> {
        match self.backend {
            Place::Cpu => self.here(NonZeroUsize::MIN),
            _ => Err(Failure::new(format!("{} is not this machine's processor", self.backend))
                .help("leave --backend out")),
        }
    }

    fn chosen_by_firmware(&self, what: &str) -> Failure {
        Failure::new(format!("--{what} has no effect on {}", self.backend))
            .help("kernels are chosen when firmware is built; leave it out")
    }

    /// The GPU, and the processor for models that it cannot run.
    #[cfg(feature = "gpu")]
    fn on_gpu(&self, threads: NonZeroUsize) -> Result<Box<dyn Backend>, Failure> {
        if self.kernels.is_some() {
            return Err(Failure::new("--kernels has no effect on gpu").help("leave it out"));
        }
        let cpu = self.here(threads)?;
        let gpu = self.gpu.open()?;
        if self.tune && !gpu.adapter().timestamps {
            eprintln!("note: {} does not tell the time, so --tune measures nothing", gpu.adapter().name);
        }
        let gpu = if self.tune { gpu.tuning() } else { gpu };
        Ok(Box::new(gpu.or_cpu(cpu)))
    }

    #[cfg(not(feature = "gpu"))]
    fn on_gpu(&self, _: NonZeroUsize) -> Result<Box<dyn Backend>, Failure> {
        Err(Failure::without("gpu"))
    }

    fn here(&self, threads: NonZeroUsize) -> Result<Cpu, Failure> {
        if self.firmware.is_some() {
            return Err(self.chosen_by_firmware("firmware"));
        }
        if self.log {
            return Err(Failure::new(format!("{} logs nothing", self.backend))
                .help("--log is for firmware: serial:PORT, qemu:BOARD"));
        }
        let reference = Cpu::reference();
        let cpu = match (&self.backend, self.kernels) {
            (Place::Reference, Some(set)) if set.name() != reference.kernels().name() => {
                let message = format!("the backend `reference` has no kernel set `{}`", set.name());
                return Err(Failure::new(message).help("leave --kernels out, or choose --backend cpu"));
            }
            (Place::Reference, _) => reference,
            (_, Some(set)) => Cpu::best().with_kernels(set.name())?,
            (_, None) => Cpu::best(),
        };
        Ok(cpu.with_threads(threads))
    }

    fn serial(&self, ports: &[String]) -> Result<Box<dyn Backend>, Failure> {
        let device = Serial::several(ports).with_baud(self.baud);
        match (&self.firmware, self.log) {
            (Some(elf), true) => Ok(Box::new(device.with_log(Log::of(elf)?.sinks()))),
            (Some(_), false) => Err(self.chosen_by_firmware("firmware")),
            (None, true) => Err(Failure::new("--log needs the firmware that the board runs")
                .help("give its ELF file with --firmware FILE")),
            (None, false) => Ok(Box::new(device)),
        }
    }

    fn emulated(
        &self,
        board: &'static EmulatedBoard,
        emulators: NonZeroUsize,
    ) -> Result<Box<dyn Backend>, Failure> {
        let firmware = match &self.firmware {
            Some(file) => file.clone(),
            None => firmware::build(board.description, self.log)?,
        };
        let device = Emulated::new(board, Path::new(&firmware)).with_emulators(emulators);
        Ok(match self.log {
            true => Box::new(device.with_log(Log::of(&firmware)?.sinks())),
            false => Box::new(device),
        })
    }
}

/// A session of `model` on `backend`; where another backend or other kernels run it, that is said here.
pub fn session(model: &Model, backend: &dyn Backend) -> Result<Session, Failure> {
    let session = model.session_on(backend)?;
    if let Some(Fallback { backend, reason }) = session.fallback() {
        eprintln!("note: the whole model runs on {backend}: {reason}");
    }
    let disabled = session.disabled();
    if !disabled.is_empty() {
        eprintln!("note: the driver miscompiles tiles of {}; others take their place", disabled.join(", "));
    }
    for remark in session.remarks() {
        eprintln!("note: {remark}");
    }
    Ok(session)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu() -> EngineArgs {
        EngineArgs {
            backend: Place::Cpu,
            kernels: None,
            gpu: GpuArgs::default(),
            tune: false,
            firmware: None,
            log: false,
            baud: DEFAULT_BAUD,
        }
    }

    fn made(args: &EngineArgs) -> Result<Box<dyn Backend>, Failure> {
        args.backend(NonZeroUsize::MIN)
    }

    #[test]
    fn names_round_trip_and_others_are_explained() {
        for name in [
            "reference",
            "cpu",
            "serial:/dev/ttyACM0",
            "serial:COM3,serial:COM4",
            "qemu:mps2-an500",
            "qemu:virtual-m0",
        ] {
            assert_eq!(name.parse::<Place>().expect(name).to_string(), name);
        }
        assert!("qemu:abacus".parse::<Place>().unwrap_err().contains("mps2-an386"));
        for (name, why) in [
            ("serial:", "serial:PORT"),
            ("serial:a,serial:", "serial:PORT"),
            ("serial:a,b", "`b` is no serial:PORT"),
            ("serial:a,serial:a", "named twice"),
        ] {
            assert!(name.parse::<Place>().unwrap_err().contains(why), "{name}");
        }
        assert!("abacus".parse::<Place>().unwrap_err().contains("reference, cpu"));
    }

    #[test]
    fn options_without_effect_are_refused() {
        let named = |name: &str| Some(name.to_owned());
        for (option, args) in [
            ("--gpu", EngineArgs { gpu: GpuArgs { name: named("0"), cache: None }, ..cpu() }),
            ("--gpu-cache", EngineArgs { gpu: GpuArgs { name: None, cache: named("off") }, ..cpu() }),
            ("--tune", EngineArgs { tune: true, ..cpu() }),
        ] {
            let said = made(&args).err().unwrap().to_string();
            assert!(said.contains(&format!("{option} has no effect on cpu")), "{said}");
        }
        let args = EngineArgs { firmware: Some("x.elf".into()), ..cpu() };
        assert!(made(&args).is_err());
        let backend = Place::Serial(vec!["port".into()]);
        let args = EngineArgs { backend, kernels: Some(Cpu::best().kernels()), ..cpu() };
        assert!(made(&args).is_err());
        let args = EngineArgs { log: true, ..cpu() };
        assert!(made(&args).err().unwrap().to_string().contains("logs nothing"));
        let backend = Place::Serial(vec!["port".into()]);
        let args = EngineArgs { backend, log: true, ..cpu() };
        assert!(made(&args).err().unwrap().to_string().contains("--log needs the firmware"));
    }
}
