//! Builds and rebuilds programs.
//!
//! A [`Draft`] holds instructions over virtual memory; [`plan`] gives it an arena, [`write()`]
//! encodes it as a container that the runtime's checker has admitted. [`load`] checks a container,
//! [`Container::read`] takes it apart again, and [`repack`] changes the layout of its weights.

mod container;
mod dataflow;
mod draft;
mod error;
mod load;
mod notes;
mod panels;
mod place;
mod plan;
mod record;
mod repack;
mod replan;
mod widths;
mod write;

pub use container::Container;
pub use dataflow::{Access, Dataflow, Definition, Rows, Storage, Use, Value, View};
pub use draft::{BlobStore, Draft, InputSpec, Named, OutputSpec, Region};
pub use error::ProgramError;
pub use load::load;
pub use notes::NoteStore;
pub use plan::{MAX_STEP_MACS, PlanOptions, plan};
pub use repack::repack;
pub use replan::{ReplanOptions, SCORE_ROWS, replan};
pub use widths::ProductBits;
pub use write::{front, identity, write, write_as};

/// The code in the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
