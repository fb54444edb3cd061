//! The library and the program with ten threads under ThreadSanitizer, all of it instrumented, the
//! standard library among it, which is built for it.

use crate::outcome::Outcome;
use crate::process::{self, cargo_once, command, target_dir};

use super::c::{CRATE, Place, inputs};

const TARGET: &str = "x86_64-unknown-linux-gnu";

const PLACE: Place = Place { name: "instrumented", compiler: &["cc", "-fsanitize=thread"], runner: &[] };

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
    PLACE.run("threads", &made.join(TARGET).join("debug"), &[&folder, &seconds.to_string()])
}
