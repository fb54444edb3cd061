//! Turns trained vision transformers into Shiftformer containers:
//! import → calibrate → graph → lower → plan → pack → report.
//!
//! * [`import`]: readers of model files; they produce a [`float`] graph, or a quantized
//!   [`graph`] where the checkpoint was trained with integers.
//! * [`calibrate`]: post-training quantization of a float graph.
//! * [`onnx`]: the reader of ONNX models; it produces a [`float`] graph.
//! * [`mod@lower`]: the graph to instructions over virtual memory.
//! * [`program`]: planning of the arena, packing, encoding.
//! * [`report`]: the page that shows a conversion's facts; [`boards`]: what it fits.
//! * [`data`]: readers of images and labels.
//! * [`arch`]: architectures with seeded random weights, for benchmarks.

pub mod arch;
pub mod boards;
pub mod calibrate;
pub mod data;
pub mod error;
pub mod facts;
pub mod float;
pub mod graph;
pub mod import;
pub mod lower;
pub mod measure;
pub mod npy;
pub mod onnx;
pub mod program;
pub mod progress;
pub mod report;

pub use error::ConvertError;

use calibrate::{QuantizeOptions, Quantized, quantize};
use graph::Graph;
use lower::{LowerOptions, lower};
use program::{Container, PlanOptions, plan, write};
use progress::Progress;

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

/// A float model as a container, and how it came about.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// The container.
    pub container: Vec<u8>,
    /// The quantized model and what was decided.
    pub quantized: Quantized,
}

/// Quantizes `model` on `frames` and builds it.
pub fn convert(
    model: float::Graph,
    frames: &[Vec<u8>],
    quantization: &QuantizeOptions,
    options: BuildOptions,
    progress: &dyn Progress,
) -> Result<Conversion, ConvertError> {
    let quantized = quantize(model, frames, quantization, progress)?;
    let container = build(&quantized.graph, options)?;
    Ok(Conversion { container, quantized })
}
