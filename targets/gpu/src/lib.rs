//! Runs Shiftformer programs on any GPU through wgpu: Vulkan, Metal, Direct3D 12 and, in a web
//! page, WebGPU. The results are those of the scalar reference, bit for bit.
//!
//! [`Gpu::open`] takes an adapter, [`Program::load`] brings a checked program there, and
//! [`Program::submit`] runs frames of it.
//!
//! A program becomes a fixed sequence of dispatches, each over all frames of a submission. Every
//! frame has an arena laid out as the container says, so that what an instruction leaves can be
//! compared with any other engine's.

mod adapter;
#[cfg(test)]
mod arithmetic;
#[cfg_attr(target_arch = "wasm32", path = "browser.rs")]
mod attendant;
mod clock;
mod compile;
mod device;
mod error;
mod kept;
mod landing;
mod matrices;
mod memory;
mod needed;
mod opening;
mod ops;
mod pieces;
mod plan;
mod program;
mod selftest;
mod source;
mod spirv;
mod submission;
mod transfer;
mod tune;

pub use adapter::{Adapter, AdapterKind, adapters};
pub use device::Gpu;
pub use error::{OpenError, PlanError, RunError};
#[doc(hidden)]
pub use kept::read_any;
pub use kept::{Cache, Remark, Unusable};
pub use matrices::MatrixShape;
pub use plan::shaders;
pub use program::Program;
pub use submission::{Observed, Submission};
pub use tune::Tuned;
