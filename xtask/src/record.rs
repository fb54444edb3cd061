//! What the last run of the tests found: `target/last-test.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;
use crate::process::{command, stdout, target_dir};
use crate::test::clock;

/// A run of the tests.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    /// The commit that was checked out; empty outside a repository.
    pub commit: String,
    /// Whether files differed from that commit, or were not in it.
    pub dirty: bool,
    /// Whether what a release needs was run as well.
    pub all: bool,
    /// Seconds of each step that was run.
    pub steps: BTreeMap<String, f64>,
    /// Whether every step was run and passed.
    pub passed: bool,
    /// The steps in order.
    #[serde(skip)]
    order: Vec<String>,
}

impl Record {
    /// The record of a run that begins.
    pub fn begin(all: bool) -> Self {
        let commit = git(&["rev-parse", "HEAD"]).unwrap_or_default().trim().to_owned();
        let dirty = git(&["status", "--porcelain"]).is_none_or(|changes| !changes.trim().is_empty());
        Self { commit, dirty, all, steps: BTreeMap::new(), passed: false, order: Vec::new() }
    }

    /// The last one that was saved.
    pub fn last() -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(path()).ok()?).ok()
    }

    /// Adds a step that took `time`.
    pub fn step(&mut self, name: &str, time: Duration) {
        self.order.push(name.to_owned());
        self.steps.insert(name.to_owned(), (time.as_secs_f64() * 10.0).round() / 10.0);
    }

    /// Writes it.
    pub fn save(&self) -> Outcome {
        let text = serde_json::to_string_pretty(self).map_err(|error| error.to_string())?;
        fs::write(path(), text + "\n").map_err(|error| format!("{}: {error}", path().display()))
    }

    /// The steps and their times, a line each.
    pub fn table(&self) -> String {
        let line = |name: &String| format!("{name:8}  {}", clock(Duration::from_secs_f64(self.steps[name])));
        self.order.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

fn path() -> PathBuf {
    target_dir().join("last-test.json")
}

/// What git prints, or nothing where it fails.
pub fn git(args: &[&str]) -> Option<String> {
    stdout(&mut command("git", args))
}
