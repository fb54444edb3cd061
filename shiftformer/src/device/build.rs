//! Firmware images from a source tree.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use thiserror::Error;

use super::emulator::EmulatedBoard;

/// Firmware cannot be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The source tree has no firmware.
    #[error("there is no firmware: {} is missing", .manifest.display())]
    Missing {
        /// The file that is not there.
        manifest: PathBuf,
    },
    /// The system does not start cargo.
    #[error("cannot start cargo: {0}")]
    Cargo(std::io::Error),
    /// It does not build.
    #[error("the firmware of {board} does not build:\n{report}")]
    Build {
        /// The board.
        board: &'static str,
        /// What cargo says.
        report: String,
    },
}

impl EmulatedBoard {
    /// Builds this board's firmware from the source tree at `root` into `target`, where
    /// that is not done, and returns its ELF file.
    ///
    /// # Errors
    ///
    /// [`BuildError`].
    pub fn build(&self, root: &Path, target: &Path) -> Result<PathBuf, BuildError> {
        let manifest = root.join("firmware/Cargo.toml");
        if !manifest.is_file() {
            return Err(BuildError::Missing { manifest });
        }
        // The toolchain file of the tree says which compiler.
        let mut cargo = Command::new("cargo");
        cargo.current_dir(root).args(["build", "--quiet", "--locked", "--release", "--package", self.name]);
        cargo
            .args(["--target", self.target])
            .arg("--manifest-path")
            .arg(&manifest)
            .arg("--target-dir")
            .arg(target);
        if let Some(cpu) = self.cpu {
            cargo.arg("--config").arg(format!("build.rustflags=[\"-Ctarget-cpu={cpu}\"]"));
        }
        // What is meant for this machine's programs does not fit a board's.
        for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTUP_TOOLCHAIN"] {
            cargo.env_remove(variable);
        }
        let output = cargo.stdin(Stdio::null()).output().map_err(BuildError::Cargo)?;
        if !output.status.success() {
            let report = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(BuildError::Build { board: self.name, report });
        }
        Ok(target.join(self.target).join("release").join(self.name))
    }
}
