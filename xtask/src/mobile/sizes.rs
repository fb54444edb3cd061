//! Bytes of the libraries.

use std::path::PathBuf;

use super::android::Abi;
use super::files;
use super::library::Backend;
use crate::outcome::Outcome;
use crate::tables::{self, code, markdown, row};

/// A linked and stripped library for Android.
pub struct Linked {
    pub abi: &'static Abi,
    pub backend: Backend,
    pub path: PathBuf,
}

/// What the library for phones may take without a GPU: 700 KB.
const MOST: usize = 700 * 1024;
const PHONE: &str = "arm64-v8a";

/// Where the table is.
const TABLE: (&str, &str) = ("docs/mobile.md", "sizes");

impl Linked {
    fn bytes(&self) -> Result<usize, String> {
        files::read(&self.path).map(|library| library.len())
    }
}

fn rows(libraries: &[Linked]) -> Result<Vec<Vec<String>>, String> {
    let mut rows = vec![row(["processor", "runs models on", "bytes"])];
    for linked in libraries {
        let engines = match linked.backend {
            Backend::Cpu => "the processor",
            Backend::Gpu => "the GPU, too",
        };
        rows.push(row([&code(linked.abi.name), engines, &linked.bytes()?.to_string()]));
    }
    Ok(rows)
}

/// Prints the sizes, and fails where the library for phones has outgrown its limit.
pub fn check(libraries: &[Linked]) -> Outcome {
    println!("libshiftformer_mobile.so, stripped:\n{}", markdown(&rows(libraries)?));
    for linked in libraries {
        let bytes = linked.bytes()?;
        if linked.abi.name == PHONE && linked.backend == Backend::Cpu && bytes > MOST {
            return Err(format!("the library for {PHONE} has {bytes} bytes, and may have {MOST}"));
        }
    }
    Ok(())
}

/// Writes the sizes into the documents.
pub fn write(libraries: &[Linked]) -> Outcome {
    tables::replace(TABLE.0, TABLE.1, &rows(libraries)?)
}
