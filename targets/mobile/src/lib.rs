//! Shiftformer for apps: one interface for Kotlin and Swift, made by UniFFI, and one for C.
//!
//! Both are thin layers over `shiftformer`. An app opens a [`Model`], makes a [`Session`] of it and
//! runs frames, pictures of any size or what a camera delivers; an [`Answer`] holds the integers
//! that every other machine gives, and what people read of them.

mod answer;
pub mod c;
mod camera;
mod error;
mod mapped;
mod model;
mod options;
mod session;
#[cfg(all(test, unix))]
mod tests;

pub use answer::{Answer, Ranked, Timings, ValueMap};
pub use camera::{CameraFrame, PixelFormat, Plane};
pub use error::ShiftformerError;
pub use model::{ImageInfo, Model, OutputInfo};
pub use options::{Engine, SessionOptions};
pub use session::Session;

uniffi::setup_scaffolding!("shiftformer");
