//! Programs under construction: instructions over virtual memory, then planned,
//! packed and written.

mod draft;
mod plan;
mod repack;
mod widths;
mod write;

pub(crate) use draft::Visit;
pub use draft::{BlobStore, Draft, InputSpec, Named, OutputSpec, Region};
pub use plan::{MAX_STEP_MACS, PlanOptions, plan};
pub use repack::repack;
pub use widths::ProductBits;
pub use write::{Container, write};
