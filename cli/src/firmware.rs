//! Firmware images from the source tree that this program was built from.

use std::path::{Path, PathBuf};

use shiftformer::device::{BuildError, FirmwareCrate, FirmwareOptions};

use crate::failure::Failure;
use crate::progress::Progress;

/// Builds `firmware`, with its log where `log` asks for that, if that is not done, and returns
/// its ELF file.
pub fn build(firmware: FirmwareCrate, log: bool) -> Result<PathBuf, Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let _progress = Progress::spinner(format!("building the firmware of {}", firmware.name));
    let options = FirmwareOptions { log, ..FirmwareOptions::default() };
    firmware.build(root, &target.join("firmware"), options).map_err(|error| {
        let help = match error {
            BuildError::Build { .. } => {
                format!("`rustup target add {}` installs the compiler's target", firmware.target)
            }
            _ => "give an image with --firmware FILE".to_owned(),
        };
        Failure::new(error.to_string()).help(help)
    })
}
