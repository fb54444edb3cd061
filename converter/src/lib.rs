//! Turns trained vision transformers into Shiftformer containers:
//! import → graph → lower → plan → pack.
//!
//! * [`import`]: readers of model files; they produce a quantized [`graph`].
//! * [`mod@lower`]: the graph to instructions over virtual memory.
//! * [`program`]: planning of the arena, packing, encoding.
//! * [`data`]: readers of images and labels.
//! * [`arch`]: architectures with seeded random weights, for benchmarks.

pub mod arch;
pub mod data;
pub mod error;
pub mod facts;
pub mod float;
pub mod graph;
pub mod import;
pub mod lower;
pub mod npy;
pub mod program;
pub mod progress;

pub use error::ConvertError;

use graph::Graph;
use lower::{LowerOptions, lower};
use program::{Container, PlanOptions, plan, write};

/// How to make a container from a graph.
#[derive(Clone, Copy, Debug)]
pub struct BuildOptions {
    /// Fuse epilogues and attention; off for tracing.
    pub fuse: bool,
    /// Arena bytes that larger tiles may use.
    pub arena: Option<u32>,
}

impl Default for BuildOptions {
    fn default() -> Self {
        Self { fuse: true, arena: None }
    }
}

/// Lowers, plans and encodes `graph`; the bytes have passed the runtime's checker.
pub fn build(graph: &Graph, options: BuildOptions) -> Result<Vec<u8>, ConvertError> {
    let mut draft = lower(graph, LowerOptions { fuse: options.fuse })?;
    let arena = plan(&mut draft, PlanOptions { arena: options.arena, whole: !options.fuse });
    write(&Container::new(draft, arena))
}
