//! Whole models: every instruction, and the logits of many frames at once.

use converter::BuildOptions;
use shiftformer::{Cpu, Model, Session, Verifier};
use shiftformer_tests::data;

use crate::gpu;

/// Frames of noise, the same every time.
fn noise(model: &Model, count: usize) -> Vec<Vec<u8>> {
    let mut state = 1u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..count).map(|_| (0..model.frame_len()).map(|_| byte()).collect()).collect()
}

fn values(session: &mut Session, frames: &[Vec<u8>]) -> Vec<Vec<i32>> {
    let batch = session.run_batch(frames).expect("a run");
    batch.iter().map(|outputs| outputs.values(0).expect("an output").to_vec()).collect()
}

/// Every instruction of one frame is the reference's, and the outputs of `frames` frames, in one
/// submission and in another of a different size, are those of the processor.
fn agrees(file: &[u8], frames: usize) {
    let model = Model::from_bytes("a model", file).expect("a container");
    let mut on_gpu = model.session_on(gpu()).expect("a shader for every op");
    let frames = noise(&model, frames);
    let mut verifier = Verifier::new(&model).expect("the reference");
    assert_eq!(verifier.compare(&mut on_gpu, &frames[0]).expect("a run"), None);
    let mut on_cpu = model.session_on(&Cpu::best()).expect("the processor");
    let expected = values(&mut on_cpu, &frames);
    assert_eq!(values(&mut on_gpu, &frames), expected);
    assert_eq!(values(&mut on_gpu, &frames[..1]), expected[..1]);
}

#[test]
fn int8() {
    agrees(&data::bundled(), 20);
}

#[test]
fn bits() {
    agrees(&data::recipe(BuildOptions::default()), 20);
}
