//! What the tests need beside Rust: emulators, cross compilers, a data set.

use std::path::Path;

use crate::Outcome;
use crate::process::{capture, command, exists, run, stdout};

/// Something to have, and the Debian package that brings it.
struct Need {
    /// A file, or a program on the path.
    proof: &'static str,
    package: &'static str,
}

const NEEDS: &[Need] = &[
    Need { proof: "cc", package: "gcc" },
    Need { proof: "c++", package: "g++" },
    Need { proof: "qemu-aarch64", package: "qemu-user" },
    Need { proof: "qemu-arm", package: "qemu-user" },
    Need { proof: "qemu-system-arm", package: "qemu-system-arm" },
    Need { proof: "qemu-system-riscv32", package: "qemu-system-misc" },
    Need { proof: "aarch64-linux-gnu-gcc", package: "gcc-aarch64-linux-gnu" },
    Need { proof: "arm-linux-gnueabihf-gcc", package: "gcc-arm-linux-gnueabihf" },
    Need { proof: "arm-none-eabi-gcc", package: "gcc-arm-none-eabi" },
    Need { proof: "/usr/aarch64-linux-gnu/lib/libc.so", package: "libc6-dev-arm64-cross" },
    Need { proof: "/usr/arm-linux-gnueabihf/lib/libc.so", package: "libc6-dev-armhf-cross" },
    Need { proof: "/usr/share/datasets/fashion-mnist", package: "dataset-fashion-mnist" },
];

/// Rust targets that `rust-toolchain.toml` names; rustup installs them with the
/// toolchain, but not into one that is already there.
const TARGETS: &[&str] = &[
    "thumbv6m-none-eabi",
    "thumbv7em-none-eabihf",
    "thumbv8m.main-none-eabihf",
    "riscv32imc-unknown-none-elf",
    "wasm32-unknown-unknown",
    "aarch64-unknown-linux-gnu",
    "armv7-unknown-linux-gnueabihf",
];

impl Need {
    fn is_met(&self) -> bool {
        if self.proof.starts_with('/') { Path::new(self.proof).exists() } else { exists(self.proof) }
    }
}

/// Installs what is missing where that can be done without a question.
pub fn prepare() -> Outcome {
    rust_targets()?;
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let Some(apt) = apt() else {
        return Err(format!(
            "missing: {}. Install the packages (Debian names; this needs root, or sudo without a password): \
             apt-get install {}",
            missing.iter().map(|need| need.proof).collect::<Vec<_>>().join(", "),
            packages(&missing).join(" "),
        ));
    };
    install(&apt, &packages(&missing))?;
    match self::missing().first() {
        Some(need) => Err(format!("{} was installed, but {} is not there", need.package, need.proof)),
        None => Ok(()),
    }
}

fn missing() -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| !need.is_met()).collect()
}

fn packages(needs: &[&'static Need]) -> Vec<&'static str> {
    let mut packages: Vec<_> = needs.iter().map(|need| need.package).collect();
    packages.dedup();
    packages
}

/// How to run apt-get as root, if at all.
fn apt() -> Option<Vec<&'static str>> {
    if !exists("apt-get") {
        return None;
    }
    if stdout(&mut command("id", &["-u"]))?.trim() == "0" {
        return Some(vec!["apt-get"]);
    }
    stdout(&mut command("sudo", &["-n", "true"])).map(|_| vec!["sudo", "-n", "apt-get"])
}

/// Installs Debian packages where that can be done without a question.
pub fn install_packages(packages: &[&str]) -> Outcome {
    let apt = apt().ok_or("apt-get is not there, or needs root and sudo asks for a password")?;
    install(&apt, packages)
}

/// Tries with the package lists that are there, then with fresh ones.
fn install(apt: &[&str], packages: &[&str]) -> Outcome {
    let apt = |args: &[&str]| {
        let (program, rest) = apt.split_first().expect("apt() names a program");
        let mut command = command(program, &[rest, args].concat());
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    let args = [&["install", "--yes", "--no-install-recommends"], packages].concat();
    println!("    installing {}", packages.join(" "));
    if capture(&mut apt(&args))?.0 {
        return Ok(());
    }
    run(&mut apt(&["update", "-qq"]))?;
    if capture(&mut apt(&args))?.0 {
        return Ok(());
    }
    // A newer qemu-utils from elsewhere keeps the emulators of this release out; nothing here needs it.
    run(&mut apt(&[&args[..], &["qemu-utils-"]].concat()))
}

fn rust_targets() -> Outcome {
    // Without rustup the compiler itself will say what it lacks.
    let Some(installed) = stdout(&mut command("rustup", &["target", "list", "--installed"])) else {
        return Ok(());
    };
    let missing: Vec<&str> =
        TARGETS.iter().copied().filter(|t| !installed.lines().any(|line| line == *t)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    run(command("rustup", &["target", "add"]).args(missing))
}
