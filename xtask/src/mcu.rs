//! Microcontrollers in an emulator: the same integers as the reference, and how many
//! instructions they take.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use boards::firmware::Firmware;
use boards::{Board, Emulator, MPS2_AN386, MPS2_AN500, MPS3_AN547, RISCV_VIRT, VIRTUAL_M0};
use serde::Serialize;

use crate::link::failed;
use crate::outcome::Outcome;
use crate::process::{self, root};
use crate::test::Scope;

/// A core of an emulated board, as the bench measures it.
struct Core {
    name: &'static str,
    board: &'static Board,
    /// An extension that the compiler and the emulator turn on, and the emulator's argument.
    extension: Option<(&'static str, &'static str)>,
    /// Hundredths of cycles of an average instruction of these loops: a rough guess for the
    /// kind of core (single or dual issue, vectors, no multiplier), not a measurement.
    cycles: u64,
    /// Whether the tests of a change leave it to another core with the same kernels.
    release_only: bool,
}

const CORES: &[Core] = &[
    Core { name: "M4", board: &MPS2_AN386, extension: None, cycles: 130, release_only: false },
    Core { name: "M7", board: &MPS2_AN500, extension: None, cycles: 75, release_only: true },
    Core { name: "M55", board: &MPS3_AN547, extension: None, cycles: 170, release_only: false },
    Core { name: "M0", board: &VIRTUAL_M0, extension: None, cycles: 150, release_only: false },
    Core { name: "RV32", board: &RISCV_VIRT, extension: None, cycles: 130, release_only: true },
    Core {
        name: "RV32 Zbb",
        board: &RISCV_VIRT,
        extension: Some(("zbb", "rv32,zbb=on")),
        cycles: 130,
        release_only: false,
    },
];

impl Core {
    /// Instructions of a tick of its timer, in hundredths: with `-icount shift=0` each takes 1 ns.
    fn tick(&self) -> u64 {
        100_000_000_000 / u64::from(self.board.hz)
    }

    /// The folder of its jobs and results.
    fn folder(&self) -> PathBuf {
        process::target_dir().join("mcu").join(self.name.replace(' ', "-"))
    }
}

/// What is known of a job before it runs.
struct Job {
    kernel: String,
    shape: String,
    units: u64,
    hashes: Vec<u64>,
}

/// A row of the table.
#[derive(Serialize)]
struct Row {
    kernel: String,
    shape: String,
    core: &'static str,
    instructions: u64,
    /// Instructions for each multiply-accumulate or element.
    per_unit: f64,
    cycles_estimate: u64,
}

/// Prints the table, or its rows of one core; as JSON if asked.
pub fn bench(json: bool, only: Option<&str>) -> Outcome {
    let mut rows = Vec::new();
    for core in CORES.iter().filter(|core| only.is_none_or(|only| only == core.name)) {
        rows.extend(measure(core, "0", "full")?);
    }
    if rows.is_empty() {
        let names: Vec<&str> = CORES.iter().map(|core| core.name).collect();
        return Err(format!("the cores are {}", names.join(", ")));
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&rows).map_err(|error| error.to_string())?);
    } else {
        print!("{}", as_table(&rows));
    }
    Ok(())
}

/// The conformance programs, the measured shapes and the bundled model on every core.
pub fn exact(scope: Scope) -> Outcome {
    for core in CORES.iter().filter(|core| scope == Scope::Release || !core.release_only) {
        let rows = measure(core, "3", "small")?;
        println!(
            "    {} ({}): every instruction as the reference, {} kernels measured",
            core.name,
            core.board.name,
            rows.len()
        );
    }
    Ok(())
}

fn measure(core: &Core, cases: &str, shapes: &str) -> Result<Vec<Row>, String> {
    let folder = core.folder();
    let place = folder.display().to_string();
    process::example("mcu_jobs", &[&place, core.board.core.kernels().name(), cases, shapes])?;
    let program = build(core)?;
    let output = emulate(core, &program, &folder)?;
    let expected = folder.join("expected");
    let expected = std::fs::read_to_string(&expected).map_err(|e| format!("{}: {e}", expected.display()))?;
    compare(core, &jobs(&expected)?, &output)
}

fn build(core: &Core) -> Result<PathBuf, String> {
    let feature = core.board.core.kernels().feature();
    let bench = Firmware {
        extension: core.extension.map(|(extension, _)| extension),
        features: feature.as_slice(),
        variables: &[("SHIFTFORMER_BOARD", core.board.name)],
        ..Firmware::new("bench", core.board.core)
    };
    bench.build(&root()).map_err(|error| failed(&error))
}

/// What the program prints. The emulator is stopped after five minutes.
fn emulate(core: &Core, program: &Path, folder: &Path) -> Result<String, String> {
    let Some(Emulator { program: emulator, package, machine }) = core.board.emulator() else {
        return Err(format!("{} is not emulated", core.board.name));
    };
    if !process::exists(emulator) {
        return Err(format!(
            "{emulator} is not installed: `cargo xtask prepare` installs it, on Debian also `apt-get install {package}`"
        ));
    }
    let mut command = process::command("timeout", &["300", emulator]);
    command.args(machine);
    if let Some((_, cpu)) = core.extension {
        command.args(["-cpu", cpu]);
    }
    command.args(["-icount", "shift=0", "-display", "none", "-monitor", "none", "-serial", "none"]);
    command.args(["-semihosting-config", "enable=on,target=native", "-kernel"]).arg(root().join(program));
    let output = command.current_dir(folder).output().map_err(|error| format!("{emulator}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let tail: Vec<&str> = text.lines().rev().take(3).collect();
    Err(format!(
        "{} in {emulator}: {}\n{:?}\n{}",
        core.name,
        output.status,
        tail,
        String::from_utf8_lossy(&output.stderr)
    ))
}

fn jobs(expected: &str) -> Result<Vec<Job>, String> {
    let mut jobs: Vec<Job> = Vec::new();
    for line in expected.lines() {
        let fields: Vec<&str> = line.split('|').collect();
        match (fields.as_slice(), jobs.last_mut()) {
            (["job", kernel, shape, units], _) => jobs.push(Job {
                kernel: (*kernel).into(),
                shape: (*shape).into(),
                units: units.parse().map_err(|_| format!("`{line}`: no number of units"))?,
                hashes: Vec::new(),
            }),
            ([hash], Some(job)) => {
                job.hashes.push(u64::from_str_radix(hash, 16).map_err(|_| format!("`{hash}` is no hash"))?);
            }
            _ => return Err(format!("`{line}` is not understood")),
        }
    }
    Ok(jobs)
}

/// Compares the hash of every instruction of every job; the rows are those of measured jobs.
fn compare(core: &Core, jobs: &[Job], output: &str) -> Result<Vec<Row>, String> {
    let mut got: BTreeMap<usize, BTreeMap<u32, u64>> = BTreeMap::new();
    let mut ticks: BTreeMap<usize, u64> = BTreeMap::new();
    for line in output.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let parsed = match fields.as_slice() {
            [job, instruction, ticks, hash] => (
                job.parse().ok(),
                instruction.parse().ok(),
                ticks.parse::<u64>().ok(),
                u64::from_str_radix(hash, 16).ok(),
            ),
            _ => (None, None, None, None),
        };
        let (Some(job), Some(instruction), Some(step), Some(hash)) = parsed else {
            return Err(format!("{} says `{line}`", core.name));
        };
        let sum = got.entry(job).or_default().entry(instruction).or_default();
        *sum = sum.wrapping_add(hash);
        *ticks.entry(job).or_default() += step;
    }
    let mut rows = Vec::new();
    for (index, job) in jobs.iter().enumerate() {
        let hashes: Vec<u64> = got.remove(&index).unwrap_or_default().into_values().collect();
        if hashes != job.hashes {
            let at = hashes.iter().zip(&job.hashes).position(|(a, b)| a != b);
            return Err(format!(
                "{}: job {index}, {} {}: other results than the reference at instruction {at:?} of {}",
                core.name,
                job.kernel,
                job.shape,
                job.hashes.len()
            ));
        }
        let instructions = ticks.get(&index).copied().unwrap_or(0) * core.tick() / 100;
        if job.units > 0 {
            rows.push(Row {
                kernel: job.kernel.clone(),
                shape: job.shape.clone(),
                core: core.name,
                instructions,
                per_unit: instructions as f64 / job.units as f64,
                cycles_estimate: instructions * core.cycles / 100,
            });
        }
    }
    Ok(rows)
}

fn as_table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:22} {:14} {:8} {:>12} {:>9} {:>14}\n",
        "kernel", "shape", "core", "instructions", "per_unit", "cycles (est.)"
    );
    for row in rows {
        text += &format!(
            "{:22} {:14} {:8} {:>12} {:>9.3} {:>14}\n",
            row.kernel, row.shape, row.core, row.instructions, row.per_unit, row.cycles_estimate
        );
    }
    text
}
