//! `cargo xtask test`: runs the steps, and records how long each took.

use std::time::{Duration, Instant};

use crate::outcome::Outcome;
use crate::record::Record;
use crate::steps::STEPS;
use crate::system::{self, Kit};

/// How much is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What a change must pass.
    Change,
    /// What a release must pass.
    Release,
}

/// One step.
pub struct Step {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it shows.
    pub what: &'static str,
    /// Whether it is left out of the tests of a change.
    pub release_only: bool,
    /// How.
    pub run: fn(Scope) -> Outcome,
}

/// A run that takes longer is remarked on: it is tried less often then.
const BUDGET: Duration = Duration::from_secs(20 * 60);

impl Scope {
    /// That of the flag `--all`.
    pub fn of(all: bool) -> Self {
        if all { Scope::Release } else { Scope::Change }
    }

    /// What has to be installed.
    pub fn kits(self) -> &'static [Kit] {
        match self {
            Scope::Change => system::FOR_A_CHANGE,
            Scope::Release => system::FOR_A_RELEASE,
        }
    }

    /// Cases that are generated for each property.
    pub fn cases(self) -> &'static str {
        match self {
            Scope::Change => "64",
            Scope::Release => "1024",
        }
    }

    fn steps(self) -> Vec<&'static Step> {
        STEPS.iter().filter(|step| self == Scope::Release || !step.release_only).collect()
    }
}

/// Prints the steps.
pub fn list() -> Outcome {
    for step in STEPS {
        let only = if step.release_only { " (--all)" } else { "" };
        println!("{:8}  {}{only}", step.name, step.what);
    }
    Ok(())
}

/// Runs the steps in order, from the one named on, and stops at the first that fails.
pub fn run(scope: Scope, from: Option<&str>) -> Outcome {
    let steps = scope.steps();
    let first = from.map_or(Some(0), |name| steps.iter().position(|step| step.name == name));
    let first = first.ok_or("no such step; `cargo xtask test --list` names them")?;

    let start = Instant::now();
    let mut record = Record::begin(scope == Scope::Release);
    for (index, step) in steps.iter().enumerate().skip(first) {
        println!("\n=== {}/{} {}: {}", index + 1, steps.len(), step.name, step.what);
        let begun = Instant::now();
        let outcome = (step.run)(scope);
        record.step(step.name, begun.elapsed());
        record.passed = outcome.is_ok() && first == 0 && index + 1 == steps.len();
        record.save()?;
        outcome.map_err(|error| {
            let again = if scope == Scope::Release { " --all" } else { "" };
            format!(
                "step {} ({}): {error}\nTo go on from here: cargo xtask test{again} --from {}",
                step.name, step.what, step.name
            )
        })?;
        println!("--- {}: {}", step.name, clock(begun.elapsed()));
    }
    println!("\n{}", record.table());
    println!("{:8}  {}\nall steps passed", "total", clock(start.elapsed()));
    if scope == Scope::Change && start.elapsed() > BUDGET {
        println!("That is more than {}: which step grew? CONTRIBUTING.md has their times.", clock(BUDGET));
    }
    Ok(())
}

/// A duration for people.
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{} min {:02.0} s", time.as_secs() / 60, (seconds % 60.0).floor())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_a_release_has_every_step() {
        for (index, step) in STEPS.iter().enumerate() {
            assert!(STEPS[..index].iter().all(|other| other.name != step.name), "{}", step.name);
        }
        assert_eq!(Scope::Release.steps().len(), STEPS.len());
        assert!(Scope::Change.steps().iter().all(|step| !step.release_only));
    }

    #[test]
    fn durations_are_readable() {
        assert_eq!(clock(Duration::from_millis(1250)), "1.2 s");
        assert_eq!(clock(Duration::from_millis(119_990)), "1 min 59 s");
    }
}
