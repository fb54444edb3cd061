//! Turns trained vision transformers into Shiftformer containers:
//! import → calibrate → graph → lower.
//!
//! * [`import`]: readers of model files; they produce a [`float`] graph, or a quantized
//!   [`graph`] where the checkpoint was trained with integers.
//! * [`calibrate`]: post-training quantization of a float graph.
//! * [`mod@lower`]: the graph to instructions over virtual memory.
//! * [`arch`]: architectures with seeded random weights, for benchmarks.

pub mod arch;
pub mod calibrate;
pub mod error;
pub mod graph;
pub mod import;
pub mod lower;
pub mod measure;

pub use error::ConvertError;

use calibrate::{QuantizeOptions, Quantized, calibrate};
use float::Progress;
use graph::Graph;
use lower::{LowerOptions, lower};
use program::{Container, PlanOptions, plan, write};

/// The code in the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

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
    Ok(write(&Container::new(draft, arena))?)
}

/// A float model as a container, and how it came about.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// The container.
    pub container: Vec<u8>,
    /// The quantized model and what was decided.
    pub quantized: Quantized,
}

/// Quantizes `model` on `frames` and builds it. Where [`QuantizeOptions::flash`] leaves no room
/// for all layers that are worth 16 bits, as many of them are kept as fit, those first that need
/// them most.
pub fn convert(
    model: float::Graph,
    frames: &[Vec<u8>],
    quantization: &QuantizeOptions,
    options: BuildOptions,
    progress: &dyn Progress,
) -> Result<Conversion, ConvertError> {
    let calibrated = calibrate(model, frames, quantization, progress)?;
    let made = |kept: usize| {
        let integers = calibrated.integers(kept)?;
        let container = build(&integers.graph, options)?;
        Ok::<_, ConvertError>((integers, container))
    };
    let all = calibrated.escalations();
    let mut best = made(all)?;
    if let Some(limit) = quantization.flash {
        let fits = |container: &[u8]| container.len() as u64 <= limit;
        // `few` fit, `many` do not.
        let (mut few, mut many) = (0, all);
        if !fits(&best.1) {
            best = made(0)?;
            if !fits(&best.1) {
                return Err(ConvertError::Flash { limit, smallest: best.1.len() as u64 });
            }
            while many - few > 1 {
                let middle = few.midpoint(many);
                let trial = made(middle)?;
                if fits(&trial.1) {
                    (best, few) = (trial, middle);
                } else {
                    many = middle;
                }
            }
        }
    }
    let (integers, container) = best;
    Ok(Conversion { container, quantized: calibrated.finish(integers) })
}
