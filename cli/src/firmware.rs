//! Firmware images from the source tree that this program was built from.

use std::path::{Path, PathBuf};

use boards::Board;
use shiftformer::device::{FirmwareOptions, build_firmware};

use crate::failure::Failure;
use crate::progress::Progress;

/// Builds the firmware of `board`, with its log where `log` asks for that, if that is not done,
/// and returns its ELF file.
pub fn build(board: &Board, log: bool) -> Result<PathBuf, Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let _progress = Progress::spinner(format!("building the firmware of {}", board.name));
    build_firmware(board, root, FirmwareOptions { log, ..FirmwareOptions::default() }).map_err(|error| {
        let help = error.help().unwrap_or_default();
        let given = "an image that was built elsewhere is given with --firmware FILE";
        let help = if help.is_empty() { given.to_owned() } else { format!("{help}; {given}") };
        Failure::new(error.to_string()).help(help)
    })
}
