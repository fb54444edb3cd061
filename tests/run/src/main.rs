//! Checks the cases in a folder with every kernel set: `shiftformer-test-run FOLDER`. Built for
//! another architecture and run there or in an emulator, it shows that the bytes are the same.

use std::path::Path;
use std::process::ExitCode;

use shiftformer_test_run::cases::Case;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: shiftformer-test-run FOLDER");
        return ExitCode::from(2);
    };
    match check(Path::new(&folder)) {
        Ok(cases) => {
            println!("    {cases} containers, every kernel set: the same bytes as on the host");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// Checks every file in `folder` and returns their number.
fn check(folder: &Path) -> Result<usize, String> {
    let named = |error| format!("{}: {error}", folder.display());
    let mut cases = 0;
    for entry in folder.read_dir().map_err(named)? {
        let path = entry.map_err(named)?.path();
        let case = Case::load(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        case.check().map_err(|error| format!("{}: {error}", path.display()))?;
        cases += 1;
    }
    if cases == 0 { Err(format!("{} holds no cases", folder.display())) } else { Ok(cases) }
}
