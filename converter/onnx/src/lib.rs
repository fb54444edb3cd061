//! Reader of ONNX models: bytes → [`model`] → [`patterns`] → [`import`](mod@import).
//!
//! * [`proto`]: the messages of the file format.
//! * [`parse`]: messages to a [`Model`], every size checked.
//! * [`constants`] and [`fold`]: evaluation of nodes whose inputs are constants.
//! * [`patterns`]: decomposed LayerNorm, GELU and their kin to single nodes.
//! * [`import`](mod@import): the walk over the nodes that makes the float graph.
//!
//! # Bounds
//!
//! A file may come from a stranger. It is refused above 2 GiB (protobuf's own limit),
//! 2 Mi messages and texts, 65,536 nodes (functions inlined), 8 dimensions, 16 GiB of
//! external data, and 64 Mi elements of one computed constant. All computed constants
//! together hold at most 256 Mi elements more than four times those stored, and the work
//! of computing them is bounded likewise ([`constants::Budget`]).
//!
//! Before constants are computed, reading allocates at most 24 bytes for every byte of the
//! file and its external data (a bool or integer of one byte becomes eight, in a list that
//! grows by doubling, and is copied once), and 512 bytes for every message: 1 GiB.

mod array;
mod branches;
mod cast;
pub mod constants;
pub mod error;
mod external;
pub mod fold;
mod functions;
pub mod import;
mod limits;
pub mod model;
pub mod parse;
pub mod patterns;
pub mod proto;
mod reader;
mod scan;
mod tensor;
#[cfg(test)]
mod tests;

use std::path::Path;

use bytes::Bytes;

pub use error::OnnxError;
pub use external::external_files;
pub use import::Normalisation;
pub use limits::OPSETS;
pub use model::Model;

/// The code in the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Reads an ONNX model from memory; external data comes from `directory`, if one is given.
///
/// # Errors
///
/// What is wrong with the model, naming the tensor or node; [`OnnxError::ExternalData`] for
/// tensors outside the file if there is no directory.
pub fn read(
    bytes: Bytes,
    directory: Option<&Path>,
    normalisation: Normalisation,
) -> Result<float::Graph, OnnxError> {
    let mut model = parse::parse(bytes, directory)?;
    patterns::fuse(&mut model)?;
    import::build(model, normalisation)
}
