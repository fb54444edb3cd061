//! Several threads at work on one frame: the same results as by one.

use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use converter::arch::Arch;
use converter::{BuildOptions, build};
use program::{Container, repack, write};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use quant::op::OpKind;
use quant::pack::{Pack, Packs};
use quant::{KernelSet, Op};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use shiftformer::{Cpu, Model, Observe, RunError, Session, Verifier};
use shiftformer_tests::case::Case;
use shiftformer_tests::source::Source;
use shiftformer_tests::{config, ops, run};

fn pools() -> Vec<ThreadPool> {
    let pool = |threads| ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
    [1, 2, 3, 7].map(pool).into()
}

/// The kernel sets of this processor.
fn kernel_sets() -> impl Iterator<Item = &'static KernelSet> {
    cpu::KERNEL_SETS.iter().filter(|set| set.is_available())
}

/// Every layout of int8 weights, where there are any, and the bits as `kernels` like them.
fn layouts(container: &Container, kernels: &KernelSet) -> Vec<Packs> {
    let int8 = container.instructions.iter().any(|i| matches!(i.op, Op::Linear(_) | Op::Conv2d(_)));
    let packs = kernels.packs();
    if int8 { Pack::ALL.map(|int8| Packs { int8, ..packs }).into() } else { vec![packs] }
}

/// Parts of one value each are the smallest that there are.
fn conforms(case: &Case, pools: &[ThreadPool]) -> Result<(), TestCaseError> {
    let fail = |e: program::ProgramError| TestCaseError::fail(e.to_string());
    let program = case.build(None);
    let want =
        run::trace(&write(&program.container).map_err(fail)?, &program.inputs, &quant::REFERENCE, 0xa5);
    for kernels in kernel_sets() {
        for packs in layouts(&program.container, kernels) {
            let file = write(&repack(&program.container, packs)).map_err(fail)?;
            for pool in pools {
                let trace =
                    || cpu::shared(cpu::Part::TINY, || run::trace(&file, &program.inputs, kernels, 0));
                let got = pool.install(trace);
                let threads = pool.current_num_threads();
                let what = || format!("{} with {packs:?} on {threads} threads", kernels.name());
                prop_assert!(got == want, "{}: {:?}", what(), got.difference(&want));
            }
        }
    }
    Ok(())
}

#[test]
fn every_op_in_parts_equals_the_reference() {
    let pools = pools();
    for &kind in OpKind::ALL {
        let mut runner = TestRunner::new(config(4));
        runner.run(&ops::cases(kind), |case| conforms(&case, &pools)).unwrap_or_else(|e| panic!("{e}"));
    }
}

/// A model that is large enough for several threads, and frames for it.
fn model() -> (Model, Vec<Vec<u8>>) {
    let arch = Arch {
        name: "of some size",
        image: 48,
        channels: 3,
        patch: 8,
        width: 160,
        depth: 4,
        heads: 5,
        hidden: 640,
        classes: 100,
    };
    let file = build(&arch.random(5), BuildOptions::default()).expect("a sound graph");
    let model = Model::from_bytes(arch.name, &file).expect("a container that was written");
    let frame = |seed| Source::new(seed).values(model.frame_len() as u32);
    let frames = (1..=4).map(frame).collect();
    (model, frames)
}

fn cpu_with(threads: usize) -> Cpu {
    Cpu::best().with_threads(NonZeroUsize::new(threads).expect("threads"))
}

fn logits(session: &mut Session, frame: &[u8]) -> Vec<i32> {
    session.run(frame).expect("a run").values(0).expect("an output").to_vec()
}

#[test]
fn every_instruction_of_a_model_equals_the_reference() {
    let (model, frames) = model();
    let mut verifier = Verifier::new(&model).expect("the reference");
    for kernels in Cpu::kernel_sets() {
        for threads in [2, 3, 7] {
            let cpu = cpu_with(threads).with_kernels(kernels.name()).expect("one of the list");
            let mut session = model.session_on(&cpu).expect("a session");
            assert_eq!(verifier.compare(&mut session, &frames[0]).expect("runs"), None, "{cpu:?}");
        }
    }
}

#[test]
fn a_frame_a_batch_and_tickets_give_what_one_thread_gives() {
    let (model, frames) = model();
    let mut alone = model.session_on(&cpu_with(1)).expect("a session");
    let expected: Vec<Vec<i32>> = frames.iter().map(|frame| logits(&mut alone, frame)).collect();
    let mut session = model.session_on(&cpu_with(3)).expect("a session");
    for count in 1..=frames.len() {
        let batch = session.run_batch(&frames[..count]).expect("a run");
        let found: Vec<_> =
            batch.iter().map(|outputs| outputs.values(0).expect("an output").to_vec()).collect();
        assert_eq!(found, expected[..count]);
    }
    let mut tickets = Vec::new();
    for frame in &frames {
        let engine = session.engine();
        engine.input(0).copy_from_slice(frame);
        tickets.push(engine.submit(1, Observe::Nothing).expect("a frame"));
    }
    let dropped = tickets.remove(1);
    drop(dropped);
    for (index, ticket) in [0, 2, 3].into_iter().zip(&tickets).rev() {
        session.engine().wait(ticket).expect("a run");
        assert_eq!(session.outputs(ticket, 0).expect("done").values(0), Some(&expected[index][..]));
    }
    let engine = session.engine();
    engine.input(0).copy_from_slice(&frames[0]);
    let unfinished = engine.submit(1, Observe::Nothing).expect("a frame");
    drop(session);
    assert!(unfinished.is_done(), "finished, or cancelled by the end of the session");
}

#[test]
fn what_several_threads_run_is_cancelled_and_the_next_run_is_whole() {
    let (model, frames) = model();
    let mut session = model.session_on(&cpu_with(2)).expect("a session");
    let expected = logits(&mut session, &frames[0]);
    let canceller = session.canceller();
    let begun = Instant::now();
    let error = thread::scope(|scope| {
        let (stop, stopped) = channel::<()>();
        scope.spawn(move || {
            while stopped.recv_timeout(Duration::from_micros(500)) == Err(RecvTimeoutError::Timeout) {
                canceller.cancel();
            }
        });
        let error = loop {
            match session.run(&frames[0]) {
                Ok(_) => assert!(begun.elapsed() < Duration::from_secs(60), "nothing is cancelled"),
                Err(error) => break error,
            }
        };
        drop(stop);
        error
    });
    assert_eq!(error, RunError::Cancelled);
    assert_eq!(logits(&mut session, &frames[0]), expected);
}

/// While a thread of a rayon pool waits for a session, it takes up no other work of its pool: a
/// session behind a lock may be used there.
#[test]
fn sessions_behind_a_lock_run_inside_of_a_pool_of_the_caller() {
    let (model, frames) = model();
    let mut alone = model.session_on(&cpu_with(1)).expect("a session");
    let expected: Vec<Vec<i32>> = frames.iter().map(|frame| logits(&mut alone, frame)).collect();
    let session = Mutex::new(model.session_on(&cpu_with(2)).expect("a session"));
    let pool = ThreadPoolBuilder::new().num_threads(2).build().expect("threads");
    let found: Vec<Vec<i32>> = pool.install(|| {
        let run =
            |index: usize| logits(&mut session.lock().expect("no panic"), &frames[index % frames.len()]);
        (0..16).into_par_iter().map(run).collect()
    });
    assert_eq!(found, vec![expected; 4].concat());
}
