//! Checks the cases in a folder with every kernel set: `shiftformer-test-run FOLDER [FASTEST]`. Built
//! for another architecture and run there or in an emulator, it shows that the bytes are the same.
//! `FASTEST` is the first kernel set that has to run there; with `alone` behind it the others are left
//! to a run on another processor. With the feature `threads`, rayon pools of several sizes share the
//! work of each kernel, in the smallest parts.

use std::path::Path;
use std::process::ExitCode;

use quant::KernelSet;
use shiftformer_test_run::cases::Case;
use shiftformer_test_run::kernels::{fastest, kernel_sets};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (folder, first, sets) = match args.as_slice() {
        [folder] => (folder, fastest().name(), kernel_sets().collect::<Vec<_>>()),
        [folder, first] => (folder, first.as_str(), kernel_sets().collect()),
        [folder, first, alone] if alone == "alone" => (folder, first.as_str(), vec![fastest()]),
        _ => {
            eprintln!("usage: shiftformer-test-run FOLDER [FASTEST [alone]]");
            return ExitCode::from(2);
        }
    };
    if fastest().name() != first {
        eprintln!("the fastest kernel set that runs is {}, and should be {first}", fastest().name());
        return ExitCode::FAILURE;
    }
    match in_pools(|| check(Path::new(folder), &sets)) {
        Ok(cases) => {
            let sets: Vec<&str> = sets.iter().map(|set| set.name()).collect();
            println!("    {cases} containers, {}: the same bytes as on the host", sets.join(", "));
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// What `check` says, in every pool.
#[cfg(feature = "threads")]
fn in_pools(check: impl Fn() -> Result<usize, String> + Sync) -> Result<usize, String> {
    let mut cases = 0;
    for threads in [2, 3, 7] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| error.to_string())?;
        cases = pool.install(|| cpu::shared(cpu::Part::TINY, &check))?;
    }
    Ok(cases)
}

/// What `check` says.
#[cfg(not(feature = "threads"))]
fn in_pools(check: impl Fn() -> Result<usize, String>) -> Result<usize, String> {
    check()
}

/// Checks every file in `folder` with `sets` and returns their number.
fn check(folder: &Path, sets: &[&KernelSet]) -> Result<usize, String> {
    let named = |error| format!("{}: {error}", folder.display());
    let mut cases = 0;
    for entry in folder.read_dir().map_err(named)? {
        let path = entry.map_err(named)?.path();
        let case = Case::load(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        case.check(sets).map_err(|error| format!("{}: {error}", path.display()))?;
        cases += 1;
    }
    if cases == 0 { Err(format!("{} holds no cases", folder.display())) } else { Ok(cases) }
}
