//! Integer-only vision transformers, with the same answer on every target.
//!
//! A [`ModelFile`] holds the bytes of a container; [`ModelFile::model`] checks them; an
//! [`Engine`] runs the checked model. Every engine returns the same integers.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let frame: &[u8] = &[];
//! use shiftformer::{EngineOptions, ModelFile, engine, top_k};
//!
//! let file = ModelFile::open("model.shf".as_ref())?;
//! let model = file.model()?;
//! let mut engine = engine(&model, EngineOptions::default())?;
//! let mut outputs = Vec::new();
//! engine.run(frame, &mut outputs)?;
//! println!("class {}", top_k(&outputs[0], 1)[0]);
//! # Ok(()) }
//! ```

mod aligned;
mod backend;
#[cfg(feature = "device")]
pub mod device;
mod engine;
mod error;
mod file;
mod logits;

pub use backend::{Backend, EngineOptions, KernelSet, NotInThisBuild, OptionsError, engine};
#[cfg(feature = "device")]
pub use engine::DeviceFacts;
pub use engine::{Engine, KernelEngine, TraceEvent};
pub use error::{EngineError, OpenError, OpenProblem};
pub use file::{MAX_FILE_BYTES, ModelFile};
pub use logits::{probabilities, top_k};
pub use {quant, runtime};

/// The code in the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
