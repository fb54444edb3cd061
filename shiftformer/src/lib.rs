//! Integer-only vision transformers, with the same answer on every target.
//!
//! A [`Model`] is a checked container. A [`Session`] runs it: on this machine's processor
//! ([`Cpu`]), on a device at a serial port, in an emulator. All of them return the same integers.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let frame: &[u8] = &[];
//! use shiftformer::Model;
//!
//! let model = Model::open("model.shf")?;
//! let mut session = model.session()?;
//! let outputs = session.run(frame)?;
//! println!("class {:?}", outputs.logits().and_then(|logits| logits.best()));
//! # Ok(()) }
//! ```
//!
//! Every engine has one face: a [`Backend`] prepares a [`Run`], which takes frames and gives a
//! [`Ticket`] for each submission; several may be in flight.

mod aligned;
mod answer;
mod backend;
mod blocking;
pub mod camera;
mod cancel;
mod cpu;
#[cfg(feature = "device")]
pub mod device;
mod error;
mod event;
mod frames;
#[cfg(feature = "gpu")]
mod gpu;
mod logits;
mod model;
mod picture;
mod pool;
mod session;
mod ticket;
mod verify;

pub use answer::{OutputInfo, Reading};
pub use backend::{Backend, Fallback, Limits, Preparing, Run};
pub use cancel::Canceller;
pub use cpu::Cpu;
pub use error::{NotInThisBuild, OpenError, OpenProblem, PictureError, PrepareError, RunError};
pub use event::{Event, Observe};
#[cfg(feature = "gpu")]
pub use gpu::{Adapter, AdapterKind, Gpu, GpuCache, GpuError, GpuOrCpu, GpuRemark, Tuned};
pub use logits::{Logits, Ranked, chance, labels, probabilities, top_k};
pub use model::{MAX_FILE_BYTES, Model};
pub use picture::{Fitter, Picture};
pub use session::{Batch, Outputs, Session};
pub use ticket::{Frame, Ticket};
pub use verify::{Difference, Verifier};
pub use {program, quant, runtime};

/// The code in the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
