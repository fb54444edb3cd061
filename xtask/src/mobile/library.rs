//! Builds of the library for the systems of phones.

use std::path::{Path, PathBuf};

use super::files;
use crate::outcome::Outcome;
use crate::process::{self, cargo, command, root, stdout, target_dir};

/// The crate, and the name of its library.
pub const CRATE: &str = "shiftformer-mobile";
pub const NAME: &str = "shiftformer_mobile";

/// The profile of the workspace that makes it small.
const PROFILE: &str = "mobile";

/// What a build can run models on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The processor alone.
    Cpu,
    /// The GPU, too.
    Gpu,
}

impl Backend {
    /// All of them, the smallest build first.
    pub const ALL: [Backend; 2] = [Backend::Cpu, Backend::Gpu];

    /// Its name in tables and folders.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Cpu => "cpu",
            Backend::Gpu => "gpu",
        }
    }

    fn features(self) -> &'static [&'static str] {
        match self {
            Backend::Cpu => &[],
            Backend::Gpu => &["--features", "gpu"],
        }
    }
}

/// Where packages are made.
pub fn folder() -> PathBuf {
    target_dir().join("mobile")
}

/// A static library for `target`. This takes no linker, so any machine makes those of any system.
pub fn archive(target: &str, backend: Backend) -> Result<PathBuf, String> {
    build(target, backend, "staticlib", &format!("lib{NAME}.a"), &[])
}

/// A shared library for `target`, linked as `arguments` of rustc say, and beside it a static one, for
/// the time of one.
pub fn both(target: &str, backend: Backend, arguments: &[String]) -> Result<PathBuf, String> {
    let shared = build(target, backend, "cdylib,staticlib", &format!("lib{NAME}.so"), arguments)?;
    keep(target, backend, &format!("lib{NAME}.a"))?;
    Ok(shared)
}

/// Builds the library, and copies what came of it to where no other build replaces it.
fn build(
    target: &str,
    backend: Backend,
    kind: &str,
    file: &str,
    arguments: &[String],
) -> Result<PathBuf, String> {
    let rustc = ["rustc", "--package", CRATE, "--lib", "--profile", PROFILE];
    let what = ["--target", target, "--crate-type", kind];
    let mut cargo = cargo(&[&rustc[..], &what, backend.features(), &["--"]].concat());
    process::run(cargo.args(arguments))?;
    keep(target, backend, file)
}

fn keep(target: &str, backend: Backend, file: &str) -> Result<PathBuf, String> {
    let built = target_dir().join(target).join(PROFILE).join(file);
    let kept = folder().join("libraries").join(target).join(backend.name()).join(file);
    files::copy(&built, &kept)?;
    Ok(kept)
}

/// Whether the compiler has the standard library of `target`, or gets it from rustup.
pub fn has_target(target: &str) -> bool {
    let installed = |list: &str| list.lines().any(|line| line == target);
    let list = stdout(&mut command("rustup", &["target", "list", "--installed"]));
    list.is_some_and(|list| installed(&list))
        || stdout(&mut command("rustup", &["target", "add", target])).is_some()
}

/// A folder of the compiler's own files.
pub fn toolchain(folder: &str) -> Result<PathBuf, String> {
    let sysroot = stdout(&mut command("rustc", &["--print", "sysroot"])).ok_or("rustc does not start")?;
    Ok(Path::new(sysroot.trim()).join("lib/rustlib").join(folder))
}

/// The library for this machine, with overflow checks: the one that sources are generated from and
/// that tests run.
pub fn for_this_machine() -> Result<PathBuf, String> {
    process::run(&mut process::cargo_once(&["build", "--package", CRATE]))?;
    Ok(target_dir().join("debug").join(format!(
        "{}{NAME}{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    )))
}

/// Copies a file of `targets/mobile/packaging` into a package.
pub fn packaged(name: &str, to: &Path) -> Outcome {
    files::copy(&packaging(name), to)
}

/// The path of a file of `targets/mobile/packaging`.
pub fn packaging(name: &str) -> PathBuf {
    root().join("targets/mobile/packaging").join(name)
}
