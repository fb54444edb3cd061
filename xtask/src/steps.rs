//! The steps of `cargo xtask test`.

use crate::outcome::Outcome;
use crate::process::{self, MOST, NO_PROBES, TESTED, cargo, cargo_once, target_dir};
use crate::test::{Scope, Step};
use crate::{boards, changelog, fuzz, header, link, mcu, mobile, msrv, python, sanitized, shaders, system};

/// In the order in which they run: what fails soonest comes first.
pub const STEPS: &[Step] = &[
    Step {
        name: "prepare",
        what: "emulators, compilers, Rust targets",
        release_only: false,
        run: |scope| system::prepare(scope.kits()),
    },
    Step {
        name: "format",
        what: "rustfmt, every workspace; names of changelog fragments",
        release_only: false,
        run: |_| format(),
    },
    Step { name: "clippy", what: "no warnings, every workspace", release_only: false, run: clippy },
    Step { name: "unit", what: "all tests, overflow checks on", release_only: false, run: unit },
    Step {
        name: "emulated",
        what: "firmware in emulators; whole data sets with --all",
        release_only: false,
        run: emulated,
    },
    Step {
        name: "bare",
        what: "bare links without panic, float or allocator; sizes; wasm builds",
        release_only: false,
        run: |_| bare(),
    },
    Step {
        name: "header",
        what: "the C headers are those of their crates, in C99 and C++11",
        release_only: false,
        run: |_| header::check(),
    },
    Step {
        name: "boards",
        what: "images lie where the descriptions of the boards say; nothing of ours in them can panic",
        release_only: false,
        run: images,
    },
    Step {
        name: "mcu",
        what: "generated programs and the models on emulated microcontrollers",
        release_only: false,
        run: mcu::exact,
    },
    Step {
        name: "cross",
        what: "the same results on three AArch64 processors and on WebAssembly; 32-bit Arm with --all; the GPU's crate",
        release_only: false,
        run: cross,
    },
    Step {
        name: "mobile",
        what: "the library of apps called from C: under valgrind, with sanitizers, and on AArch64",
        release_only: false,
        run: mobile::c::run,
    },
    Step {
        name: "package",
        what: "packages for Android and Apple's systems are whole; the Kotlin classes on a JVM",
        release_only: false,
        run: mobile::package::check,
    },
    Step {
        name: "python",
        what: "the Python package: its types and tests; its wheel, all images and Ray Data with --all",
        release_only: false,
        run: python::step,
    },
    Step { name: "doc", what: "documentation without warnings", release_only: false, run: doc },
    Step {
        name: "msrv",
        what: "the crates that applications embed build with the oldest Rust that they promise",
        release_only: true,
        run: |_| msrv::run(),
    },
    Step {
        name: "sanitized",
        what: "threads under ThreadSanitizer: of apps, and those that share the work of a kernel",
        release_only: true,
        run: |_| sanitized::run(THREAD_SECONDS),
    },
    Step {
        name: "shaders",
        what: "the shaders in SPIR-V are what their sources compile to",
        release_only: true,
        run: |_| shaders::run(true),
    },
    Step {
        name: "fuzz",
        what: "every fuzz target for a short while",
        release_only: true,
        run: |_| fuzz::run(FUZZ_SECONDS),
    },
];

/// The variable that says how many cases proptest generates for each property.
pub const CASES: &str = "PROPTEST_CASES";

/// Seconds of each fuzz target in the tests of a release.
const FUZZ_SECONDS: u32 = 30;

/// Seconds of apps' threads under ThreadSanitizer in the tests of a release.
const THREAD_SECONDS: u32 = 30;

/// Compiles for WebAssembly with vectors.
const SIMD128: &str = "-Ctarget-feature=+simd128";

const MANIFESTS: &[&str] = &["Cargo.toml", "firmware/Cargo.toml", "fuzz/Cargo.toml"];

/// The format of every workspace.
pub fn format() -> Outcome {
    for manifest in MANIFESTS {
        process::run(&mut cargo(&["fmt", "--all", "--check", "--manifest-path", manifest]))
            .map_err(|error| format!("{error}; `cargo fmt --all --manifest-path {manifest}` repairs it"))?;
    }
    changelog::check()
}

/// What is built of the workspace in `scope`.
fn packages(scope: Scope) -> &'static [&'static str] {
    match scope {
        Scope::Change => MOST,
        Scope::Release => &["--workspace"],
    }
}

/// What is read and tested of it.
fn tested(scope: Scope) -> Vec<&'static str> {
    match scope {
        Scope::Change => [packages(scope), TESTED].concat(),
        Scope::Release => packages(scope).to_vec(),
    }
}

/// Flags of clippy.
const DENY: &[&str] = &["--all-targets", "--", "-D", "warnings"];

fn clippy(scope: Scope) -> Outcome {
    process::run(&mut cargo_once(&[&["clippy"], &*tested(scope), DENY].concat()))?;
    clippy_firmware(scope)?;
    match scope {
        Scope::Change => Ok(()),
        Scope::Release => {
            // The features that the workspace as a whole does not turn on, or off.
            let cli = ["clippy", "--package", "shiftformer-cli"];
            for features in [&["--features", "defmt"][..], &[NO_PROBES]] {
                process::run(&mut cargo_once(&[&cli[..], features, DENY].concat()))?;
            }
            clippy_fuzz()
        }
    }
}

/// Clippy on the main workspace.
pub fn clippy_workspace() -> Outcome {
    process::run(&mut cargo(&[&["clippy"], MOST, DENY].concat()))
}

/// Crates that clippy reads for a target.
struct Read {
    target: &'static str,
    boards: &'static [&'static str],
    /// What is read before a release only; then boards are read with a log, too.
    more_boards: &'static [&'static str],
    others: &'static [&'static str],
}

/// What all boards share.
const SHARED: &[&str] = &["link-check", "shiftformer-app", "shiftformer-c"];

const READ: &[Read] = &[
    Read {
        target: "thumbv7em-none-eabihf",
        boards: &["mps2-an386"],
        more_boards: &["mps2-an500", "nrf52840-dk"],
        others: &[],
    },
    Read { target: "thumbv8m.main-none-eabihf", boards: &["mps3-an547"], more_boards: &[], others: &[] },
    Read { target: "riscv32imc-unknown-none-elf", boards: &["riscv-virt"], more_boards: &[], others: SHARED },
    Read { target: "thumbv6m-none-eabi", boards: &[], more_boards: &["virtual-m0", "pico"], others: SHARED },
];

/// Clippy on the firmware: what all boards share on one target, with a log and without.
pub fn clippy_firmware(scope: Scope) -> Outcome {
    const LOG: &[&str] = &["--features", "defmt"];
    read("thumbv7em-none-eabihf", SHARED, &[])?;
    read("thumbv7em-none-eabihf", &["mps2-an386"], LOG)?;
    for each in READ {
        match scope {
            Scope::Change => read(each.target, each.boards, &[])?,
            Scope::Release => {
                let boards = [each.boards, each.more_boards].concat();
                read(each.target, &[&boards[..], each.others].concat(), &[])?;
                read(each.target, &boards, LOG)?;
            }
        }
    }
    Ok(())
}

/// Clippy on `packages` of the firmware, if there are any.
fn read(target: &str, packages: &[&str], features: &[&str]) -> Outcome {
    if packages.is_empty() {
        return Ok(());
    }
    let place = link::target_dir();
    let chosen: Vec<&str> = packages.iter().flat_map(|package| ["--package", *package]).collect();
    let clippy = ["clippy", "--release", "--manifest-path", "firmware/Cargo.toml", "--target-dir", &place];
    let what = [&clippy[..], &["--target", target], &chosen, features, &["--", "-D", "warnings"]];
    process::run(&mut cargo(&what.concat()))
}

/// Clippy on the fuzz targets.
pub fn clippy_fuzz() -> Outcome {
    let place = target_dir().join("fuzz").display().to_string();
    let fuzz = ["clippy", "--manifest-path", "fuzz/Cargo.toml", "--target-dir", &place];
    process::run(&mut cargo(&[&fuzz[..], &["--", "-D", "warnings"]].concat()))
}

fn unit(scope: Scope) -> Outcome {
    process::run(
        cargo_once(&[&["test", "--no-fail-fast"], &*tested(scope)].concat()).env(CASES, scope.cases()),
    )?;
    firmware_app_tests()
}

/// The application's own tests, which run on this machine.
pub fn firmware_app_tests() -> Outcome {
    let place = link::target_dir();
    let app = ["test", "--manifest-path", "firmware/Cargo.toml", "--package", "shiftformer-app"];
    process::run(&mut cargo(&[&app[..], &["--target-dir", &place]].concat()))
}

/// The tests that are ignored unless asked for, in the binaries that the step `unit` has built.
fn emulated(scope: Scope) -> Outcome {
    let chosen: &[&str] = match scope {
        Scope::Change => &["emulated::", "--skip", "full::"],
        Scope::Release => &["emulated::", "full::"],
    };
    let test = [&["test"], &*tested(scope), &["--tests", "--", "--ignored"], chosen];
    process::run(&mut cargo_once(&test.concat()))
}

fn bare() -> Outcome {
    let packages = ["shiftformer-quant", "shiftformer-runtime", "shiftformer-link", "shiftformer-cpu"];
    let packages = packages.map(|package| ["--package", package]).concat();
    process::run(&mut cargo(&[&["check", "--target", "wasm32-unknown-unknown"][..], &packages].concat()))?;
    link::run()
}

/// Of a change, one with a HAL and those that the step `emulated` has built.
fn images(scope: Scope) -> Outcome {
    match scope {
        Scope::Change => boards::run(&["nrf52840-dk", "mps2-an386", "mps3-an547", "riscv-virt"]),
        Scope::Release => boards::run(&[]),
    }
}

/// An architecture that the same cases run on, in QEMU's user mode.
struct Elsewhere {
    target: &'static str,
    /// Processors, which have ever more instructions, and the fastest kernel set of each.
    processors: &'static [(&'static str, &'static str)],
}

const AARCH64: Elsewhere = Elsewhere {
    target: "aarch64-unknown-linux-gnu",
    processors: &[("cortex-a53", "neon"), ("cortex-a76", "dotprod"), ("max", "i8mm")],
};
const ARMV7: Elsewhere =
    Elsewhere { target: "armv7-unknown-linux-gnueabihf", processors: &[("max", "portable")] };

/// Architectures, test images, and generated programs of each op.
fn cross(scope: Scope) -> Outcome {
    let (architectures, images, programs): (&[Elsewhere], _, _) = match scope {
        Scope::Change => (&[AARCH64], "10", "8"),
        Scope::Release => (&[AARCH64, ARMV7], "50", "64"),
    };
    let folders = ["cases", "conversions"].map(|name| target_dir().join("elsewhere").join(name));
    let [cases, conversions] = folders.map(|folder| folder.display().to_string());
    process::example("elsewhere", &[&cases, images, programs, &conversions])?;
    for Elsewhere { target, processors } in architectures {
        let run = |package: &str, args: &[&str], processor: &str| {
            let package = format!("shiftformer-test-{package}");
            let run = ["run", "--package", &package, "--target", target, "--"];
            process::run(cargo_once(&[&run[..], args].concat()).env("QEMU_CPU", processor))
        };
        for (number, (processor, fastest)) in processors.iter().enumerate() {
            // The code of a set is the same wherever it runs: a change is tested with each once.
            let alone: &[&str] = if number > 0 && scope == Scope::Change { &["alone"] } else { &[] };
            run("run", &[&[&cases, *fastest], alone].concat(), processor)?;
        }
        run("convert", &[&conversions], "max")?;
    }
    on_wasm(&cases)?;
    gpu_elsewhere(scope)
}

/// The cases in a folder on WebAssembly in node, without vectors and with them: the kernels for them
/// are compiled without a warning.
fn on_wasm(cases: &str) -> Outcome {
    const TARGET: [&str; 2] = ["--target", "wasm32-wasip1"];
    let with = |flags, args: &[&[&str]]| {
        process::run(cargo_once(&args.concat()).env("CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS", flags))
    };
    let run = ["run", "--package", "shiftformer-test-run"];
    with("", &[&run, &TARGET, &["--", cases, "portable"]])?;
    with(SIMD128, &[&run, &TARGET, &["--", cases, "simd128"]])?;
    with(SIMD128, &[&["clippy", "--package", "shiftformer-cpu"], &TARGET, &["--", "-D", "warnings"]])
}

/// The crate of the GPU compiles without a warning for a web page, and before a release for the other
/// systems that wgpu runs on. Clippy has read it for this one: what it says of threads is not true of
/// a page.
fn gpu_elsewhere(scope: Scope) -> Outcome {
    const WARNINGS: &[&str] = &["--", "-A", "clippy::all", "-D", "warnings"];
    let systems = match scope {
        Scope::Change => &[],
        Scope::Release => system::GPU_SYSTEMS,
    };
    for target in [&["wasm32-unknown-unknown"], systems].concat() {
        let clippy = ["clippy", "--package", "shiftformer-gpu", "--target", target];
        process::run(&mut cargo_once(&[&clippy[..], WARNINGS].concat()))?;
    }
    Ok(())
}

fn doc(scope: Scope) -> Outcome {
    // The library and the binary are both called `shiftformer`: only libraries have pages.
    let doc = [&["doc", "--no-deps", "--lib"], packages(scope)];
    process::run(cargo_once(&doc.concat()).env("RUSTDOCFLAGS", "-D warnings"))
}
