//! Shaders that wgpu cannot translate: GLSL, and beside it the SPIR-V that programs are built with.

#[cfg_attr(not(feature = "shaders"), path = "without.rs")]
mod compiler;

use std::fs;

use crate::outcome::Outcome;
use crate::process::{self, cargo, root};

/// Their sources, beside which the modules lie.
const SOURCES: &[&str] = &[
    "targets/gpu/cooperative/attention.comp",
    "targets/gpu/cooperative/gelu.comp",
    "targets/gpu/cooperative/gemm.comp",
    "targets/gpu/cooperative/norm.comp",
];

/// What they share, and the line that stands for it in each.
const SHARED: &str = "targets/gpu/cooperative/common.glsl";
const INCLUDE: &str = "#include \"common.glsl\"\n";

/// Writes the modules, or compares them instead. Where this program was built without the compiler of
/// GLSL, which takes minutes to build, it runs itself with it.
pub fn run(check: bool) -> Outcome {
    if !compiler::IS_HERE {
        let run = ["run", "--package", "xtask", "--features", "shaders", "--", "shaders"];
        let flags: &[&str] = if check { &["--check"] } else { &[] };
        return process::run(&mut cargo(&[&run[..], flags].concat()));
    }
    let one = if check { compare } else { write };
    SOURCES.iter().try_for_each(|source| one(source))
}

fn write(source: &str) -> Outcome {
    let path = module_path(source);
    fs::write(root().join(&path), module(source)?).map_err(|error| format!("cannot write {path}: {error}"))
}

fn compare(source: &str) -> Outcome {
    let path = module_path(source);
    let found = fs::read(root().join(&path)).map_err(|error| format!("cannot read {path}: {error}"))?;
    if found == module(source)? {
        return Ok(());
    }
    Err(format!("{path} is not what {source} compiles to; `cargo xtask shaders` writes it"))
}

/// Where the module of `source` lies.
fn module_path(source: &str) -> String {
    source.replace(".comp", ".spv")
}

/// What `source` compiles to.
fn module(source: &str) -> Result<Vec<u8>, String> {
    let text = text(source)?.replace(INCLUDE, &text(SHARED)?);
    let words = compiler::compile(text).map_err(|error| format!("{source}: {error}"))?;
    Ok(words.into_iter().flat_map(u32::to_le_bytes).collect())
}

fn text(path: &str) -> Result<String, String> {
    fs::read_to_string(root().join(path)).map_err(|error| format!("cannot read {path}: {error}"))
}
