//! The builder of firmware: one folder and one way of giving flags, for the command line, the
//! developer tasks and the tests.
//!
//! Everything that is built for a core has the same flags, so that what it shares is compiled
//! once. Cargo keeps what has other flags apart from it. Images of one package with other features,
//! ops or cores overwrite each other where cargo leaves them; the builder copies each to a file of
//! its own, under a lock.

use std::error::Error;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fmt, io};

use crate::{Board, Core};

/// What is built from the workspace `firmware`.
#[derive(Clone, Copy, Debug)]
pub struct Firmware<'a> {
    /// The package.
    pub package: &'a str,
    /// What it leaves.
    pub artifact: Artifact<'a>,
    /// The core that it is for.
    pub core: Core,
    /// An extension of the core that the compiler may use, such as `zbb`.
    pub extension: Option<&'a str>,
    /// Features of the package.
    pub features: &'a [&'a str],
    /// Names of the ops that it includes; those that the environment variable `SHIFTFORMER_OPS`
    /// names, or all, where they are not given.
    pub ops: Option<&'a [&'a str]>,
    /// Further environment variables of the build.
    pub variables: &'a [(&'a str, &'a str)],
}

/// What a build leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Artifact<'a> {
    /// An ELF file with the package's name.
    Program,
    /// The static library with this file name.
    Library(&'a str),
}

/// Firmware cannot be built.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// There is no source tree.
    Missing {
        /// The package.
        package: String,
        /// The file that is not there.
        manifest: PathBuf,
    },
    /// Cargo is not installed.
    NoCargo,
    /// The system does not start cargo.
    Cargo(io::Error),
    /// The compiler lacks the target.
    Target {
        /// The package.
        package: String,
        /// The target.
        target: &'static str,
    },
    /// It does not build.
    Build {
        /// The package.
        package: String,
        /// What cargo says.
        report: String,
    },
    /// The image cannot be kept.
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: io::Error,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Missing { package, manifest } => {
                write!(f, "there is no source to build {package} from: {} is missing", manifest.display())
            }
            BuildError::NoCargo => f.write_str("firmware is built with cargo, which is not installed"),
            BuildError::Cargo(reason) => write!(f, "cannot start cargo: {reason}"),
            BuildError::Target { package, target } => {
                write!(f, "{package} does not build: the Rust target {target} is not installed")
            }
            BuildError::Build { package, report } => write!(f, "{package} does not build:\n{report}"),
            BuildError::File { path, reason } => write!(f, "cannot write {}: {reason}", path.display()),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BuildError::Cargo(reason) | BuildError::File { reason, .. } => Some(reason),
            BuildError::Missing { .. }
            | BuildError::NoCargo
            | BuildError::Target { .. }
            | BuildError::Build { .. } => None,
        }
    }
}

impl BuildError {
    /// What to do about it, where something helps.
    pub fn help(&self) -> Option<String> {
        match self {
            BuildError::Missing { .. } => Some("run it in a clone of the repository".into()),
            BuildError::NoCargo => Some("install Rust as https://rustup.rs says".into()),
            BuildError::Target { target, .. } => Some(format!(
                "`rustup target add {target}` installs it; in a clone, `cargo xtask prepare` installs all"
            )),
            BuildError::File { .. } => {
                Some("check the folder's permissions, and the room on its disk".into())
            }
            BuildError::Cargo(_) | BuildError::Build { .. } => None,
        }
    }
}

/// Where cargo puts what it builds from the source tree at `root`.
pub fn target_dir(root: &Path) -> PathBuf {
    root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// Where all firmware is built from the source tree at `root`.
pub fn folder(root: &Path) -> PathBuf {
    target_dir(root).join("firmware")
}

impl<'a> Firmware<'a> {
    /// The program of `package` for `core`, with every op.
    pub const fn new(package: &'a str, core: Core) -> Self {
        let artifact = Artifact::Program;
        Self { package, artifact, core, extension: None, features: &[], ops: None, variables: &[] }
    }

    /// The firmware of `board`.
    pub const fn of(board: &'a Board) -> Self {
        Self::new(board.name, board.core)
    }

    /// Builds it from the source tree at `root`, where that is not done, and returns the file with
    /// the image. Files of other variants stay as they are.
    ///
    /// # Errors
    ///
    /// [`BuildError`].
    pub fn build(&self, root: &Path) -> Result<PathBuf, BuildError> {
        let manifest = root.join("firmware/Cargo.toml");
        if !manifest.is_file() {
            return Err(BuildError::Missing { package: self.package.into(), manifest });
        }
        let folder = folder(root);
        let images = folder.join("images");
        let _until_copied = lock(&images)?;
        let output = self.command(root, &folder).output().map_err(|error| match error.kind() {
            ErrorKind::NotFound => BuildError::NoCargo,
            _ => BuildError::Cargo(error),
        })?;
        if !output.status.success() {
            return Err(self.failed(&String::from_utf8_lossy(&output.stderr)));
        }
        let file = match self.artifact {
            Artifact::Program => self.package,
            Artifact::Library(file) => file,
        };
        let image = images.join(self.file_name());
        replace(&folder.join(self.core.target()).join("release").join(file), &image)?;
        Ok(image)
    }

    fn failed(&self, report: &str) -> BuildError {
        let (package, target) = (self.package.to_owned(), self.core.target());
        if report.contains(&format!("the `{target}` target may not be installed")) {
            BuildError::Target { package, target }
        } else {
            BuildError::Build { package, report: report.to_owned() }
        }
    }

    fn command(&self, root: &Path, folder: &Path) -> Command {
        // The toolchain file of the tree says which compiler.
        let mut cargo = Command::new("cargo");
        cargo.current_dir(root).stdin(Stdio::null()).env_remove("RUSTUP_TOOLCHAIN");
        cargo.args(["build", "--quiet", "--locked", "--release", "--manifest-path", "firmware/Cargo.toml"]);
        cargo.args(["--package", self.package, "--target", self.core.target(), "--target-dir"]).arg(folder);
        if !self.features.is_empty() {
            cargo.arg("--features").arg(self.features.join(","));
        }
        cargo.envs(self.variables.iter().copied());
        match self.ops() {
            Some(ops) => cargo.env("SHIFTFORMER_OPS", ops),
            None => cargo.env_remove("SHIFTFORMER_OPS"),
        };
        // Without the variable, defmt keeps errors only.
        if self.features.contains(&"defmt") && env::var_os("DEFMT_LOG").is_none() {
            cargo.env("DEFMT_LOG", "info");
        }
        // These take the place of flags for this machine's programs, which do not fit a board's.
        cargo.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", self.flags().join("\x1f"));
        cargo
    }

    /// The compiler's flags.
    fn flags(&self) -> Vec<String> {
        let cpu = self.core.cpu().map(|cpu| format!("-Ctarget-cpu={cpu}"));
        let extension = self.extension.map(|extension| format!("-Ctarget-feature=+{extension}"));
        // Nothing reads it: it keeps what is built with other ops apart.
        let ops = self.ops().map(|ops| format!("--cfg=shiftformer_ops=\"{}\"", digest(&ops)));
        [cpu, extension, ops].into_iter().flatten().collect()
    }

    /// What `SHIFTFORMER_OPS` shall be.
    fn ops(&self) -> Option<String> {
        match self.ops {
            Some(ops) => Some(ops.join(",")),
            None => env::var("SHIFTFORMER_OPS").ok(),
        }
    }

    /// The name of the image's file, which no other variant has. That of a board says its core.
    fn file_name(&self) -> String {
        let core = if Board::by_name(self.package).is_none() { Some(self.core.file_name()) } else { None };
        let ops = self.ops().map(|ops| format!("ops-{}", digest(&ops)));
        let parts = [Some(self.package), core, self.extension].into_iter().flatten();
        let parts: Vec<&str> = parts.chain(self.features.iter().copied()).chain(ops.as_deref()).collect();
        let extension = match self.artifact {
            Artifact::Program => "elf",
            Artifact::Library(_) => "a",
        };
        format!("{}.{extension}", parts.join("-"))
    }
}

/// A short name of `text`: its FNV-1a hash.
fn digest(text: &str) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}

/// Waits until nobody else builds into `images`; the file returned keeps others waiting.
fn lock(images: &Path) -> Result<File, BuildError> {
    let path = images.join(".lock");
    let locked = fs::create_dir_all(images).and_then(|()| File::create(&path)).and_then(|file| {
        file.lock()?;
        Ok(file)
    });
    locked.map_err(|reason| BuildError::File { path, reason })
}

/// Copies `from` to `to` at once, for others may be reading what was there.
fn replace(from: &Path, to: &Path) -> Result<(), BuildError> {
    let part = to.with_extension("part");
    let copied = fs::copy(from, &part).and_then(|_| fs::rename(&part, to));
    copied.map_err(|reason| BuildError::File { path: to.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MPS2_AN386, NRF52840_DK, PICO, VIRTUAL_M0};

    fn flags(firmware: Firmware<'_>) -> String {
        let command = firmware.command(Path::new("/root"), Path::new("/folder"));
        let mut variables = command.get_envs();
        let (_, flags) = variables.find(|(name, _)| *name == "CARGO_ENCODED_RUSTFLAGS").unwrap();
        flags.unwrap().to_str().unwrap().replace('\x1f', " ")
    }

    #[test]
    fn boards_with_the_same_core_share_their_flags() {
        assert_eq!(flags(Firmware::of(&MPS2_AN386)), "-Ctarget-cpu=cortex-m4");
        assert_eq!(flags(Firmware::of(&NRF52840_DK)), flags(Firmware::of(&MPS2_AN386)));
        assert_eq!((flags(Firmware::of(&PICO)), flags(Firmware::of(&VIRTUAL_M0))), ("".into(), "".into()));
        let zbb = Firmware { extension: Some("zbb"), ..Firmware::new("bench", Core::Rv32imc) };
        assert_eq!(flags(zbb), "-Ctarget-feature=+zbb");
    }

    #[test]
    fn every_variant_has_its_own_file() {
        let board = Firmware::of(&MPS2_AN386);
        let few = Firmware { ops: Some(&["linear", "add"]), ..board };
        let fewer = Firmware { ops: Some(&["linear"]), ..board };
        let log = Firmware { features: &["defmt"], ..board };
        let bench = Firmware { features: &["dsp"], ..Firmware::new("bench", Core::CortexM7) };
        let library = Firmware { artifact: Artifact::Library("libshiftformer.a"), ..bench };
        assert_eq!(board.file_name(), "mps2-an386.elf");
        assert_eq!(log.file_name(), "mps2-an386-defmt.elf");
        assert_eq!(bench.file_name(), "bench-cortex-m7-dsp.elf");
        assert_eq!(library.file_name(), "bench-cortex-m7-dsp.a");
        assert_ne!(few.file_name(), fewer.file_name());
        assert_ne!(few.flags(), fewer.flags());
        assert_ne!(few.flags(), board.flags());
    }

    #[test]
    fn a_missing_target_is_told_from_other_failures() {
        let firmware = Firmware::of(&PICO);
        let report = "error[E0463]: can't find crate for `core`\n  |\n  = note: the `thumbv6m-none-eabi` target may not be installed\n";
        let error = firmware.failed(report);
        assert!(error.help().unwrap().contains("rustup target add thumbv6m-none-eabi"), "{error}");
        let error = firmware.failed("error: linking failed");
        assert!(error.to_string().contains("linking failed") && error.help().is_none());
        let error = firmware.build(Path::new("/nowhere")).unwrap_err();
        assert!(matches!(error, BuildError::Missing { .. }), "{error}");
    }
}
