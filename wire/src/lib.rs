//! [postcard]'s wire format, in little code.
//!
//! The `postcard` crate expands the loop over the bytes of a number at every field of every
//! record that a program reads or writes: an eighth of the firmware of a small model. Here
//! that loop is one function. What hosts write with `postcard` is read here and the other way
//! round; the tests compare both.
//!
//! Checksums are the CRC-32 of IEEE 802.3 everywhere, four bits at a time: [`crc32`].
//!
//! Only what records of the container and messages of the link are made of: integers,
//! `bool`, borrowed text and bytes, `Option`, arrays, structs and enums. Other types are an
//! [`Error`].
//!
//! [postcard]: https://postcard.jamesmunns.com/wire-format
#![no_std]

#[cfg(test)]
extern crate std;

mod crc;
mod reader;
mod writer;

use core::fmt::{self, Display};

pub use crc::{Checksum, crc32};
pub use reader::{Reader, from_bytes};
pub use writer::to_slice;

/// Bytes that are not a value of the type, or a value that has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error;

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("malformed record, or no room for one")
    }
}

impl core::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: Display>(_: T) -> Self {
        Error
    }
}

impl serde::ser::Error for Error {
    fn custom<T: Display>(_: T) -> Self {
        Error
    }
}

#[cfg(test)]
mod tests;
