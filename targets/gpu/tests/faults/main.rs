//! What goes wrong with a GPU, each a test of its own: a typed error, never a panic, a hang or
//! another result.

mod cache;

use std::ops::Range;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use program::{Dataflow, ReplanOptions, repack, replan, write_as};
use quant::pack::Packs;
use runtime::Model;
use shiftformer_gpu::{Gpu, OpenError, PlanError, Program, RunError, Submission};

fn block_on<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("native drivers answer at once"),
    }
}

fn open() -> Gpu {
    block_on(Gpu::open(None)).expect("a GPU, or Mesa's lavapipe: `cargo xtask prepare` installs it")
}

/// A container that begins at a multiple of 4 in memory.
struct Aligned {
    words: Vec<u32>,
    len: usize,
}

impl Aligned {
    fn new(bytes: &[u8]) -> Self {
        let word = |four: &[u8]| four.iter().rev().fold(0, |all, &byte| all << 8 | u32::from(byte));
        Self { words: bytes.chunks(4).map(word).collect(), len: bytes.len() }
    }

    fn model(&self) -> Model<'_> {
        Model::new(&bytemuck::cast_slice(&self.words)[..self.len]).expect("a container")
    }
}

/// The bundled model without tiles, and the bytes of its input.
fn planned() -> (Aligned, usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/vit_fmnist.shf");
    let file = Aligned::new(&std::fs::read(path).expect("the bundled container"));
    let model = file.model();
    let flow = Dataflow::of(&model).expect("its dataflow");
    let options = ReplanOptions { align: 64, tiles: false };
    let plan = repack(&replan(&model, &flow, options).expect("a layout"), Packs::CANONICAL);
    let frame = model.inputs().map(|input| input.slot.bytes() as usize).sum();
    (Aligned::new(&write_as(&plan, *model.identity()).expect("a container")), frame)
}

fn load(gpu: &Gpu) -> Result<(Program, Vec<u8>), PlanError> {
    let (file, frame) = planned();
    Ok((block_on(Program::load(gpu, &file.model()))?, vec![7; frame]))
}

fn logits(program: &mut Program, frames: &[&[u8]]) -> Result<Vec<Vec<i32>>, RunError> {
    let submission = program.submit(frames)?;
    submission.wait()?;
    let mut outputs = Vec::new();
    (0..frames.len()).map(|at| submission.read(at, &mut outputs).map(|()| outputs[0].clone())).collect()
}

/// Frames that differ, and have other logits.
fn patterns(frame_len: usize, count: u8) -> Vec<Vec<u8>> {
    let pattern = |seed: u8| (0..frame_len).map(move |at| (at as u8 / 7).wrapping_mul(seed * 2 + 1));
    (0..count).map(|seed| pattern(seed).collect()).collect()
}

#[test]
fn submissions_in_flight_that_are_dropped_in_any_order() {
    let (mut program, frame) = load(&open()).expect("shaders for every op");
    let frames = patterns(frame.len(), 6);
    let frames: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
    let expected: Vec<_> =
        frames.iter().map(|frame| logits(&mut program, &[frame]).expect("a run").remove(0)).collect();
    assert!(expected[1..].iter().all(|logits| *logits != expected[0]));
    let check = |submission: &Submission, range: Range<usize>| {
        submission.wait().expect("a run");
        let mut outputs = Vec::new();
        for (at, expected) in expected[range].iter().enumerate() {
            submission.read(at, &mut outputs).expect("a result");
            assert_eq!(outputs[0], *expected);
        }
    };
    for round in 0..4 {
        let ranges = [0..1, 1..2, 2..5, 5..6, 0..6, 3..4];
        let mut flights: Vec<_> = ranges
            .iter()
            .map(|range| (program.submit(&frames[range.clone()]).expect("memory"), range.clone()))
            .collect();
        // Two of them before their end, perhaps, and one that has ended.
        drop(flights.swap_remove(round));
        drop(flights.pop());
        flights.reverse();
        let (submission, range) = flights.swap_remove(round % 3);
        check(&submission, range);
        drop(submission);
        let again = program.submit(&frames[1..3]).expect("memory");
        flights.iter().for_each(|(submission, range)| check(submission, range.clone()));
        check(&again, 1..3);
    }
}

#[test]
fn an_adapter_that_is_not_there() {
    let error = block_on(Gpu::open(Some("abacus"))).expect_err("no such adapter");
    assert!(matches!(&error, OpenError::Unknown { asked, .. } if asked == "abacus"), "{error}");
    assert!(block_on(Gpu::open(Some("99"))).is_err());
}

#[test]
fn a_device_that_is_lost_before_and_during_a_run() {
    let gpu = open();
    let (mut program, frame) = load(&gpu).expect("shaders for every op");
    logits(&mut program, &[&frame]).expect("a run");
    let submission = program.submit(&[&frame]).expect("memory");
    gpu.lose();
    // What was submitted before may have ended; it says so or is lost, and does not hang.
    if submission.wait().is_ok() {
        submission.read(0, &mut Vec::new()).expect("what has ended");
    }
    assert_eq!(logits(&mut program, &[&frame]), Err(RunError::Lost));
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn a_device_that_is_lost_while_a_future_sleeps() {
    let gpu = open();
    let (mut program, frame) = load(&gpu).expect("shaders for every op");
    let submission = program.submit(&vec![frame.as_slice(); 16]).expect("memory");
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut context = Context::from_waker(&waker);
    // A fast GPU may have ended it.
    let _ = submission.poll(&mut context);
    gpu.lose();
    // It is woken whatever became of its work.
    while submission.poll(&mut context).is_pending() {
        thread::park();
    }
    assert_eq!(submission.wait(), Err(RunError::Lost));
}

#[test]
fn memory_that_is_not_there() {
    let gpu = open().with_limits(1 << 20, 1 << 20);
    let (mut program, frame) = load(&gpu).expect("shaders for every op");
    let most = program.most_frames();
    assert!((1..100).contains(&most), "{most}");
    let frames = vec![frame.as_slice(); most];
    let all = logits(&mut program, &frames).expect("a run");
    assert!(all.iter().all(|logits| *logits == all[0]));
}

#[test]
fn a_model_beyond_the_limits_of_bindings() {
    let gpu = open().with_limits(1 << 12, 1 << 12);
    let error = load(&gpu).map(|_| ()).expect_err("a frame of more than 4 KiB");
    assert!(matches!(error, PlanError::TooLarge { limit: 4096, .. }), "{error}");
}

#[test]
fn constants_beyond_one_piece_of_memory_are_split() {
    let (mut whole, frame) = load(&open()).expect("shaders for every op");
    // The largest instruction's constants fit, all together do not.
    let (mut split, _) = load(&open().with_limits(100_000, 100_000)).expect("shaders for every op");
    assert!(split.memory_bytes() > 100_000);
    assert_eq!(logits(&mut split, &[&frame]), logits(&mut whole, &[&frame]));
}

#[test]
fn several_models_and_threads_on_one_device() {
    let gpu = open();
    let (mut first, frame) = load(&gpu).expect("shaders for every op");
    let expected = logits(&mut first, &[&frame]).expect("a run");
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let (mut program, frame) = load(&gpu).expect("shaders for every op");
                for _ in 0..3 {
                    assert_eq!(logits(&mut program, &[&frame, &frame]).expect("a run")[1..], expected);
                }
            });
        }
    });
}

/// A GPU whose products take only tiles in WGSL, and the logits of `count` frames there.
fn sound(count: usize) -> (Gpu, Vec<Vec<i32>>) {
    let (mut program, frame) = load(&open()).expect("shaders for every op");
    assert_eq!(program.gpu().disabled(), [""; 0]);
    let logits = logits(&mut program, &vec![frame.as_slice(); count]).expect("a run");
    (open().with_matrices(None), logits)
}

#[test]
fn a_driver_that_miscompiles_one_tile() {
    let (gpu, expected) = sound(1);
    gpu.spoil("16x32");
    for _ in 0..2 {
        let (mut program, frame) = load(&gpu).expect("another tile");
        assert_eq!(gpu.disabled(), ["16x32"]);
        assert_eq!(logits(&mut program, &[&frame]).as_ref(), Ok(&expected));
    }
}

#[test]
fn a_driver_that_miscompiles_tiles_for_many_frames() {
    let (gpu, expected) = sound(64);
    for row in ["64x64", "32x64"] {
        gpu.spoil(row);
    }
    let (mut program, frame) = load(&gpu).expect("shaders for every op");
    assert_eq!(gpu.disabled(), [""; 0]);
    assert_eq!(logits(&mut program, &vec![frame.as_slice(); 64]), Ok(expected));
    assert!(!gpu.disabled().is_empty(), "one of them is for 64 frames");
}

#[test]
fn a_driver_that_miscompiles_every_tile() {
    let (_, expected) = sound(1);
    let gpu = open();
    for row in gpu.tiles().into_iter().chain(gpu.attention_tiles()).chain(["subgroups"]) {
        gpu.spoil(row);
    }
    let (mut program, frame) = load(&gpu).expect("kernels without tiles");
    let disabled = gpu.disabled();
    assert!(gpu.tiles().iter().all(|row| disabled.contains(row)), "{disabled:?}");
    assert_eq!(program.kernels(), "wgsl");
    assert_eq!(logits(&mut program, &[&frame]), Ok(expected));
}

#[test]
fn a_driver_that_miscompiles_what_has_no_alternative() {
    let gpu = open();
    gpu.spoil("layer_norm");
    let adapter = gpu.adapter().name.clone();
    let expected = PlanError::Miscompiled { kernel: "layer_norm", adapter };
    for _ in 0..2 {
        assert_eq!(load(&gpu).map(|_| ()).as_ref(), Err(&expected));
    }
}
