//! Errors.

use quant::op::OpKind;
use thiserror::Error;

/// No adapter can be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The system offers none.
    #[error("this system offers no GPU through Vulkan, Metal, Direct3D 12 or WebGPU")]
    NoAdapter,
    /// None of those that there are is the one asked for.
    #[error("no GPU is called `{asked}` or has that number; there are: {known}")]
    Unknown {
        /// The name or number.
        asked: String,
        /// Those that there are.
        known: String,
    },
}

/// A program cannot run on the GPU.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The driver refuses a device with the limits of the adapter.
    #[error("{adapter} gives no device: {reason}")]
    Refused {
        /// The adapter's name.
        adapter: String,
        /// The driver's words.
        reason: String,
    },
    /// There is no shader for what an instruction asks.
    #[error("instruction {instruction} ({}{}) has no shader: {reason}", op.name(), named(name))]
    NoShader {
        /// Its index.
        instruction: u32,
        /// Its name; empty where the container is stripped of names.
        name: String,
        /// Its op.
        op: OpKind,
        /// What is asked that no shader does.
        reason: &'static str,
    },
    /// One piece of memory exceeds what a shader may address on this adapter.
    #[error("{what} takes {bytes} bytes, and this GPU gives a shader at most {limit}")]
    TooLarge {
        /// What takes it.
        what: &'static str,
        /// Bytes.
        bytes: u64,
        /// The adapter's limit.
        limit: u64,
    },
    /// The driver makes something else of a shader than it says, and no other takes its place.
    #[error(
        "the driver of {adapter} miscompiles the shader `{kernel}`: its test gave another result than the \
         reference"
    )]
    Miscompiled {
        /// The shader's name.
        kernel: &'static str,
        /// The adapter's name.
        adapter: String,
    },
    /// Nothing can be measured on it.
    #[error("this GPU does not tell the time, so that tiles cannot be compared")]
    NoClock,
    /// There is no memory for it, or the driver refuses a shader.
    #[error("{0}")]
    Device(#[from] RunError),
}

fn named(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(", `{name}`") }
}

/// A run was not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The device is gone: unplugged, reset, or its driver failed.
    #[error("the GPU was lost during the run")]
    Lost,
    /// The driver refuses a shader.
    #[error("the GPU's driver refuses the shader `{kernel}`; please report this with the container")]
    Shader {
        /// Its name.
        kernel: &'static str,
    },
    /// The driver makes something else of a shader than it says, and no other takes its place.
    #[error(
        "the GPU's driver miscompiles the shader `{kernel}`: its test gave another result than the reference"
    )]
    Miscompiled {
        /// Its name.
        kernel: &'static str,
    },
    /// There is no memory for the frames of the submission.
    #[error("the GPU has no {bytes} bytes of memory for {what}: submit fewer frames at once")]
    Memory {
        /// What for.
        what: &'static str,
        /// Bytes asked for.
        bytes: u64,
    },
}
