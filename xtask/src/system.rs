//! What the tests need beside Rust: emulators, compilers, Python, a data set.

use std::path::Path;

use crate::outcome::Outcome;
use crate::process::{capture, command, exists, run, stdout};
use crate::test::Scope;

/// Something to have, and the Debian package that brings it.
#[derive(Debug)]
struct Need {
    /// A file, or a program on the path.
    proof: &'static str,
    package: &'static str,
}

/// What one purpose needs.
#[derive(Debug)]
pub struct Kit {
    needs: &'static [Need],
    /// Targets of the pinned toolchain. `rust-toolchain.toml` names those that programs are built for;
    /// rustup installs them with the toolchain, but not into one that is already there.
    targets: &'static [&'static str],
}

/// Compilers for this machine.
const HOST: Kit = Kit {
    needs: &[Need { proof: "cc", package: "gcc" }, Need { proof: "c++", package: "g++" }],
    targets: &["wasm32-unknown-unknown"],
};

/// A GPU, or a processor that does the work of one.
const GPU: Kit =
    Kit { needs: &[Need { proof: "/usr/share/vulkan/icd.d", package: "mesa-vulkan-drivers" }], targets: &[] };

/// Firmware.
const FIRMWARE: Kit = Kit {
    needs: &[],
    targets: &[
        "thumbv6m-none-eabi",
        "thumbv7em-none-eabihf",
        "thumbv8m.main-none-eabihf",
        "riscv32imc-unknown-none-elf",
    ],
};

/// Microcontrollers in emulators.
const EMULATORS: Kit = Kit {
    needs: &[
        Need { proof: "qemu-system-arm", package: "qemu-system-arm" },
        Need { proof: "qemu-system-riscv32", package: "qemu-system-misc" },
    ],
    targets: &[],
};

/// Firmware in C.
const FIRMWARE_IN_C: Kit =
    Kit { needs: &[Need { proof: "arm-none-eabi-gcc", package: "gcc-arm-none-eabi" }], targets: &[] };

/// Programs in C that call the library of apps.
const MOBILE: Kit = Kit { needs: &[Need { proof: "valgrind", package: "valgrind" }], targets: &[] };

/// Linux on AArch64.
const AARCH64: Kit = Kit {
    needs: &[
        Need { proof: "qemu-aarch64", package: "qemu-user" },
        Need { proof: "aarch64-linux-gnu-gcc", package: "gcc-aarch64-linux-gnu" },
        Need { proof: "/usr/aarch64-linux-gnu/lib/libc.so", package: "libc6-dev-arm64-cross" },
    ],
    targets: &["aarch64-unknown-linux-gnu"],
};

/// Linux on 32-bit Arm.
const ARMV7: Kit = Kit {
    needs: &[
        Need { proof: "qemu-arm", package: "qemu-user" },
        Need { proof: "arm-linux-gnueabihf-gcc", package: "gcc-arm-linux-gnueabihf" },
        Need { proof: "/usr/arm-linux-gnueabihf/lib/libc.so", package: "libc6-dev-armhf-cross" },
    ],
    targets: &["armv7-unknown-linux-gnueabihf"],
};

/// WebAssembly, outside of a browser.
const WASM: Kit = Kit { needs: &[Need { proof: "node", package: "nodejs" }], targets: &["wasm32-wasip1"] };

/// Other systems with GPUs, for which the crate of the GPU is checked and not linked.
const SYSTEMS: Kit = Kit { needs: &[], targets: GPU_SYSTEMS };

/// Windows, macOS, iOS and Android.
pub const GPU_SYSTEMS: &[&str] =
    &["x86_64-pc-windows-msvc", "aarch64-apple-darwin", "aarch64-apple-ios", "aarch64-linux-android"];

/// Where all test images are.
pub const ALL_IMAGES: &str = "/usr/share/datasets/fashion-mnist";

/// All test images.
const DATA: Kit =
    Kit { needs: &[Need { proof: ALL_IMAGES, package: "dataset-fashion-mnist" }], targets: &[] };

/// The Python package, which is built for the Python that there is.
const PYTHON: Kit = Kit {
    needs: &[
        Need { proof: "python3", package: "python3" },
        Need { proof: "/usr/share/python-wheels", package: "python3-venv" },
    ],
    targets: &[],
};

/// Packages for phones: a JVM and what brings the Kotlin compiler, and the targets that every change is
/// checked for.
const PACKAGES: Kit = Kit {
    needs: &[
        Need { proof: "java", package: "default-jre-headless" },
        Need { proof: "npm", package: "npm" },
        Need { proof: "/usr/share/java/jna.jar", package: "libjna-java" },
    ],
    targets: &["aarch64-linux-android", "aarch64-apple-ios"],
};

/// Packages for phones, whole.
const MORE_PACKAGES: Kit =
    Kit { needs: &[], targets: &["x86_64-linux-android", "armv7-linux-androideabi", "x86_64-apple-darwin"] };

/// What images for boards need.
pub const FOR_FIRMWARE: &[Kit] = &[FIRMWARE];

/// What runs in emulators needs.
pub const FOR_EMULATORS: &[Kit] = &[FIRMWARE, EMULATORS];

/// What packages for phones need.
pub const FOR_PACKAGES: &[Kit] = &[PACKAGES, MORE_PACKAGES];

/// What the Python package needs.
pub const fn for_python(scope: Scope) -> &'static [Kit] {
    match scope {
        Scope::Change => &[HOST, GPU, PYTHON],
        Scope::Release => &[HOST, GPU, PYTHON, DATA],
    }
}

/// What `cargo xtask test` needs.
pub const FOR_A_CHANGE: &[Kit] =
    &[HOST, GPU, FIRMWARE, EMULATORS, FIRMWARE_IN_C, AARCH64, WASM, MOBILE, PACKAGES, PYTHON];

/// What `cargo xtask test --all` needs.
pub const FOR_A_RELEASE: &[Kit] = &[
    HOST,
    GPU,
    FIRMWARE,
    EMULATORS,
    FIRMWARE_IN_C,
    AARCH64,
    ARMV7,
    WASM,
    MOBILE,
    SYSTEMS,
    PACKAGES,
    MORE_PACKAGES,
    PYTHON,
    DATA,
];

impl Need {
    fn is_met(&self) -> bool {
        if self.proof.starts_with('/') { Path::new(self.proof).exists() } else { exists(self.proof) }
    }
}

/// Installs what is missing of `kits` where that can be done without a question.
pub fn prepare(kits: &[Kit]) -> Outcome {
    rust_targets(kits)?;
    let missing = missing(kits);
    if missing.is_empty() {
        return Ok(());
    }
    install(&packages(&missing)).map_err(|error| {
        let lacking: Vec<&str> = missing.iter().map(|need| need.proof).collect();
        format!("missing: {}. {error}", lacking.join(", "))
    })?;
    match self::missing(kits).first() {
        Some(need) => Err(format!("{} was installed, but {} is not there", need.package, need.proof)),
        None => Ok(()),
    }
}

fn missing(kits: &[Kit]) -> Vec<&'static Need> {
    kits.iter().flat_map(|kit| kit.needs).filter(|need| !need.is_met()).collect()
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

/// Installs Debian packages: with the package lists that are there, then with fresh ones.
pub fn install(packages: &[&str]) -> Outcome {
    let Some(apt) = apt() else {
        return Err(format!(
            "Install the packages (Debian names; this needs root, or sudo without a password): \
             apt-get install {}",
            packages.join(" "),
        ));
    };
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

fn rust_targets(kits: &[Kit]) -> Outcome {
    // Without rustup the compiler itself will say what it lacks.
    let Some(installed) = stdout(&mut command("rustup", &["target", "list", "--installed"])) else {
        return Ok(());
    };
    let targets = kits.iter().flat_map(|kit| kit.targets).copied();
    let missing: Vec<&str> = targets.filter(|t| !installed.lines().any(|line| line == *t)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    run(command("rustup", &["target", "add"]).args(missing))
}
