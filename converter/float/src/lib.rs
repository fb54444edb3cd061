//! The float graph: what importers of trained models produce, and what calibration
//! turns into integers.
//!
//! Every tensor is `rows × width` values in row-major order, one image at a time. Nodes
//! read and write whole tensors or strided parts of them; the layout of the model file
//! (batch dimensions, channels first, heads first) is gone.
//!
//! * [`Graph`] and [`Node`]: the graph, and what it is made of.
//! * [`simplify()`] and [`fold_pixels`]: rewrites that leave what it computes as it is.
//! * [`Evaluator`]: the truth that calibration and reports compare with.
//! * [`math`]: functions of real numbers, the same on every machine.

mod binary;
mod error;
mod eval;
mod graph;
mod layout;
pub mod math;
mod preprocessing;
mod progress;
mod rectified;
mod scores;
mod simplify;

pub use binary::Signs;
pub use error::GraphError;
pub use eval::{Evaluator, evaluate_node, linear};
pub use graph::{Dense, Function, Graph, Node, Output, Pairs, Part, Tensor};
pub use layout::{Geometry, Strided, TensorId};
pub use preprocessing::{Preprocessing, StatedPixels};
pub use progress::Progress;
pub use scores::{SCORE_REACH, least_score};
pub use simplify::{fold_pixels, simplify};

/// The code in the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
