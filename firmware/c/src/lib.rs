//! The runtime for firmware written in C: a static library behind `include/shiftformer.h`.
//!
//! No heap, no globals, no panic: a model lives in memory that the caller gives, every
//! pointer is checked as far as a pointer can be, and a program in which a panic can be
//! reached does not link. `cargo xtask c-header` writes the header from this crate.
#![no_std]
#![deny(clippy::float_arithmetic)]

mod memory;
mod model;

// In the order of the header.
mod status;

mod open;

mod describe;

mod inputs;

mod run;

unsafe extern "C" {
    /// Not defined anywhere: a reference to it fails the link.
    safe fn shiftformer_panics() -> !;
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    shiftformer_panics()
}
