//! Runs that nobody waits for: futures of several sessions on one thread.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use shiftformer::{AdapterKind, Gpu, Model, Observe, RunError, Session};
use shiftformer_tests::data;

use crate::gpu;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn waker() -> Waker {
    Arc::new(Unpark(thread::current())).into()
}

type Running<'s> = Pin<Box<dyn Future<Output = Vec<Vec<i32>>> + Send + 's>>;

/// What comes of all of `futures`, and how often one was pending. The thread sleeps until a waker is
/// called.
fn join(mut futures: Vec<Running<'_>>) -> (Vec<Vec<Vec<i32>>>, usize) {
    let waker = waker();
    let mut context = Context::from_waker(&waker);
    let mut ready: Vec<Option<Vec<Vec<i32>>>> = vec![None; futures.len()];
    let mut pending = 0;
    while ready.iter().any(Option::is_none) {
        for (future, ready) in futures.iter_mut().zip(&mut ready) {
            if ready.is_none() {
                match future.as_mut().poll(&mut context) {
                    Poll::Ready(values) => *ready = Some(values),
                    Poll::Pending => pending += 1,
                }
            }
        }
        if ready.iter().any(Option::is_none) {
            thread::park();
        }
    }
    (ready.into_iter().flatten().collect(), pending)
}

fn frames(model: &Model, count: usize, seed: usize) -> Vec<Vec<u8>> {
    let byte = |frame: usize, at: usize| ((at / 5 + 1) * (2 * frame + seed + 1)) as u8;
    (0..count).map(|frame| (0..model.frame_len()).map(|at| byte(frame, at)).collect()).collect()
}

async fn values(session: &mut Session, frames: &[Vec<u8>]) -> Vec<Vec<i32>> {
    let batch = session.run_batch_async(frames).await.expect("a run");
    batch.iter().map(|outputs| outputs.values(0).expect("an output").to_vec()).collect()
}

#[test]
fn several_sessions_on_one_thread() {
    // Of its own: where software imitates a GPU, a submission waits for that before it.
    let gpu = Gpu::open(None).expect("a GPU, or Mesa's lavapipe");
    let model = Model::from_bytes("a model", &data::bundled()).expect("a container");
    let frames: Vec<_> = (0..4).map(|seed| frames(&model, 16, seed)).collect();
    let mut on_cpu = model.session().expect("the processor");
    let expected: Vec<_> = frames
        .iter()
        .map(|frames| {
            let batch = on_cpu.run_batch(frames).expect("a run");
            batch.iter().map(|outputs| outputs.values(0).expect("an output").to_vec()).collect::<Vec<_>>()
        })
        .collect();
    let mut sessions: Vec<_> =
        frames.iter().map(|_| model.session_on(&gpu).expect("a shader for every op")).collect();
    for _ in 0..2 {
        let futures = sessions.iter_mut().zip(&frames);
        let futures = futures.map(|(session, frames)| Box::pin(values(session, frames)) as Running<'_>);
        let (found, pending) = join(futures.collect());
        assert_eq!(found, expected);
        // One that waits for the GPU when it is polled never is. A fast GPU may be done by then.
        assert!(pending > 0 || gpu.adapter().kind != AdapterKind::Software);
    }
}

/// A future that is dropped leaves the session as it was.
#[test]
fn a_run_that_is_given_up() {
    let model = Model::from_bytes("a model", &data::bundled()).expect("a container");
    let mut session = model.session_on(gpu()).expect("a shader for every op");
    let frames = frames(&model, 3, 1);
    let expected = session.run(&frames[2]).expect("a run").values(0).expect("an output").to_vec();
    for _ in 0..3 {
        let mut future = Box::pin(session.run_batch_async(&frames));
        let _ = future.as_mut().poll(&mut Context::from_waker(Waker::noop())).map(|done| done.map(|_| ()));
        drop(future);
        let outputs = session.run(&frames[2]).expect("a run");
        assert_eq!(outputs.values(0), Some(&*expected));
    }
}

/// Two tickets of one session, the later one polled first.
#[test]
fn tickets_in_any_order() -> Result<(), RunError> {
    let model = Model::from_bytes("a model", &data::bundled()).expect("a container");
    let mut session = model.session_on(gpu()).expect("a shader for every op");
    let frames = frames(&model, 2, 3);
    let mut expected = Vec::new();
    for frame in &frames {
        expected.push(session.run(frame)?.values(0).expect("an output").to_vec());
    }
    let mut tickets = Vec::new();
    for frame in &frames {
        session.engine().input(0).copy_from_slice(frame);
        tickets.push(session.engine().submit(1, Observe::Nothing)?);
    }
    let waker = waker();
    let mut context = Context::from_waker(&waker);
    for ticket in tickets.iter().rev() {
        while session.engine().poll(ticket, &mut context)?.is_pending() {
            thread::park();
        }
    }
    for (ticket, expected) in tickets.iter().zip(&expected) {
        assert_eq!(ticket.frame(0).expect("a result").outputs[0], *expected);
    }
    Ok(())
}
