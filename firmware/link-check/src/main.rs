//! The whole runtime, linked bare.
//!
//! Firmware in miniature: checks a container, opens a session, fills the input, steps
//! to the end with the reference kernels and reads the output. Nothing is known at
//! compile time, so every instruction of the runtime that a device may need is here.
//!
//! The panic handler calls a function that does not exist: if any path of the code can
//! panic, this does not link. `cargo xtask size` builds it for every bare target, looks
//! for floating point and an allocator too, and prints its size.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::panic::PanicInfo;

use quant::Reference;
use runtime::image::Frame;
use runtime::{Arena, InputKind, Model, Progress, Session};

/// Memory for the session, as a device would reserve it.
const ARENA: usize = 4096;

/// Bytes for resizing with antialiasing.
const SCRATCH: usize = 1024;

/// A container's bytes, aligned as flash would be.
#[repr(align(16))]
struct Container([u8; 96]);

static CONTAINER: Container = Container([0; 96]);

/// Where a reset handler would go.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.entry")]
extern "C" fn entry() -> ! {
    #[cfg(feature = "panics")]
    black_box(&CONTAINER.0[black_box(0)..][black_box(0)]);
    loop {
        black_box(infer(black_box(&CONTAINER.0), black_box(&[0; 64])));
    }
}

/// One inference from a frame of a camera; `None` where a device would report an error.
fn infer(container: &[u8], camera: &[u8]) -> Option<usize> {
    let model = Model::new(container).map_err(black_box).ok()?;
    let mut arena = Arena::<ARENA>::new();
    let mut session = Session::new(&model, black_box(arena.bytes())).map_err(black_box).ok()?;
    fill(session.input(black_box(0))?, camera, model.input(0)?.kind)?;
    let mut hash = 0u64;
    while let Progress::Ran(step) = session.step(&mut Reference).map_err(black_box).ok()? {
        for (first, tensor) in session.written(&step) {
            hash = hash.wrapping_add(quant::hash::hash_tensor(first, tensor));
        }
    }
    black_box(hash);
    match session.output(black_box(0))? {
        quant::ops::Tensor::I32(logits) => {
            let mut best = [0; 5];
            black_box(quant::arith::top_k(logits, &mut best));
            black_box(best);
            quant::arith::argmax(logits)
        }
        quant::ops::Tensor::I8(_) | quant::ops::Tensor::I16(_) => None,
    }
}

/// Makes the model's frame of the camera's.
fn fill(input: &mut [u8], camera: &[u8], kind: InputKind) -> Option<()> {
    let InputKind::Image(image) = kind else { return None };
    let frame = Frame::new(camera, black_box(8), black_box(8), black_box(1)).ok()?;
    let mut scratch = [0; SCRATCH];
    let needed = image.scratch_len(frame.height(), frame.width(), frame.channels());
    image.fill(frame, input, scratch.get_mut(..needed)?).ok()
}

unsafe extern "C" {
    /// Not defined anywhere: a reference to it fails the link.
    safe fn shiftformer_panics() -> !;
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    shiftformer_panics()
}
