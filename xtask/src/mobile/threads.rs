//! The library with ten threads under ThreadSanitizer, all of it instrumented, the standard library
//! among it, which is built for it.

use std::fs;
use std::path::Path;

use crate::outcome::Outcome;
use crate::process::{self, cargo_once, command, stdout, target_dir};

use super::c::{CRATE, Place, inputs};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Runs the program for `seconds` seconds.
pub fn run(seconds: u32) -> Outcome {
    let folder = inputs("1000")?.display().to_string();
    process::run(&mut command("rustup", &["component", "add", "rust-src"]))?;
    let made = target_dir().join("mobile").join("instrumented");
    let mut build = cargo_once(&["build", "--quiet", "--package", CRATE, "--target", TARGET]);
    build.arg("--target-dir").arg(&made).args(["-Zbuild-std=std,panic_unwind"]);
    // The pinned compiler knows the sanitizer as nightly ones do, and hides it from those who do not ask.
    build.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=thread");
    process::run(&mut build)?;
    // The program brings the runtime that the compiler is made for, and the library finds it there.
    let runtime = runtime()?;
    let whole = ["-rdynamic", "-Wl,--whole-archive", &runtime, "-Wl,--no-whole-archive"];
    let compiler = [&["cc"], &whole[..], &["-lm", "-ldl", "-lrt"]].concat();
    let place = Place { name: "instrumented", compiler: &compiler, runner: &[] };
    place.run("threads", &made.join(TARGET).join("debug"), &[&folder, &seconds.to_string()])
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
