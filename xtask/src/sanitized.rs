//! Threads under ThreadSanitizer. All of it is instrumented, the standard library among it, which is
//! built for it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::mobile::c;
use crate::outcome::Outcome;
use crate::process::{self, cargo_once, command, stdout, target_dir};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Generated programs of each op, and images.
const PROGRAMS: &str = "2";
const IMAGES: &str = "3";

/// Ten threads that call the library for apps, for `seconds` seconds; and generated programs on threads
/// that share the work of each kernel.
pub fn run(seconds: u32) -> Outcome {
    process::run(&mut command("rustup", &["component", "add", "rust-src"]))?;
    called_from_c(seconds)?;
    let folders = ["cases", "conversions"].map(|name| target_dir().join("instrumented").join(name));
    let [cases, conversions] = folders.map(|folder| folder.display().to_string());
    process::example("elsewhere", &[&cases, IMAGES, PROGRAMS, &conversions])?;
    let program = build("shiftformer-test-run", &["--features", "threads"])?.join("shiftformer-test-run");
    process::run(&mut command(&program.display().to_string(), &[&cases]))
}

fn called_from_c(seconds: u32) -> Outcome {
    let folder = c::inputs("1000")?.display().to_string();
    let made = build(c::CRATE, &[])?;
    // The program brings the runtime that the compiler is made for, and the library finds it there.
    let runtime = runtime()?;
    let whole = ["-rdynamic", "-Wl,--whole-archive", &runtime, "-Wl,--no-whole-archive"];
    let compiler = [&["cc"], &whole[..], &["-lm", "-ldl", "-lrt"]].concat();
    let place = c::Place { name: "instrumented", compiler: &compiler, runner: &[] };
    place.run("threads", &made, &[&folder, &seconds.to_string()])
}

/// Builds `package`, instrumented; returns the folder with what was built.
fn build(package: &str, features: &[&str]) -> Result<PathBuf, String> {
    let made = target_dir().join("instrumented");
    let build = ["build", "--quiet", "--package", package, "--target", TARGET];
    let mut build = cargo_once(&[&build[..], features].concat());
    build.arg("--target-dir").arg(&made).args(["-Zbuild-std=std,panic_unwind"]);
    // The pinned compiler knows the sanitizer as nightly ones do, and hides it from those who do not ask.
    process::run(build.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=thread"))?;
    Ok(made.join(TARGET).join("debug"))
}

/// The sanitizer's runtime, in the compiler's own folder.
fn runtime() -> Result<String, String> {
    let print = ["--print", "target-libdir", "--target", TARGET];
    let folder = stdout(&mut command("rustc", &print)).ok_or("rustc does not start")?;
    let folder = Path::new(folder.trim());
    let mut files = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let found = files.find_map(|file| {
        let path = file.ok()?.path().display().to_string();
        path.ends_with("_rt.tsan.a").then_some(path)
    });
    found.ok_or_else(|| format!("{} has no runtime of ThreadSanitizer", folder.display()))
}
