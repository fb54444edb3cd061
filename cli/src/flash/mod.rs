//! Firmware and model in one image, and the ways it takes to a board.

mod attributes;
pub mod boards;
mod drive;
mod elf;
mod espflash;
mod hex;
mod image;
mod merge;
mod monitor;
mod probe;
mod uf2;

pub use elf::segments;
pub use image::{Image, Region};
pub use monitor::{Monitor, Report};

use std::io::Write;
use std::path::Path;

use ::boards::Loader;

use self::boards::FlashBoard;
use crate::failure::Failure;
use drive::Drive;

impl FlashBoard {
    /// The image as a file with the loader's [`extension`](Loader::extension); `firmware` is the ELF file
    /// that it was made of.
    pub fn encode(&self, image: &Image, firmware: &[u8]) -> Result<Vec<u8>, Failure> {
        Ok(match self.loader {
            Loader::Probe { .. } => hex::encode(image.segments()).into_bytes(),
            Loader::Drive { family, .. } => uf2::encode(image.segments(), family),
            Loader::Espflash { .. } => merge::merge(firmware, image)?,
        })
    }
}

/// What the user says of the way to the board.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Folder of the boot loader's drive.
    pub drive: Option<&'a Path>,
    /// Debug probe.
    pub probe: Option<&'a str>,
    /// Serial port.
    pub port: Option<&'a str>,
}

/// Writes `image` to `board`, which runs it afterwards; returns what did it.
pub fn write(
    board: &FlashBoard,
    image: &Image,
    firmware: &[u8],
    target: Target<'_>,
) -> Result<String, Failure> {
    match (board.loader, target) {
        (
            Loader::Probe { chip } | Loader::Drive { chip, .. },
            Target { drive: None, probe: Some(probe), .. },
        ) => probe::write(image, chip, Some(probe)),
        (Loader::Probe { chip }, Target { drive: None, .. }) => probe::write(image, chip, None),
        (Loader::Drive { id, .. }, Target { drive, probe: None, .. }) => {
            Drive::find(id, drive)?.copy(&board.encode(image, firmware)?)
        }
        (Loader::Espflash { chip }, Target { drive: None, probe: None, port }) => {
            let elf = board.encode(image, firmware)?;
            let file = tempfile::Builder::new().suffix(".elf").tempfile();
            let file = file.and_then(|mut file| file.write_all(&elf).map(|()| file)).map_err(|error| {
                Failure::new(format!("cannot write a temporary file: {error}"))
                    .help("check the folder for temporary files")
            })?;
            espflash::write(file.path(), chip, port)
        }
        (_, Target { drive, .. }) => {
            let option = if drive.is_some() { "--drive" } else { "--probe" };
            Err(Failure::new(format!("{option} does not apply to {}", board.name())).help(board.advice()))
        }
    }
}
