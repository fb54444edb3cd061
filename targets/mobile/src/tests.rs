//! The interface as Kotlin and Swift see it, on the bundled model.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::thread;

use crate::{CameraFrame, Engine, Model, PixelFormat, Plane, SessionOptions, ShiftformerError};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/vit_fmnist.shf");

fn frame(seed: u8) -> Vec<u8> {
    (0..28 * 28u32).map(|at| (at * 31) as u8 ^ seed).collect()
}

#[test]
fn engines_and_ways_to_open_give_the_same_integers() {
    let bytes = std::fs::read(PATH).expect("the bundled container");
    let file = File::open(PATH).expect("the bundled container");
    let models = [
        Model::open(PATH.into()),
        Model::from_bytes("in memory".into(), bytes.clone()),
        Model::from_descriptor(file.as_raw_fd(), 0, bytes.len() as u64),
    ];
    drop(file);
    let engines = [None, Some(Engine::Cpu), Some(Engine::Gpu), Some(Engine::Reference)];
    let mut answers = Vec::new();
    for model in models {
        let model = model.expect("a sound container");
        for engine in engines {
            let options = SessionOptions { engine, threads: 1, kernels: None };
            let session = model.session(options).expect("a session");
            let answer = session.run(frame(7)).expect("a run");
            answers.push(answer.values(0).expect("logits"));
        }
    }
    assert_eq!(answers[0].len(), 10);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[test]
fn pictures_and_camera_frames_become_the_frame_of_the_model() {
    let session = Model::open(PATH.into()).and_then(|model| model.session(SessionOptions::default()));
    let session = session.expect("a session");
    let grey = frame(3);
    let expected = session.run(grey.clone()).expect("a run");
    let picture = session.run_picture(grey.clone(), 28, 28, 1).expect("a run");
    assert_eq!(picture.values(0), expected.values(0));
    assert!(picture.timings().prepare_nanoseconds > 0 && expected.timings().prepare_nanoseconds == 0);
    assert!(picture.timings().run_nanoseconds > 0);

    let rgba = grey.iter().flat_map(|&value| [value, value, value, 255]).collect();
    let plane = Plane { bytes: rgba, row_stride: 28 * 4, pixel_stride: 1 };
    let mut camera = CameraFrame {
        format: PixelFormat::Rgba,
        planes: vec![plane],
        width: 28,
        height: 28,
        rotation_degrees: 0,
        mirrored: false,
        matrix: None,
        range: None,
    };
    assert_eq!(session.run_camera(camera.clone()).expect("a run").values(0), expected.values(0));
    for (format, degrees) in [(PixelFormat::Nv12, 0), (PixelFormat::I420, 0), (PixelFormat::Rgba, 45)] {
        (camera.format, camera.rotation_degrees) = (format, degrees);
        let refused = session.run_camera(camera.clone()).expect_err("a frame that is not what it says");
        assert!(matches!(refused, ShiftformerError::Picture { .. }), "{refused}");
    }
}

#[test]
fn errors_have_reasons_and_hints() {
    let model = Model::open(PATH.into()).expect("the bundled container");
    let session = model.session(SessionOptions::default()).expect("a session");
    let answer = session.run(frame(0)).expect("a run");
    let kernels = SessionOptions { kernels: Some("none".into()), ..SessionOptions::default() };
    let errors = [
        Model::open("/nowhere.shf".into()).err(),
        Model::from_bytes("half".into(), vec![0; 40]).err(),
        Model::from_descriptor(-1, 0, 8).err(),
        Model::from_descriptor(1 << 20, 0, 8).err(),
        Model::from_descriptor(File::open(PATH).expect("the bundled container").as_raw_fd(), 1, 1 << 30)
            .err(),
        model.session(kernels).err(),
        session.run(vec![0; 3]).err(),
        session.run_batch(Vec::new()).err(),
        session.run_picture(vec![0; 3], 28, 28, 1).err(),
        answer.values(1).err(),
    ];
    for (index, error) in errors.into_iter().enumerate() {
        let error = error.unwrap_or_else(|| panic!("case {index} is no error"));
        assert!(!error.reason().is_empty() && !error.hint().is_empty(), "{error:?}");
    }
}

#[test]
fn a_batch_is_its_frames_and_threads_share_a_session() {
    let model = Model::open(PATH.into()).expect("the bundled container");
    let session = model.session(SessionOptions::default()).expect("a session");
    let frames: Vec<Vec<u8>> = (0..5).map(frame).collect();
    let batch = session.run_batch(frames.clone()).expect("a run");
    thread::scope(|scope| {
        for (frame, expected) in frames.iter().zip(&batch) {
            let session = Arc::clone(&session);
            scope.spawn(move || {
                let answer = session.run(frame.clone()).expect("a run");
                assert_eq!(answer.values(0), expected.values(0));
                assert_eq!(answer.best(), Some(answer.top(3)[0].class_index));
                assert_eq!(answer.ended(0).expect("shares").len(), 10);
            });
        }
    });
}

#[test]
fn a_run_is_cancelled_from_another_thread() {
    let model = Model::open(PATH.into()).expect("the bundled container");
    let options = SessionOptions { engine: Some(Engine::Reference), threads: 1, kernels: None };
    let session = model.session(options).expect("a session");
    let frames = vec![frame(1); 4096];
    thread::scope(|scope| {
        let running = scope.spawn(|| session.run_batch(frames).map(|answers| answers.len()));
        while !running.is_finished() {
            session.cancel();
            thread::yield_now();
        }
        let outcome = running.join().expect("no panic");
        assert!(matches!(outcome, Err(ShiftformerError::Cancelled { .. })), "{outcome:?}");
    });
    session.run(frame(1)).expect("later runs are not concerned");
}
