//! The Shiftformer runtime: reads a container in place and executes it.
//!
//! `no_std`, no heap, no `unsafe`, no floating point. A [`Model`] has one constructor,
//! which checks everything: after it, running can only fail with a [`Fault`] that is
//! unreachable while the bytes stay as they were.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (bytes, frame): (&[u8], &[u8]) = (&[], &[]);
//! use quant::Reference;
//! use shiftformer_runtime::{Arena, Model, Progress, Session};
//!
//! let model = Model::new(bytes)?;
//! let mut arena = Arena::<20_480>::new();
//! let mut session = Session::new(&model, arena.bytes())?;
//! session.input(0).ok_or("no input")?.copy_from_slice(frame);
//! while let Progress::Ran(_) = session.step(&mut Reference)? {}
//! let logits = session.output(0).ok_or("no output")?;
//! # Ok(()) }
//! ```
//!
//! The container's format is specified in `SPEC.md` beside this crate.
#![no_std]
#![deny(clippy::float_arithmetic)]

#[cfg(test)]
extern crate std;

mod arena;
mod check;
mod container;
mod coverage;
mod error;
mod executor;
mod float_bits;
pub mod image;
mod io;
mod limits;
mod load;
mod model;
mod note;
mod schedule;
#[cfg(test)]
mod spec;
mod stream;

pub use arena::{ARENA_ALIGN, Arena};
pub use container::{Header, Section, container_in};
pub use error::{ArenaError, LoadError, SectionKind, SlotError};
pub use executor::{Progress, Session};
pub use float_bits::FloatBits;
pub use image::{ChannelOrder, Image};
pub use io::{Input, InputKind, Output, OutputKind, SlotHandle};
pub use limits::{
    BLOB_ALIGN, FORMAT_VERSION, HEADER_LEN, MAGIC, MAX_ARENA, MAX_INSTRUCTIONS, MAX_MACS, MAX_TILED_ROWS,
};
pub use model::{Checked, Instruction, Model};
pub use note::{Ending, Note, NoteError, Notes};
pub use quant::Fault;
pub use schedule::{Schedule, Step, Written};
pub use stream::InstructionStream;
pub use wire::crc32;

/// The code in the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
