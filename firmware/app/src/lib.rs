//! The application that every board runs.
//!
//! A model in flash, read in place; a static arena; a serial line on which a host
//! identifies the device, sends frames, reads outputs and compares hashes. Generic over
//! `embedded-io` and `embedded-hal` traits: a board brings the port, the clock, the
//! lights and the watchdog, and nothing here knows which board it is.
//!
//! No heap, no `unsafe`, no panic: an image in which a panic can be reached does not
//! link.
#![no_std]
#![deny(clippy::float_arithmetic)]

#[cfg(test)]
extern crate std;

mod board;
mod boot;
mod frames;
mod log;
mod program;
#[cfg(any(test, feature = "defmt"))]
mod ring;
mod show;

use embedded_hal::digital::OutputPin;
use embedded_io::{Read, ReadReady, Write};
use link::Device;
use quant::Kernels;
use runtime::Session;

pub use crate::board::{Clock, NoWatchdog, Stack, Watchdog};
use crate::boot::{greet, open, report};
use crate::frames::Frames;
pub use crate::frames::{FrameSource, NoFrames};
pub use crate::log::{Log, NoLog};
use crate::program::Program;
#[cfg(feature = "defmt")]
pub use crate::ring::Ring;

/// What a board brings.
#[derive(Debug)]
pub struct Board<P, C, S, L, W, G, const LIGHTS: usize> {
    /// Its name, as on the command line.
    pub name: &'static str,
    /// The serial line.
    pub port: P,
    /// The clock.
    pub clock: C,
    /// The stack.
    pub stack: S,
    /// Lights that show the class in binary, lowest bit first.
    pub lights: [L; LIGHTS],
    /// The watchdog.
    pub watchdog: W,
    /// The log that goes over the serial line.
    pub log: G,
}

/// Serves the model in `flash` for ever. `flash` is the region for the model, which may
/// be larger than the model, and hold none.
pub fn serve<P, C, S, L, W, G, K, const LIGHTS: usize>(
    board: Board<P, C, S, L, W, G, LIGHTS>,
    kernels: K,
    flash: &[u8],
    arena: &mut [u8],
) -> !
where
    P: Read + ReadReady + Write,
    C: Clock,
    S: Stack,
    L: OutputPin,
    W: Watchdog,
    G: Log,
    K: Kernels,
{
    serve_with_frames(board, kernels, flash, arena, NoFrames)
}

/// Like [`serve`], and classifies the frames of `source` while no host runs the program.
/// The watchdog is fed and the line answered between any two steps, whoever runs them.
#[inline(never)]
pub fn serve_with_frames<P, C, S, L, W, G, K, F, const LIGHTS: usize>(
    board: Board<P, C, S, L, W, G, LIGHTS>,
    mut kernels: K,
    flash: &[u8],
    arena: &mut [u8],
    source: F,
) -> !
where
    P: Read + ReadReady + Write,
    C: Clock,
    S: Stack,
    L: OutputPin,
    W: Watchdog,
    G: Log,
    K: Kernels,
    F: FrameSource,
{
    let Board { name, mut port, mut clock, stack, mut lights, mut watchdog, mut log } = board;
    watchdog.feed();
    let arena_size = arena.len() as u32;
    let (model, state) = open(flash, arena_size);
    log::set_time(&mut clock);
    report(name, kernels.name(), C::HZ, arena_size, &state);
    // The line may fail; the device goes on without a greeting.
    let _ = greet(&mut port, name, &state, arena_size);
    let session = model.as_ref().and_then(|model| Session::new(model, arena).ok());
    let mut device = Device::new();
    let mut program = Program {
        name,
        state,
        session,
        kernels: &mut kernels,
        clock: &mut clock,
        stack: &stack,
        lights: &mut lights,
        steps: 0,
        deepest: 0,
        arena_size,
        model_size: model.as_ref().map_or(0, |model| model.file_len() as u32),
    };
    program.note_stack();
    let mut frames = Frames::new(source);
    loop {
        watchdog.feed();
        log::set_time(program.clock);
        // A line that fails is tried again.
        let _ = device.poll(&mut port, &mut program);
        let _ = log::carry(&mut log, &mut device, &mut port);
        frames.turn(&mut device, &mut program);
    }
}
