//! Runs of containers by every kernel set, recorded so that they can be compared whole.

pub mod cases;
pub mod kernels;
pub mod memory;
pub mod run;
pub mod source;
