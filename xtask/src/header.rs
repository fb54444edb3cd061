//! The C header of `firmware/c`: written from the crate, and compared with it.

use std::fs;

use crate::outcome::Outcome;
use crate::process::{self, command, root};

/// The crate that the header is of.
const CRATE: &str = "firmware/c";
const HEADER: &str = "firmware/c/include/shiftformer.h";

/// Compilers that the header must satisfy, without a warning.
const COMPILERS: &[&[&str]] = &[&["cc", "-std=c99", "-xc"], &["c++", "-std=c++11", "-xc++"]];

/// Writes the header.
pub fn write() -> Outcome {
    fs::write(root().join(HEADER), header()?).map_err(|error| format!("cannot write {HEADER}: {error}"))
}

/// Fails where the header is not that of the crate, or a compiler objects to it.
pub fn check() -> Outcome {
    let found =
        fs::read_to_string(root().join(HEADER)).map_err(|error| format!("cannot read {HEADER}: {error}"))?;
    if found != header()? {
        return Err(format!("{HEADER} is stale; `cargo xtask c-header` writes it"));
    }
    for compiler in COMPILERS {
        let (program, language) = compiler.split_first().expect("a compiler has a name");
        let strict = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "-include", HEADER];
        process::run(&mut command(program, &[language, &strict[..], &["/dev/null"]].concat()))?;
    }
    Ok(())
}

fn header() -> Result<String, String> {
    let place = root().join(CRATE);
    let config = cbindgen::Config::from_file(place.join("cbindgen.toml"))?;
    let bindings = cbindgen::Builder::new().with_crate(&place).with_config(config).generate();
    let mut header = Vec::new();
    bindings.map_err(|error| format!("cannot make a header of {CRATE}: {error}"))?.write(&mut header);
    String::from_utf8(header).map_err(|error| error.to_string())
}
