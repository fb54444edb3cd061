//! The minimum Rust version: crates that promise an older one than the pinned build with it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::outcome::Outcome;
use crate::process::{self, capture, cargo, command, exists, stdout};
use crate::system;

/// What all other crates ask for: the pinned version.
const PINNED: &str = env!("CARGO_PKG_RUST_VERSION");

/// Features that build with it too. `shiftformer/device` and `defmt` do not: the builder of firmware
/// and the decoder of logs ask for more.
const FEATURES: &[&str] = &[
    "shiftformer-answers/probability",
    "shiftformer-quant/scale",
    "shiftformer-link/defmt",
    "shiftformer-mcu/dsp",
    "shiftformer-mcu/mve",
];

/// Where a distribution has its compiler, and Debian the one that it builds browsers with.
const SYSTEM: &str = "/usr/bin";
/// Debian's packages of that compiler.
const DEBIAN: &[&str] = &["rustc-web", "cargo-web"];

/// Checks the crates of every older version with a toolchain of exactly that version.
pub fn run() -> Outcome {
    let promises = promises()?;
    if promises.is_empty() {
        return Err(format!("no manifest has a `rust-version` other than {PINNED}"));
    }
    let place = process::target_dir().join("msrv").display().to_string();
    for (version, packages) in promises {
        let toolchain = Toolchain::get(&version)?;
        let chosen: Vec<&str> = packages.iter().flat_map(|package| ["--package", package]).collect();
        let check = [&["check", "--locked", "--target-dir", &place][..], &chosen].concat();
        process::run(&mut toolchain.command("cargo", &check))?;
        let of_these = |feature: &&str| packages.iter().any(|p| feature.split('/').next() == Some(p));
        let features: Vec<&str> = FEATURES.iter().copied().filter(of_these).collect();
        if !features.is_empty() {
            process::run(toolchain.command("cargo", &check).args(["--features", &features.join(",")]))?;
        }
        println!("Rust {version}: {}", packages.join(", "));
    }
    Ok(())
}

/// Packages by the version that their manifests promise, where it is not the pinned one.
fn promises() -> Result<BTreeMap<String, Vec<String>>, String> {
    let metadata = ["metadata", "--no-deps", "--locked", "--format-version", "1"];
    let text = stdout(&mut cargo(&metadata)).ok_or("`cargo metadata --locked` fails")?;
    let metadata: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let mut promises: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        if let (Some(name), Some(version)) = (package["name"].as_str(), package["rust_version"].as_str())
            && version != PINNED
        {
            promises.entry(version.to_owned()).or_default().push(name.to_owned());
        }
    }
    Ok(promises)
}

/// Cargo and compiler of one version.
enum Toolchain {
    /// Under the name that rustup has for it.
    Rustup(String),
    /// In the folder [`SYSTEM`].
    System,
}

impl Toolchain {
    /// The toolchain of `version`, which is installed where it is not there.
    fn get(version: &str) -> Result<Self, String> {
        // A manifest may leave out the last number, rustup means the newest by that.
        let release = if version.split('.').count() == 2 { format!("{version}.0") } else { version.into() };
        if let Some(found) = Self::find(&release) {
            return Ok(found);
        }
        println!("    installing Rust {release}");
        let rustup = ["toolchain", "install", &release, "--profile", "minimal"];
        let installed = exists("rustup") && capture(&mut command("rustup", &rustup))?.0;
        // Debian's compilers and its rustup keep each other out, so apt would remove what is there.
        let occupied = ["rustc", "rustup"].iter().any(|name| Path::new(SYSTEM).join(name).exists());
        if !installed && !occupied {
            system::install(DEBIAN)?;
        }
        Self::find(&release).ok_or_else(|| {
            format!(
                "there is no Rust {release}: `rustup {}` fails, and {} has no compiler of that version",
                rustup.join(" "),
                SYSTEM
            )
        })
    }

    fn find(release: &str) -> Option<Self> {
        let candidates = [Toolchain::Rustup(release.to_owned()), Toolchain::System];
        let wanted = format!("rustc {release} ");
        let is_it = |candidate: &Toolchain| {
            let version = stdout(&mut candidate.command("rustc", &["--version"]));
            version.is_some_and(|version| version.starts_with(&wanted))
        };
        candidates.into_iter().find(is_it)
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = match self {
            Toolchain::Rustup(name) => command("rustup", &["run", name, program]),
            Toolchain::System => command(&format!("{SYSTEM}/{program}"), &[]),
        };
        // Cargo tells its children which cargo they run under; tools believe it.
        command.args(args).env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
        if let Toolchain::System = self {
            // The one on the path may be rustup's.
            command.env("RUSTC", format!("{SYSTEM}/rustc"));
        }
        command
    }
}
