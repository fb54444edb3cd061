//! How well an integer program follows the float model it was made from.
//!
//! The program runs with the reference kernels, so the figures are those of every
//! backend. Both models run on one frame at a time for each thread; sums are kept, not
//! traces, and they are added in the order of the frames, so that the figures do not
//! depend on the number of threads.

mod compare;
pub(crate) mod error;
mod fidelity;
mod memory;
mod outputs;
mod run;
#[cfg(test)]
mod tests;

pub use compare::compare;
pub use error::MeasureError;
pub use fidelity::{MAX_SNR_DB, MIN_SNR_DB, fidelity};
