//! The library as C sees it: programs of `targets/mobile/tests`, compiled and run here, under
//! valgrind, with sanitizers, and on AArch64 in QEMU's user mode.

use std::fs;
use std::path::{Path, PathBuf};

use crate::outcome::Outcome;
use crate::process::{self, cargo_once, command, target_dir};
use crate::test::Scope;

/// The crate, and what the compiler calls its library.
pub const CRATE: &str = "shiftformer-mobile";
const LIBRARY: &str = "shiftformer_mobile";

/// Flags of every compiler.
const FLAGS: &[&str] = &[
    "-std=c11",
    "-D_POSIX_C_SOURCE=200809L",
    "-g",
    "-O1",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-pedantic",
    "-Itargets/mobile/include",
];

/// A way to compile and run programs that call the library.
pub struct Place<'p> {
    /// Its name in paths.
    pub name: &'p str,
    /// The compiler, and flags of its own.
    pub compiler: &'p [&'p str],
    /// What runs a program, if it does not run by itself.
    pub runner: &'p [&'p str],
}

const HERE: Place<'static> = Place { name: "here", compiler: &["cc"], runner: &[] };

const VALGRIND: Place<'static> = Place {
    name: "valgrind",
    compiler: &["cc"],
    runner: &[
        "valgrind",
        "--quiet",
        "--error-exitcode=9",
        "--leak-check=full",
        "--suppressions=targets/mobile/tests/valgrind.supp",
        "--fair-sched=yes",
    ],
};

/// Undefined behaviour ends the program as bad addresses do.
const SANITIZED: Place<'static> = Place {
    name: "sanitized",
    compiler: &["cc", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    runner: &[],
};

const AARCH64: &str = "aarch64-unknown-linux-gnu";

const ON_AARCH64: Place<'static> = Place {
    name: AARCH64,
    compiler: &["aarch64-linux-gnu-gcc"],
    runner: &["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"],
};

/// Calls the library from C in every place.
pub fn run(scope: Scope) -> Outcome {
    let folder = inputs("1000")?;
    let folder = folder.display().to_string();
    let library = library(None)?;
    HERE.run("logits", &library, &[&folder])?;
    HERE.run("refusals", &library, &[&folder])?;
    HERE.run("threads", &library, &[&folder, "5"])?;
    classify(&library, &folder)?;
    VALGRIND.run("logits", &library, &[&folder, "20"])?;
    VALGRIND.run("refusals", &library, &[&folder])?;
    VALGRIND.run("threads", &library, &[&folder, "5"])?;
    SANITIZED.run("logits", &library, &[&folder, "100"])?;
    SANITIZED.run("refusals", &library, &[&folder])?;
    SANITIZED.run("threads", &library, &[&folder, "5"])?;
    let images = match scope {
        Scope::Change => "100",
        Scope::Release => "1000",
    };
    let library = self::library(Some(AARCH64))?;
    ON_AARCH64.run("refusals", &library, &[&folder])?;
    ON_AARCH64.run("logits", &library, &[&folder, images])
}

/// The folder with what programs in other languages are compared with, of the first `images` images.
pub fn inputs(images: &str) -> Result<PathBuf, String> {
    let folder = target_dir().join("mobile").join("inputs");
    process::example("apps", &[&folder.display().to_string(), images])?;
    Ok(folder)
}

/// The folder of the library for this machine, or for `target`: the processor alone, with overflow
/// checks.
fn library(target: Option<&str>) -> Result<PathBuf, String> {
    let build = ["build", "--quiet", "--package", CRATE];
    match target {
        None => {
            process::run(&mut cargo_once(&build))?;
            Ok(target_dir().join("debug"))
        }
        Some(target) => {
            process::run(&mut cargo_once(&[&build[..], &["--target", target]].concat()))?;
            Ok(target_dir().join(target).join("debug"))
        }
    }
}

/// The example of the documentation, on a bundled picture.
fn classify(library: &Path, folder: &str) -> Outcome {
    let program = HERE.compile("targets/mobile/examples/c/classify.c", library)?;
    let picture = Path::new(folder).join("first.pgm");
    let frames = Path::new(folder).join("frames.bin");
    let mut image = b"P5 28 28 255\n".to_vec();
    let frames = fs::read(&frames).map_err(|error| format!("cannot read {}: {error}", frames.display()))?;
    image.extend(frames.iter().take(28 * 28));
    fs::write(&picture, image).map_err(|error| format!("cannot write {}: {error}", picture.display()))?;
    let (model, picture) = (format!("{folder}/ivit.shf"), picture.display().to_string());
    let shown = process::stdout(&mut command(&program, &[&model, &picture])).ok_or("classify failed")?;
    if shown.lines().next().is_some_and(|line| line.ends_with("Ankle boot")) {
        Ok(())
    } else {
        Err(format!("classify says of an ankle boot:\n{shown}"))
    }
}

impl Place<'_> {
    /// Compiles the test `program` against the library in the folder `library`, and runs it.
    pub fn run(&self, program: &str, library: &Path, args: &[&str]) -> Outcome {
        let program = self.compile(&format!("targets/mobile/tests/{program}.c"), library)?;
        let words = [self.runner, &[&*program], args].concat();
        let (first, rest) = words.split_first().expect("a program");
        // Cargo says there where it built libraries, which would come before the one that was linked.
        process::run(command(first, rest).env_remove("LD_LIBRARY_PATH"))
    }

    /// The path of what the compiler makes of `source`.
    fn compile(&self, source: &str, library: &Path) -> Result<String, String> {
        let made = target_dir().join("mobile").join(self.name);
        fs::create_dir_all(&made).map_err(|error| format!("cannot make {}: {error}", made.display()))?;
        let name = Path::new(source).file_stem().expect("a source has a name");
        let program = made.join(name).display().to_string();
        let [search, load] = ["-L", "-Wl,-rpath,"].map(|flag| format!("{flag}{}", library.display()));
        let link = [source, "-o", &program, &search, &load, &format!("-l{LIBRARY}"), "-lpthread"];
        let words = [self.compiler, FLAGS, &link].concat();
        let (first, rest) = words.split_first().expect("a compiler has a name");
        process::run(&mut command(first, rest))?;
        Ok(program)
    }
}
