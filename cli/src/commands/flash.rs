//! `flash`: firmware and model to a board.

use std::fs;
use std::path::{Path, PathBuf};

use boards::Loader;
use conversion::{Files, identity, write_file};
use serde::Serialize;
use shiftformer::Model;
use shiftformer::device::DEFAULT_BAUD;

use crate::describe::identity_is_right;
use crate::failure::Failure;
use crate::firmware;
use crate::flash::boards::{FLASH_BOARDS, FlashBoard};
use crate::flash::{Image, Monitor, Region, Report, Target, segments, write};
use crate::log::Log;
use crate::model::packs;
use crate::output::{bytes, emit};

/// Arguments of `flash`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The container.
    model: PathBuf,
    /// The board to write to: stm32f746g-disco, nucleo-h743zi, nrf52840-dk, pico, pico2, esp32-c3.
    #[arg(long, value_name = "BOARD", value_parser = board)]
    board: &'static FlashBoard,
    /// Write the image to a file instead, as UF2, Intel HEX or ELF.
    #[arg(long, conflicts_with_all = ["monitor", "drive", "probe", "port"])]
    dry_run: bool,
    /// The file of --dry-run [default: the model's name and the board's in this folder].
    #[arg(short, long, value_name = "FILE", requires = "dry_run")]
    output: Option<PathBuf>,
    /// The firmware, an ELF file [default: built from the source tree].
    #[arg(long, value_name = "ELF")]
    firmware: Option<PathBuf>,
    /// The folder of the boot loader's drive, for pico and pico2 [default: searched].
    #[arg(long, value_name = "DIR", conflicts_with = "probe")]
    drive: Option<PathBuf>,
    /// The debug probe, as VID:PID or VID:PID:SERIAL [default: the only one].
    #[arg(long, value_name = "SELECTOR")]
    probe: Option<String>,
    /// Print what the board says afterwards, and compare it with the reference.
    #[arg(long)]
    monitor: bool,
    /// Build the firmware with its log, and print the log with --monitor; where it goes to a
    /// debug probe instead, say how to read it there.
    #[arg(long, conflicts_with = "dry_run")]
    log: bool,
    /// The board's serial port, for --monitor and esp32-c3 [default: the only one at USB].
    #[arg(long, value_name = "PORT")]
    port: Option<String>,
    /// Speed of the serial port.
    #[arg(long, value_name = "BAUD", default_value_t = DEFAULT_BAUD)]
    baud: u32,
}

const EXAMPLES: &str = r"Examples, in a clone (the first of `convert --help` makes model.shf):
  shiftformer flash model.shf --board pico2 --dry-run -o model.uf2
  shiftformer flash model.shf --board nrf52840-dk --monitor

With paths and addresses of your machine:
  shiftformer flash model.shf --board nucleo-h743zi --monitor \
      --port /dev/ttyACM0
  shiftformer flash model.shf --board pico --drive /media/me/RPI-RP2
  shiftformer flash model.shf --board stm32f746g-disco --firmware own.elf \
      --probe 0483:374b";

fn board(name: &str) -> Result<&'static FlashBoard, String> {
    FlashBoard::by_name(name).ok_or_else(|| {
        let known: Vec<&str> = FLASH_BOARDS.iter().map(FlashBoard::name).collect();
        format!("there is no such board to write to; there are: {}", known.join(", "))
    })
}

#[derive(Debug, Serialize)]
struct Flashed {
    board: &'static str,
    identity: String,
    pack: String,
    regions: [Region; 2],
    arena_bytes: u64,
    /// RAM that stays free beside the arena and the stack.
    ram_left: i64,
    /// The image's file.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    /// What the image was written with or to.
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    monitor: Option<Report>,
    /// The command that shows the log, where that goes to a debug probe.
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<String>,
}

/// Writes the image to the board, or to a file.
pub fn run(args: &Args, json: bool) -> Result<(), Failure> {
    let board = args.board;
    let over_port = matches!(board.loader, Loader::Espflash { .. });
    if args.port.is_some() && !args.monitor && !over_port {
        return Err(Failure::new(format!("--port has no effect on {} without --monitor", board.name()))
            .help(board.advice()));
    }
    let image_file =
        args.dry_run.then(|| args.output.clone().unwrap_or_else(|| default_output(&args.model, board)));
    if let Some(output) = &image_file {
        let files = Files::default().input("the container", &args.model).output("-o", output);
        args.firmware.iter().fold(files, |files, elf| files.input("the firmware", elf)).check()?;
    }
    let file = for_board(&args.model, board)?;
    let model = file.container();
    let elf = match &args.firmware {
        Some(path) => path.clone(),
        None => firmware::build(board.description, args.log)?,
    };
    let firmware = fs::read(&elf).map_err(|error| {
        Failure::io("cannot read", &elf)(error).help("give the ELF file of this board's firmware")
    })?;
    let parts = segments(&firmware, board.description.core.architecture()).map_err(|error| {
        Failure::new(format!("{} is no firmware for {}: {error}", elf.display(), board.name()))
            .help(format!("give an ELF file that was built for {}", board.description.core.target()))
    })?;
    let image = Image::new(board, parts, file.bytes())?;
    let fit = board.description.fit(file.bytes().len() as u64, model.arena_len() as u64);
    let mut flashed = Flashed {
        board: board.name(),
        identity: identity(&file),
        pack: packs(&file).join(", "),
        regions: image.regions().clone(),
        arena_bytes: model.arena_len() as u64,
        ram_left: fit.ram_left,
        file: None,
        written: None,
        monitor: None,
        log: None,
    };
    if let Some(path) = image_file {
        write_file(&path, &board.encode(&image, &firmware)?)?;
        flashed.file = Some(path);
        return emit(json, &flashed, text);
    }
    let log = match board.loader {
        Loader::Probe { chip } if args.log => {
            flashed.log = Some(format!("probe-rs attach --chip {chip} {}", elf.display()));
            None
        }
        _ if args.log && args.monitor => Some(Log::of(&elf)?),
        _ => None,
    };
    // Opened before the board starts, to hear its greeting, unless it is written over the port.
    let open = || Monitor::open(args.port.as_deref(), args.baud);
    let monitor = if args.monitor && !over_port { Some(open()?) } else { None };
    let target =
        Target { drive: args.drive.as_deref(), probe: args.probe.as_deref(), port: args.port.as_deref() };
    flashed.written = Some(write(board, &image, &firmware, target)?);
    if args.monitor {
        let monitor = monitor.map_or_else(open, Ok)?;
        flashed.monitor = Some(monitor.watch(board.name(), &file, log.as_ref())?);
    }
    emit(json, &flashed, text)?;
    flashed.monitor.map_or(Ok(()), |report| report.verification.outcome(file.name()))
}

/// The container at `path`, laid out as the kernels of `board` like it and checked again.
fn for_board(path: &Path, board: &FlashBoard) -> Result<Model, Failure> {
    let file = Model::open(path)?;
    let name = file.name().to_owned();
    let file = file.repacked(board.packs).map_err(Failure::convert(&name))?;
    if !identity_is_right(&file)? {
        let message = format!("{name}: the stored identity is not that of the content");
        return Err(
            Failure::new(message).help("the file was altered after its conversion: convert the model again")
        );
    }
    let missing = board.description.fit(0, file.container().arena_len() as u64).ram_left;
    if missing < 0 {
        let missing = bytes(missing.unsigned_abs());
        let message = format!("{name} needs {missing} more of RAM than {} has", board.name());
        return Err(Failure::new(message).help("`shiftformer inspect` lists the boards that it fits"));
    }
    Ok(file)
}

fn default_output(model: &Path, board: &FlashBoard) -> PathBuf {
    let stem = model.file_stem().unwrap_or_default().to_string_lossy();
    PathBuf::from(format!("{stem}-{}.{}", board.name(), board.loader.extension()))
}

fn text(f: &Flashed) -> String {
    let mut lines =
        vec![format!("{:<10} {:<12} {:>12} {:>12} {:>12}", "region", "address", "bytes", "used", "free")];
    for region in &f.regions {
        let address = format!("{:#010x}", region.address);
        let Region { name, bytes, used, free, .. } = region;
        lines.push(format!("{name:<10} {address:<12} {bytes:>12} {used:>12} {free:>12}"));
    }
    lines.push(format!(
        "weights in {}, arena {}, RAM {} left",
        f.pack,
        bytes(f.arena_bytes),
        bytes(f.ram_left.max(0) as u64)
    ));
    if let Some(file) = &f.file {
        lines.push(format!("{}: the image for {}", file.display(), f.board));
    }
    if let Some(written) = &f.written {
        lines.push(format!("{} written: {written}", f.board));
    }
    if let Some(command) = &f.log {
        lines.push(format!("its log: {command}"));
    }
    if let Some(report) = &f.monitor {
        lines.extend(report.greeting.clone());
        let (arena, hz) = (bytes(report.arena_bytes.into()), report.hz);
        lines.push(format!("{}: {} kernels, clock of {hz} Hz, arena {arena}", report.board, report.kernels));
        lines.push(report.verification.sentence());
    }
    lines.join("\n")
}
