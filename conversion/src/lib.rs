//! A trained model and pictures of its task to a container, its facts and its report.
//!
//! [`convert`] is the whole way. The command line and the Python package are made of it, so that
//! they do the same and say the same.

mod calibration;
mod choice;
pub mod comparison;
mod convert;
mod converted;
mod failure;
pub mod frames;
pub mod labels;
mod listener;
mod normalisation;
mod options;
mod overwriting;
mod pictures;
pub mod stream;
mod target;
mod writing;

pub use calibration::{Calibration, Images};
pub use choice::{Choice, NoChoice};
pub use convert::convert;
pub use converted::{Converted, Made, calibrate, identity};
pub use failure::Failure;
pub use frames::FrameSource;
pub use listener::Listener;
pub use normalisation::{Normalisation, unit_scaled};
pub use options::{Format, Options, percent};
pub use overwriting::Files;
pub use pictures::{Interpolation, Pictures, Shape, fraction};
pub use target::Target;
pub use writing::write_file;

/// The code in the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
