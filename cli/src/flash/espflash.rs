//! The program `espflash`, which knows the boot loader of Espressif's chips.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::failure::Failure;

const PROGRAM: &str = "espflash";

/// Has `elf` written to the `chip` at `port`, or at the only port; returns what did it. What
/// the program says goes to stderr.
pub fn write(elf: &Path, chip: &str, port: Option<&str>) -> Result<String, Failure> {
    let mut command = Command::new(PROGRAM);
    command.args(["flash", "--non-interactive", "--chip", chip]);
    if let Some(port) = port {
        command.args(["--port", port]);
    }
    command.arg(elf).stdin(Stdio::null()).stdout(std::io::stderr());
    match command.status() {
        Ok(status) if status.success() => Ok(PROGRAM.to_owned()),
        Ok(_) => Err(Failure::new(format!("{PROGRAM} could not write the image"))
            .help("it says why above; --port PORT chooses the board's serial port")),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(Failure::new(format!(
            "{PROGRAM}, which writes this board, is not installed"
        ))
        .help("`cargo install espflash` installs it; --dry-run leaves an ELF file that it can write later")),
        Err(error) => Err(Failure::new(format!("cannot start {PROGRAM}: {error}"))),
    }
}
