//! Sessions on this machine: their answers, what they allocate, and the examples.

mod allocations;
mod examples;
mod sessions;

use shiftformer::Model;

/// The bundled int8 model.
fn model() -> Model {
    Model::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../data/vit_fmnist.shf")).unwrap()
}

/// `count` frames of noise, no two alike.
fn frames(model: &Model, count: usize) -> Vec<Vec<u8>> {
    let byte = |frame: usize, at: usize| (at * (frame + 3) * 7 + at * at / 5 + frame) as u8;
    (0..count).map(|frame| (0..model.frame_len()).map(|at| byte(frame, at)).collect()).collect()
}
