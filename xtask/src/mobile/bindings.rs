//! The sources that UniFFI generates for Kotlin and Swift.

use std::path::{Path, PathBuf};

use super::library::{self, Backend, CRATE, NAME};
use super::{files, symbols};
use crate::process::{self, cargo_once, root};

/// Generated sources, and the names in them that the library has to define.
pub struct Bindings {
    folder: PathBuf,
}

/// The names of one Swift module. Two libraries in one package need a module each.
pub struct Swift {
    /// The module that apps import.
    pub module: &'static str,
    /// The module of its C functions.
    pub functions: &'static str,
}

impl Backend {
    /// The Swift module of packages with it.
    pub fn swift(self) -> Swift {
        match self {
            Backend::Cpu => Swift { module: "Shiftformer", functions: "ShiftformerFFI" },
            Backend::Gpu => Swift { module: "ShiftformerGPU", functions: "ShiftformerGPUFFI" },
        }
    }
}

/// The header of the interface for C.
pub fn header() -> PathBuf {
    root().join("targets/mobile/include/shiftformer.h")
}

impl Bindings {
    /// Generates them from the library for this machine: the interface is the same for all builds.
    pub fn generate() -> Result<Self, String> {
        let folder = library::folder().join("bindings");
        files::clear(&folder)?;
        let library = library::for_this_machine()?.display().to_string();
        process::run(&mut cargo_once(&["build", "--quiet", "--package", &format!("{CRATE}-bindgen")]))?;
        let generate = |language: &str, folder: &Path, config: &Path| {
            let program = process::target_dir().join("debug").join(format!("{CRATE}-bindgen"));
            let [folder, config] = [folder, config].map(|path| path.display().to_string());
            let what = ["generate", "--no-format", "--language", language, "--out-dir", &folder];
            let from = ["--config", &config, &library];
            let program = program.display().to_string();
            process::run(&mut process::command(&program, &[&what[..], &from].concat()))
        };
        for backend in Backend::ALL {
            let Swift { module, functions } = backend.swift();
            let config = folder.join(format!("{module}.toml"));
            let table = format!(
                "[crates.{NAME}.bindings.swift]\nmodule_name = \"{module}\"\nffi_module_name = \"{functions}\"\n",
            );
            files::write(&config, table.as_bytes())?;
            generate("swift", &folder.join(module), &config)?;
        }
        generate("kotlin", &folder.join("kotlin"), &folder.join("Shiftformer.toml"))?;
        Ok(Self { folder })
    }

    /// The folder of the Kotlin sources.
    pub fn kotlin(&self) -> PathBuf {
        self.folder.join("kotlin/dev/shiftformer/shiftformer.kt")
    }

    /// A file of a Swift module: its source, or the header or the module map of its C functions.
    pub fn swift(&self, backend: Backend, ending: &str) -> PathBuf {
        let Swift { module, functions } = backend.swift();
        let name = if ending == "swift" { module } else { functions };
        self.folder.join(module).join(format!("{name}.{ending}"))
    }

    /// The C functions that the generated sources call and that the headers declare.
    pub fn functions(&self) -> Result<Vec<String>, String> {
        let mut names = Vec::new();
        for backend in Backend::ALL {
            for file in [self.swift(backend, "swift"), self.swift(backend, "h"), self.kotlin(), header()] {
                let found = symbols::called(&files::text(&file)?);
                if found.is_empty() {
                    return Err(format!("{} calls no function of the library", file.display()));
                }
                names.extend(found);
            }
        }
        names.sort();
        names.dedup();
        Ok(names)
    }
}
