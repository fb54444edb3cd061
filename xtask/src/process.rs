//! Running other programs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::outcome::Outcome;

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository").to_owned()
}

/// Where cargo puts what it builds.
pub fn target_dir() -> PathBuf {
    root().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// `program` with `args`, to be run in the repository's root.
pub fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).args(args);
    command
}

/// The pinned cargo with `args`.
pub fn cargo(args: &[&str]) -> Command {
    command("cargo", args)
}

/// The pinned cargo with `args`, for what is built once from nothing: without what makes the next
/// build faster and a debugger useful. The two kinds of build share what others bring, and keep
/// apart what is ours.
pub fn cargo_once(args: &[&str]) -> Command {
    let mut command = cargo(args);
    command.env("CARGO_INCREMENTAL", "0").env("CARGO_PROFILE_DEV_DEBUG", "0");
    command
}

/// The nightly cargo with `args`, for the tools that exist only there.
pub fn nightly(args: &[&str]) -> Command {
    let mut command = command("rustup", &["run", "nightly", "cargo"]);
    // Cargo tells its children which cargo they run under; tools believe it.
    command.args(args).env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
    command
}

/// The workspace without the crates whose dependencies take long to build and serve one test: tract
/// and the decoder of defmt; and without the generator of sources for apps, which only packages need.
/// They are tested before a release.
pub const MOST: &[&str] = &[
    "--workspace",
    "--exclude",
    "shiftformer-oracle",
    "--exclude",
    "shiftformer-log-tests",
    "--exclude",
    "shiftformer-mobile-bindgen",
];

/// Leaves out writing through debug probes, whose library takes long to build. `cargo xtask check`
/// reads the feature `flash`, and a release tests it.
pub const NO_PROBES: &str = "--no-default-features";

/// The features with which [`MOST`] is read and tested: all but `flash`.
pub const TESTED: &[&str] = &[NO_PROBES, "--features", "shiftformer-cli/gpu,shiftformer-python/gpu"];

/// Runs the example `name` of the tests' crate with `args`. It is built with the features that the
/// whole workspace has, so that nothing is built a second time.
pub fn example(name: &str, args: &[&str]) -> Outcome {
    let example = ["build", "--quiet", "--example", name];
    run(&mut cargo_once(&[&example[..], MOST, TESTED].concat()))?;
    let program = target_dir().join("debug/examples").join(name);
    run(&mut command(&program.display().to_string(), args))
}

/// Runs to the end with its output on ours; an error names the command.
pub fn run(command: &mut Command) -> Outcome {
    let line = line(command);
    eprintln!("    $ {line}");
    let status = command.status().map_err(|error| format!("`{line}` could not start: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{line}`: {status}")) }
}

/// Runs to the end and returns whether it succeeded, with what it wrote to stderr.
pub fn capture(command: &mut Command) -> Result<(bool, String), String> {
    let line = line(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{line}` could not start: {error}"))?;
    Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// What it wrote to stdout, or nothing where it could not run.
pub fn stdout(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether `program` is on the path.
pub fn exists(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

fn line(command: &Command) -> String {
    let variables = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}='{}' ", name.display(), value?.display())));
    let mut line: String = variables.collect();
    line.push_str(&command.get_program().to_string_lossy());
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}
