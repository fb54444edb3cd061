//! Repeats the conversions in a folder: `shiftformer-test-convert FOLDER`. Built for another
//! architecture and run there or in an emulator, it shows that the containers are the same.

use std::path::Path;
use std::process::ExitCode;

use shiftformer_test_convert::check;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: shiftformer-test-convert FOLDER");
        return ExitCode::from(2);
    };
    match check(Path::new(&folder)) {
        Ok(models) => {
            println!("    {models} conversions: the same bytes as on the host");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}
