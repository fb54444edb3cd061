//! What a host and a device that runs Shiftformer programs say to each other.
//!
//! `no_std`, no heap, no `unsafe`, no panic. Over any serial line: each message is a
//! postcard record with a CRC-32 in a COBS frame. The host asks, the device answers;
//! every request may be repeated without harm, so the host repeats it until it has an
//! answer. Whatever the line loses, flips or repeats, a request ends in the right
//! answer or in a named error, and the device stays ready.
//!
//! A device embeds a [`Device`] and implements [`Target`]; a host wraps its line in a
//! [`Host`].
#![no_std]
#![deny(clippy::float_arithmetic)]

#[cfg(test)]
extern crate std;

mod cobs;
mod device;
mod frame;
mod host;
mod message;
mod problem;

pub use device::{Device, Event, Target};
pub use frame::{CHUNK, Damaged, MAX_FRAME, MAX_MESSAGE, Receiver, Sender};
pub use host::{Host, HostError, Line, Patience};
pub use message::{
    Answer, Finished, Identity, Log, MemoryUse, ModelState, PROTOCOL, Reply, Request, Stepped, ToDevice,
    ToHost, log_of,
};
pub use problem::Problem;
pub use wire::{Checksum, crc32};

/// The code in the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
