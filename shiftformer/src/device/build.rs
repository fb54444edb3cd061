//! Firmware images from a source tree.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use quant::op::OpKind;
use thiserror::Error;

/// A crate of `firmware/boards`, and how it is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirmwareCrate {
    /// Its name, which is the board's.
    pub name: &'static str,
    /// The compiler's target.
    pub target: &'static str,
    /// The compiler's `target-cpu`, where the target's own will not do.
    pub cpu: Option<&'static str>,
}

/// What an image has.
#[derive(Clone, Copy, Debug, Default)]
pub struct FirmwareOptions<'a> {
    /// The ops that it includes; those that the environment variable `SHIFTFORMER_OPS` names,
    /// or all, where they are not given.
    pub ops: Option<&'a [OpKind]>,
    /// Whether it logs through defmt, at the levels that the variable `DEFMT_LOG` asks for or
    /// from `info` on.
    pub log: bool,
}

/// Firmware cannot be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The source tree has no firmware for the board.
    #[error("there is no firmware of {board} to build: {} is missing", .manifest.display())]
    Missing {
        /// The board.
        board: &'static str,
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

impl FirmwareCrate {
    /// Builds this firmware from the source tree at `root` into `target`, where
    /// that is not done, and returns its ELF file. An image that logs has a folder of its own
    /// within `target`; one with other ops replaces the last.
    ///
    /// # Errors
    ///
    /// [`BuildError`].
    pub fn build(
        &self,
        root: &Path,
        target: &Path,
        options: FirmwareOptions<'_>,
    ) -> Result<PathBuf, BuildError> {
        let manifest = root.join("firmware/boards").join(self.name).join("Cargo.toml");
        if !manifest.is_file() {
            return Err(BuildError::Missing { board: self.name, manifest });
        }
        let target = &if options.log { target.join("defmt") } else { target.to_owned() };
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
        if let Some(ops) = options.ops {
            let names: Vec<&str> = ops.iter().map(|op| op.name()).collect();
            cargo.env("SHIFTFORMER_OPS", names.join(","));
        }
        if options.log {
            cargo.args(["--features", "defmt"]);
            // Without the variable, defmt keeps errors only.
            if std::env::var_os("DEFMT_LOG").is_none() {
                cargo.env("DEFMT_LOG", "info");
            }
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
