//! The examples do what they say.

#![allow(dead_code, reason = "the examples' own main functions are not called")]

#[path = "../../examples/batch.rs"]
mod batch;
#[path = "../../examples/camera.rs"]
mod camera;
#[path = "../../examples/classify.rs"]
mod classify;
#[path = "../../examples/embedded.rs"]
mod embedded;

use std::num::NonZeroUsize;

use shiftformer::{Cpu, Model, Picture};

use crate::{frames, model};

/// The class of `frame` by the reference.
fn class(model: &Model, frame: &[u8]) -> u32 {
    let mut session = model.session_on(&Cpu::reference().with_threads(NonZeroUsize::MIN)).unwrap();
    session.run(frame).unwrap().logits().unwrap().best().unwrap()
}

#[test]
fn classify_gives_the_class_of_a_picture_of_any_size() {
    let model = model();
    let pixels: Vec<u8> = (0..60 * 40 * 3).map(|at| (at * at / 11 % 251) as u8).collect();
    let picture = Picture { pixels: &pixels, height: 60, width: 40, channels: 3 };
    let (found, share) = classify::classify(model.name(), &picture).unwrap();
    assert_eq!(found, class(&model, &model.frame(&picture).unwrap()));
    assert!((10.0..=100.0).contains(&share), "the best of ten has a tenth at least: {share}");
}

#[test]
fn batch_gives_the_class_of_every_frame() {
    let model = model();
    let frames = frames(&model, 7);
    let expected: Vec<u32> = frames.iter().map(|frame| class(&model, frame)).collect();
    assert_eq!(batch::classes(&model, &frames).unwrap(), expected);
}

#[test]
fn camera_shows_every_frame_once_and_in_order() {
    let model = model();
    let frames = frames(&model, 6);
    let expected: Vec<u32> = frames.iter().map(|frame| class(&model, frame)).collect();
    let (mut session, mut next, mut shown) = (model.session().unwrap(), frames.iter(), Vec::new());
    let mut camera = |input: &mut [u8]| next.next().map(|frame| input.copy_from_slice(frame)).is_some();
    camera::watch(&mut session, &mut camera, &mut |class| shown.push(class)).unwrap();
    assert_eq!(shown, expected);
}

#[test]
fn embedded_holds_the_bundled_model() {
    let (held, file) = (embedded::model().unwrap(), model());
    assert_eq!((held.identity(), held.bytes()), (file.identity(), file.bytes()));
    let again = embedded::model().unwrap();
    assert_eq!(held.bytes().as_ptr(), again.bytes().as_ptr(), "no copy");
}
