//! The Python package, tested from the folder that the workspace is built into; before a release its
//! wheel is built, looked into, installed and tested.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::outcome::Outcome;
use crate::process::{self, MOST, TESTED, cargo_once, command, root, stdout, target_dir};
use crate::system::ALL_IMAGES;
use crate::test::Scope;

/// The folder of the package.
const PACKAGE: &str = "targets/python";

/// The module in Rust.
const MODULE: &str = "shiftformer/_native.abi3.so";

/// What a wheel holds beside its description.
const CONTENTS: &[&str] = &[
    "shiftformer/__init__.py",
    "shiftformer/_convert.py",
    "shiftformer/_errors.py",
    MODULE,
    "shiftformer/_native.pyi",
    "shiftformer/_progress.py",
    "shiftformer/_rows.py",
    "shiftformer/py.typed",
];

/// Tests the package of a change in place, and before a release as its wheel.
pub fn step(scope: Scope) -> Outcome {
    match scope {
        Scope::Change => in_place(),
        Scope::Release => wheel(scope),
    }
}

/// Builds the wheel, and tests it where it is installed.
pub fn wheel(scope: Scope) -> Outcome {
    let environment = environment()?;
    let wheel = environment.wheel(&place().join("wheels"), &["--profile", "dev"])?;
    environment.look_into(&wheel)?;
    environment.install(&["--force-reinstall", "--no-deps", &wheel.display().to_string()])?;
    if scope == Scope::Release {
        environment.install(&["--requirement", "targets/python/examples/requirements.txt"])?;
    }
    build(&["--bin", "shiftformer"])?;
    process::run(&mut environment.tests(scope))
}

/// Tests the package in a folder: its files in Python, and the module in Rust.
fn in_place() -> Outcome {
    // With what tests depend on, whose features the step `unit` has built everything with.
    build(&["--lib", "--bin", "shiftformer", "--tests"])?;
    let folder = place().join("package");
    let package = folder.join("shiftformer");
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    if package.exists() {
        fs::remove_dir_all(&package).map_err(|error| failed(&package, error))?;
    }
    fs::create_dir_all(&package).map_err(|error| failed(&package, error))?;
    let (sources, built) = (root().join(PACKAGE).join("python"), target_dir().join("debug"));
    for file in CONTENTS {
        let from = if *file == MODULE { built.join("lib_native.so") } else { sources.join(file) };
        fs::copy(&from, folder.join(file)).map_err(|error| failed(&from, error))?;
    }
    process::run(environment()?.tests(Scope::Change).env("PYTHONPATH", folder))
}

/// Builds `what` with the features that the whole workspace has, so that nothing is built a second time.
fn build(what: &[&str]) -> Outcome {
    process::run(&mut cargo_once(&[&["build"], what, MOST, TESTED].concat()))
}

/// The environment of the tests, with what they need.
fn environment() -> Result<Environment, String> {
    let environment = Environment::at(place().join("venv"))?;
    environment.install(&["--requirement", "targets/python/tests/requirements.txt"])?;
    Ok(environment)
}

/// A virtual environment in a folder.
pub struct Environment(PathBuf);

impl Environment {
    /// The one in `folder`, which is made once.
    pub fn at(folder: PathBuf) -> Result<Self, String> {
        let environment = Self(folder);
        if !environment.interpreter().exists() {
            let folder = environment.0.display().to_string();
            process::run(&mut command("python3", &["-m", "venv", &folder]))?;
        }
        Ok(environment)
    }

    /// Its Python.
    pub fn interpreter(&self) -> PathBuf {
        self.0.join("bin/python")
    }

    /// Its Python with `args`.
    pub fn python(&self, args: &[&str]) -> Command {
        command(&self.interpreter().display().to_string(), args)
    }

    /// What pip installs with these arguments.
    pub fn install(&self, what: &[&str]) -> Outcome {
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        process::run(&mut self.python(&[&pip[..], what].concat()))
    }

    /// Builds the wheel into a folder of its own, with maturin's options `how`; as developers build
    /// everything, so that what others bring is built once.
    pub fn wheel(&self, folder: &Path, how: &[&str]) -> Result<PathBuf, String> {
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        let (maturin, out) = (self.0.join("bin/maturin"), folder.display().to_string());
        let manifest = format!("{PACKAGE}/Cargo.toml");
        let build = ["build", "--locked", "--manifest-path", &manifest, "--out", &out];
        let mut build = command(&maturin.display().to_string(), &[&build[..], how].concat());
        process::run(build.env("CARGO_INCREMENTAL", "0").env("CARGO_PROFILE_DEV_DEBUG", "0"))?;
        let wheels = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut wheels = wheels.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        wheels.next().ok_or_else(|| format!("there is no wheel in {}", folder.display()))
    }

    /// The wheel is for every Python from 3.9 on, names its platform, and has everything.
    fn look_into(&self, wheel: &Path) -> Outcome {
        let name = wheel.file_name().unwrap_or_default().to_string_lossy();
        if !name.contains("-cp39-abi3-") || name.ends_with("-any.whl") {
            return Err(format!("{name} is not for every Python from 3.9 on, or names no platform"));
        }
        let listing = stdout(&mut self.python(&["-m", "zipfile", "--list", &wheel.display().to_string()]));
        let listing = listing.ok_or_else(|| format!("{name} cannot be listed"))?;
        let held: Vec<&str> = listing.lines().filter_map(|line| line.split_whitespace().next()).collect();
        match CONTENTS.iter().find(|file| !held.contains(file)) {
            Some(file) => Err(format!("{name} lacks {file}")),
            None => {
                println!("    {name}: {} KiB", size(wheel) >> 10);
                Ok(())
            }
        }
    }

    fn tests(&self, scope: Scope) -> Command {
        let mut pytest = self.python(&["-m", "pytest", "--quiet", "--durations=5"]);
        pytest.current_dir(root().join(PACKAGE));
        pytest.env("SHIFTFORMER_CLI", target_dir().join("debug/shiftformer"));
        match scope {
            Scope::Change => pytest.args(["-m", "not everything"]),
            Scope::Release => pytest.env("SHIFTFORMER_ALL_IMAGES", ALL_IMAGES),
        };
        pytest
    }
}

/// Where all of it goes.
fn place() -> PathBuf {
    target_dir().join("python")
}

fn size(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |metadata| metadata.len())
}
