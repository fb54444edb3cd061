//! The C headers: written from their crates, and compared with them.

use std::fs;

use crate::outcome::Outcome;
use crate::process::{self, command, root};

/// A header, and the crate that it is of.
struct Header {
    package: &'static str,
    path: &'static str,
}

const HEADERS: &[Header] = &[
    // For firmware.
    Header { package: "firmware/c", path: "firmware/c/include/shiftformer.h" },
    // For apps.
    Header { package: "targets/mobile", path: "targets/mobile/include/shiftformer.h" },
];

/// Compilers that a header must satisfy, without a warning.
const COMPILERS: &[&[&str]] = &[&["cc", "-std=c99", "-xc"], &["c++", "-std=c++11", "-xc++"]];

/// Writes the headers.
pub fn write() -> Outcome {
    HEADERS.iter().try_for_each(|header| {
        let Header { path, .. } = header;
        fs::write(root().join(path), header.text()?).map_err(|error| format!("cannot write {path}: {error}"))
    })
}

/// Fails where a header is not that of its crate, or a compiler objects to it.
pub fn check() -> Outcome {
    HEADERS.iter().try_for_each(Header::check)
}

impl Header {
    fn check(&self) -> Outcome {
        let path = self.path;
        let found =
            fs::read_to_string(root().join(path)).map_err(|error| format!("cannot read {path}: {error}"))?;
        if found != self.text()? {
            return Err(format!("{path} is stale; `cargo xtask c-header` writes it"));
        }
        for compiler in COMPILERS {
            let (program, language) = compiler.split_first().expect("a compiler has a name");
            let strict = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "-include", path];
            process::run(&mut command(program, &[language, &strict[..], &["/dev/null"]].concat()))?;
        }
        Ok(())
    }

    /// What the crate says.
    fn text(&self) -> Result<String, String> {
        let place = root().join(self.package);
        let config = cbindgen::Config::from_file(place.join("cbindgen.toml"))?;
        let bindings = cbindgen::Builder::new().with_crate(&place).with_config(config).generate();
        let mut header = Vec::new();
        let refused = |error| format!("cannot make a header of {}: {error}", self.package);
        bindings.map_err(refused)?.write(&mut header);
        String::from_utf8(header).map_err(|error| error.to_string())
    }
}
