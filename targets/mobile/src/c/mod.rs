//! The interface for C. `cargo xtask c-header` writes `include/shiftformer.h` from this module, so
//! its types have the names that they have in C.
//!
//! Every function looks at its pointers as far as a pointer can be looked at, catches what panics,
//! and returns a status. A handle is a number that looks like a pointer; nobody follows it.
#![allow(non_camel_case_types)]

mod handles;
mod memory;

// In the order of the header.
pub mod status;

pub mod model;

pub mod session;

pub mod camera;

pub mod run;

pub mod answer;
