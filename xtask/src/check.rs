//! `cargo xtask check`: the inner loop. Everything is built with the features that the whole
//! workspace has, so that nothing is built twice; the tests of untouched crates are not run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::outcome::Outcome;
use crate::process::{self, MOST, TESTED, cargo, command, root, stdout};
use crate::record::{Record, git};
use crate::steps;
use crate::test::Scope;

/// What `cargo metadata` says of a workspace.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    /// Where it lies, if it is not from a registry.
    path: Option<PathBuf>,
}

/// A line of `cargo test --no-run --message-format=json`.
#[derive(Deserialize)]
struct Message {
    manifest_path: Option<PathBuf>,
    executable: Option<PathBuf>,
    profile: Option<Profile>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// A program with tests, and the folder that it runs in.
struct TestProgram {
    path: PathBuf,
    folder: PathBuf,
}

/// What has to be checked.
struct Affected {
    /// Names of packages of the main workspace.
    packages: BTreeSet<String>,
    firmware: bool,
    fuzz: bool,
}

/// The manifests of the main workspace and of the firmware's.
const MANIFEST: &str = "Cargo.toml";
const FIRMWARE: &str = "firmware/Cargo.toml";

/// Folders of other workspaces.
const ELSEWHERE: &[&str] = &["firmware/", "fuzz/"];

/// Packages whose tests read pages and bundled files.
const READERS: &[&str] = &["shiftformer-cli", "shiftformer-tests"];

/// Checks what differs from `since`, or from the last commit that passed the tests.
pub fn run(since: Option<&str>) -> Outcome {
    let base = base(since)?;
    let changed = changed(&base)?;
    let workspace = metadata(MANIFEST)?;
    let affected = affected(&workspace, &metadata(FIRMWARE)?, &changed);
    match changed.len() {
        1 => println!("1 file differs from {base}"),
        count => println!("{count} files differ from {base}"),
    }
    println!("to be tested: {}", Vec::from_iter(affected.packages.iter().cloned()).join(", "));
    steps::format()?;
    if !affected.packages.is_empty() {
        steps::clippy_workspace()?;
        for program in programs(&workspace, &affected.packages)? {
            let mut test = command(&program.path.display().to_string(), &["--quiet"]);
            test.current_dir(&program.folder).env("CARGO_MANIFEST_DIR", &program.folder);
            process::run(test.env(steps::CASES, Scope::Change.cases()))?;
        }
    }
    if affected.firmware {
        steps::clippy_firmware(Scope::Change)?;
        steps::firmware_app_tests()?;
    }
    if affected.fuzz { steps::clippy_fuzz() } else { Ok(()) }
}

/// The commit to compare with.
fn base(since: Option<&str>) -> Result<String, String> {
    if let Some(since) = since {
        return git(&["rev-parse", "--short", since])
            .map(|commit| commit.trim().to_owned())
            .ok_or_else(|| format!("`{since}` is no commit"));
    }
    let tested = Record::last().filter(|record| record.passed && !record.dirty);
    let tested = tested.filter(|record| is_ancestor(&record.commit));
    Ok(tested.map_or_else(|| "HEAD".to_owned(), |record| record.commit))
}

fn is_ancestor(commit: &str) -> bool {
    git(&["merge-base", "--is-ancestor", commit, "HEAD"]).is_some()
}

/// Paths within the repository of files that differ from `base`, or are not in git.
fn changed(base: &str) -> Result<Vec<String>, String> {
    let differ = git(&["diff", "--name-only", "--no-renames", base]);
    let new = git(&["ls-files", "--others", "--exclude-standard"]);
    let (differ, new) = differ.zip(new).ok_or("this needs git and a clone of the repository")?;
    Ok(differ.lines().chain(new.lines()).map(str::to_owned).collect())
}

/// The packages of the workspace whose manifest is `manifest`.
fn metadata(manifest: &str) -> Result<Metadata, String> {
    let metadata = ["metadata", "--no-deps", "--format-version=1", "--locked", "--manifest-path", manifest];
    let text = stdout(&mut cargo(&metadata));
    let text = text.ok_or_else(|| format!("`cargo {}` fails", metadata.join(" ")))?;
    serde_json::from_str(&text).map_err(|error| format!("`cargo metadata` of {manifest}: {error}"))
}

impl Metadata {
    /// Whether one of the packages depends on one that lies in `folders`.
    fn depend_on(&self, folders: &BTreeSet<&Path>) -> bool {
        self.packages.iter().any(|package| package.depends_on(folders))
    }
}

impl Package {
    fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(Path::new("/"))
    }

    /// Whether it depends on a package that lies in one of `folders`.
    fn depends_on(&self, folders: &BTreeSet<&Path>) -> bool {
        let mut paths = self.dependencies.iter().filter_map(|dependency| dependency.path.as_deref());
        paths.any(|path| folders.contains(path))
    }
}

/// The packages that `changed` files belong to, and those that depend on them.
fn affected(workspace: &Metadata, firmware: &Metadata, changed: &[String]) -> Affected {
    let packages = &workspace.packages;
    let within = |folder: &str| changed.iter().any(|file| file.starts_with(folder));
    let readers = packages.iter().filter(|package| READERS.contains(&&*package.name)).map(Package::folder);
    let mut touched: BTreeSet<&Path> = BTreeSet::new();
    for file in changed {
        let path = root().join(file);
        let owners = packages.iter().map(Package::folder).filter(|folder| path.starts_with(folder));
        match owners.max_by_key(|folder| folder.components().count()) {
            Some(owner) => _ = touched.insert(owner),
            None if ELSEWHERE.iter().any(|folder| file.starts_with(folder)) => {}
            None if file.ends_with(".md") || file.starts_with("data/") => {
                touched.extend(readers.clone());
            }
            // A manifest or a toolchain.
            None => touched.extend(packages.iter().map(Package::folder)),
        }
    }
    loop {
        let more = packages.iter().filter(|package| package.depends_on(&touched));
        let more: Vec<&Path> = more.map(Package::folder).collect();
        let before = touched.len();
        touched.extend(more);
        if touched.len() == before {
            break;
        }
    }
    let packages = packages.iter().filter(|package| touched.contains(package.folder()));
    let packages: BTreeSet<String> = packages.map(|package| package.name.clone()).collect();
    let firmware = within("firmware/") || firmware.depend_on(&touched);
    Affected { packages, firmware, fuzz: within("fuzz/") }
}

/// Builds the tests of the workspace and returns the programs of `packages`.
fn programs(workspace: &Metadata, packages: &BTreeSet<String>) -> Result<Vec<TestProgram>, String> {
    let format = ["--tests", "--no-run", "--message-format=json-render-diagnostics"];
    let build = [&["test"], MOST, TESTED, &format].concat();
    eprintln!("    $ cargo {}", build.join(" "));
    let output = cargo(&build).stderr(std::process::Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cargo could not start: {error}"))?;
    if !output.status.success() {
        return Err("the tests do not build".into());
    }
    let mut programs = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(message) = serde_json::from_str::<Message>(line) else { continue };
        let tests = message.profile.is_some_and(|profile| profile.test);
        let (Some(manifest), Some(path), true) = (message.manifest_path, message.executable, tests) else {
            continue;
        };
        let package = workspace.packages.iter().find(|package| package.manifest_path == manifest);
        if let Some(package) = package.filter(|package| packages.contains(&package.name)) {
            programs.push(TestProgram { path, folder: package.folder().to_owned() });
        }
    }
    Ok(programs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tested(changed: &[&str]) -> Affected {
        let changed: Vec<String> = changed.iter().map(|file| (*file).to_owned()).collect();
        affected(&metadata(MANIFEST).unwrap(), &metadata(FIRMWARE).unwrap(), &changed)
    }

    #[test]
    fn what_depends_on_a_change_is_tested_and_nothing_else() {
        let wire = tested(&["wire/src/lib.rs"]);
        for name in ["shiftformer-wire", "shiftformer-runtime", "shiftformer-cli", "shiftformer-tests"] {
            assert!(wire.packages.contains(name), "{name}");
        }
        assert!(wire.firmware && !wire.fuzz && !wire.packages.contains("shiftformer-quant"));

        let cli = tested(&["cli/src/main.rs", "fuzz/src/lib.rs"]);
        assert_eq!(Vec::from_iter(cli.packages), ["shiftformer-cli"]);
        assert!(cli.fuzz && !cli.firmware);

        let firmware = tested(&["firmware/app/src/lib.rs"]);
        assert!(firmware.packages.is_empty() && firmware.firmware);
    }

    #[test]
    fn firmware_is_checked_after_a_change_of_what_it_depends_on() {
        for folder in ["boards", "link", "quant", "runtime", "targets/mcu", "wire"] {
            assert!(tested(&[&format!("{folder}/src/lib.rs")]).firmware, "{folder}");
        }
        for folder in ["converter", "targets/cpu", "xtask"] {
            assert!(!tested(&[&format!("{folder}/src/lib.rs")]).firmware, "{folder}");
        }
    }

    #[test]
    fn nested_packages_own_their_files_and_shared_files_concern_all() {
        let log = tested(&["tests/log/src/lib.rs"]);
        assert_eq!(Vec::from_iter(log.packages), ["shiftformer-log-tests"]);
        let all = metadata(MANIFEST).unwrap().packages;
        assert_eq!(tested(&["Cargo.lock"]).packages.len(), all.len());
        assert!(tested(&[]).packages.is_empty());
    }
}
