//! Engines, batches, tickets, cancellation.

use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake};
use std::thread;
use std::time::{Duration, Instant};

use shiftformer::quant::bits::BitPack;
use shiftformer::quant::pack::{Pack, Packs};
use shiftformer::runtime::crc32;
use shiftformer::{Cpu, Model, Observe, Picture, PictureError, RunError, Session, Verifier};

use crate::{frames, model};

fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

fn logits(session: &mut Session, frame: &[u8]) -> Vec<i32> {
    session.run(frame).unwrap().values(0).unwrap().to_vec()
}

#[test]
fn models_and_sessions_go_from_thread_to_thread() {
    fn everywhere<T: Clone + Send + Sync + 'static>() {}
    fn once<T: Send + 'static>() {}
    everywhere::<Model>();
    once::<Session>();
}

#[test]
fn every_kernel_set_thread_count_and_batch_gives_the_same_outputs() {
    let model = model();
    let frames = frames(&model, 9);
    let mut reference = model.session_on(&Cpu::reference()).unwrap();
    let expected: Vec<Vec<i32>> = frames.iter().map(|frame| logits(&mut reference, frame)).collect();
    for kernels in Cpu::kernel_sets() {
        for count in [1, 2, 5] {
            let cpu = Cpu::best().with_kernels(kernels.name()).unwrap().with_threads(threads(count));
            let mut session = model.session_on(&cpu).unwrap();
            for batch in [1, 2, 9] {
                let mut found = Vec::new();
                for part in frames.chunks(batch) {
                    let outputs = session.run_batch(part).unwrap();
                    found.extend(outputs.iter().map(|outputs| outputs.values(0).unwrap().to_vec()));
                }
                assert_eq!(found, expected, "{cpu:?}, batches of {batch}");
            }
        }
    }
}

#[test]
fn every_instruction_equals_the_reference_and_a_difference_is_named() {
    let model = model();
    let (mut verifier, mut session) = (Verifier::new(&model).unwrap(), model.session().unwrap());
    for frame in frames(&model, 2) {
        assert_eq!(verifier.compare(&mut session, &frame).unwrap(), None);
    }
    let count = verifier.expected(&frames(&model, 1)[0]).unwrap().len();
    assert_eq!(count, model.container().instructions().filter(|i| i.op.kind().name() != "Tile").count());
    // A session of another model stands for an engine that is wrong.
    let mut bytes = model.bytes().to_vec();
    let last = bytes.len() - 16;
    bytes[last] ^= 1;
    let crc = crc32(&bytes[16..]);
    bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    let wrong = Model::from_bytes("altered", &bytes).unwrap();
    let difference = verifier.compare(&mut wrong.session().unwrap(), &frames(&model, 1)[0]).unwrap();
    let difference = difference.expect("another constant gives another result");
    assert!(!difference.name.is_empty() && difference.found != Some(difference.expected), "{difference:?}");
}

#[test]
fn several_tickets_are_in_flight_and_keep_their_outputs() {
    let model = model();
    let frames = frames(&model, 6);
    let mut reference = model.session_on(&Cpu::reference()).unwrap();
    let mut session = model.session_on(&Cpu::best().with_threads(threads(3))).unwrap();
    let mut tickets = Vec::new();
    for pair in frames.chunks(2) {
        let engine = session.engine();
        engine.input(1).copy_from_slice(&pair[1]);
        engine.input(0).copy_from_slice(&pair[0]);
        tickets.push(engine.submit(2, Observe::Nothing).unwrap());
    }
    for ticket in tickets.iter().rev() {
        session.engine().wait(ticket).unwrap();
    }
    for (index, frame) in frames.iter().enumerate() {
        let outputs = session.outputs(&tickets[index / 2], index % 2).unwrap();
        assert_eq!(outputs.values(0).unwrap(), logits(&mut reference, frame));
    }
}

/// Counts its calls.
struct Counted(AtomicUsize);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn polling_wakes_when_all_is_done_and_works_where_there_is_no_thread() {
    let model = model();
    let frame = frames(&model, 1).remove(0);
    let waker = Arc::new(Counted(AtomicUsize::new(0)));
    let mut session = model.session_on(&Cpu::best().with_threads(threads(3))).unwrap();
    let engine = session.engine();
    engine.input(0).copy_from_slice(&frame);
    let ticket = engine.submit(1, Observe::Nothing).unwrap();
    let as_waker = Arc::clone(&waker).into();
    let begun = Instant::now();
    if engine.poll(&ticket, &mut Context::from_waker(&as_waker)).is_pending() {
        while waker.0.load(Ordering::SeqCst) == 0 {
            assert!(begun.elapsed() < Duration::from_secs(60), "nobody wakes");
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(engine.poll(&ticket, &mut Context::from_waker(&as_waker)), Poll::Ready(Ok(())));
    }

    let mut session = model.session_on(&Cpu::best().with_threads(threads(1))).unwrap();
    let engine = session.engine();
    engine.input(0).copy_from_slice(&frame);
    let ticket = engine.submit(1, Observe::Nothing).unwrap();
    let mut done = poll_fn(|context| engine.poll(&ticket, context));
    let done = std::pin::Pin::new(&mut done);
    assert_eq!(done.poll_once(&as_waker), Poll::Ready(Ok(())));
}

/// One call of a future.
trait Once: Future {
    fn poll_once(self: std::pin::Pin<&mut Self>, waker: &std::task::Waker) -> Poll<Self::Output> {
        self.poll(&mut Context::from_waker(waker))
    }
}

impl<F: Future> Once for F {}

#[test]
fn what_is_cancelled_or_dropped_does_not_stop_what_follows() {
    let model = model();
    let frames = frames(&model, 8);
    let mut reference = model.session_on(&Cpu::reference()).unwrap();
    for count in [1, 2] {
        let mut session = model.session_on(&Cpu::best().with_threads(threads(count))).unwrap();
        let engine = session.engine();
        for (index, frame) in frames.iter().enumerate() {
            engine.input(index).copy_from_slice(frame);
        }
        let ticket = engine.submit(8, Observe::Nothing).unwrap();
        ticket.cancel();
        assert_eq!(engine.wait(&ticket), Err(RunError::Cancelled));
        assert_eq!((ticket.error(7), ticket.frame(7).is_none()), (Some(RunError::Cancelled), true));
        drop(ticket);
        drop(engine.submit(3, Observe::Nothing).unwrap());
        assert_eq!(logits(&mut session, &frames[3]), logits(&mut reference, &frames[3]));
    }
}

#[test]
fn what_cannot_run_is_refused() {
    let model = model();
    let mut session = model.session().unwrap();
    let len = model.frame_len();
    assert_eq!(session.run(&[0; 3]).unwrap_err(), RunError::Frame { expected: len, found: 3 });
    assert_eq!(session.run_batch::<Vec<u8>>(&[]).unwrap_err(), RunError::NoFrames);
    assert!(Cpu::best().with_kernels("abacus").unwrap_err().to_string().contains("portable, reference"));
    let empty = Picture { pixels: &[], height: 0, width: 4, channels: 1 };
    assert!(matches!(model.frame(&empty), Err(PictureError::Fit(_))));
    let missing = Model::open("no/such.shf").unwrap_err().to_string();
    assert!(missing.contains("no/such.shf"), "{missing}");
}

#[test]
fn clones_share_and_repacking_keeps_the_identity() {
    let model = model();
    assert_eq!(model.clone().bytes().as_ptr(), model.bytes().as_ptr());
    let packs = Packs { int8: Pack::Panel2x16, bits: BitPack::Panel16 };
    let packed = model.repacked(packs).unwrap();
    assert_eq!(packed.identity(), model.identity());
    assert_ne!(packed.layouts(), model.layouts());
    assert_eq!(packed.repacked(packs).unwrap().bytes().as_ptr(), packed.bytes().as_ptr());
}

#[test]
fn sessions_of_a_model_share_the_weights_that_were_laid_out() {
    let (model, other) = (model(), model());
    let place = |session: &Session| session.model().container().blobs().as_ptr();
    let (first, second) = (model.session().unwrap(), model.session().unwrap());
    assert_eq!(place(&first), place(&second));
    assert_eq!(place(&first), place(&first.model().session().unwrap()));
    assert_ne!(place(&first), place(&other.session().unwrap()));
    assert_ne!(place(&first), place(&model.session_on(&Cpu::reference()).unwrap()));
}

#[test]
fn a_model_laid_out_for_this_machine_is_a_container() {
    let model = model();
    let frame = &frames(&model, 1)[0];
    let expected = logits(&mut model.session().unwrap(), frame);
    let host = model.session().unwrap().model().clone();
    let again = Model::from_bytes("again", host.bytes()).unwrap();
    assert_eq!((again.identity(), again.layouts()), (model.identity(), host.layouts()));
    assert_eq!(host.bytes().len(), host.container().file_len());
    assert_eq!(logits(&mut again.session_on(&Cpu::reference()).unwrap(), frame), expected);
}

/// Bytes that lie at an address of a chosen remainder by 4, and say when they are dropped.
struct Lent(Vec<u8>, usize, Arc<AtomicUsize>);

impl Lent {
    fn new(bytes: &[u8], odd: usize, dropped: &Arc<AtomicUsize>) -> Self {
        let mut room = vec![0; bytes.len() + 8];
        let start = room.as_ptr().align_offset(4) + odd;
        room[start..start + bytes.len()].copy_from_slice(bytes);
        room.truncate(start + bytes.len());
        Self(room, start, Arc::clone(dropped))
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0[self.1..]
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.2.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn bytes_of_others_are_read_in_place_where_they_are_aligned() {
    let model = model();
    let frame = &frames(&model, 1)[0];
    let expected = logits(&mut model.session().unwrap(), frame);
    for (odd, copied) in [(0, false), (1, true)] {
        let dropped = Arc::new(AtomicUsize::new(0));
        let lent = Lent::new(model.bytes(), odd, &dropped);
        let place = lent.as_ref().as_ptr();
        let owned = Model::from_owner("lent", lent).unwrap();
        assert_eq!(owned.bytes().as_ptr() != place, copied);
        assert_eq!(dropped.load(Ordering::SeqCst), usize::from(copied));
        assert_eq!(owned.identity(), model.identity());
        let mut session = owned.session_on(&Cpu::reference()).unwrap();
        drop(owned);
        assert_eq!(logits(&mut session, frame), expected);
        drop(session);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    }
    // Weights that are laid out anew are all that a session keeps; others stay where they are.
    for packs in [Packs::CANONICAL, Cpu::best().kernels().packs()] {
        let dropped = Arc::new(AtomicUsize::new(0));
        let file = model.repacked(packs).unwrap();
        let owned = Model::from_owner("lent", Lent::new(file.bytes(), 0, &dropped)).unwrap();
        let place = owned.container().blobs().as_ptr();
        let mut session = owned.session().unwrap();
        let is_read = session.model().container().blobs().as_ptr() == place;
        assert_eq!(is_read, packs == Cpu::best().kernels().packs());
        drop(owned);
        assert_eq!(dropped.load(Ordering::SeqCst), usize::from(!is_read));
        assert_eq!(logits(&mut session, frame), expected);
        drop(session);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    }
    let short = Lent::new(&model.bytes()[..100], 0, &Arc::default());
    assert!(Model::from_owner("short", short).unwrap_err().to_string().starts_with("short: "));
}

#[test]
fn a_canceller_stops_what_runs_and_nothing_later() {
    let model = model();
    let batch = vec![frames(&model, 1).remove(0); 4000];
    let mut session = model.session_on(&Cpu::reference().with_threads(threads(2))).unwrap();
    let canceller = session.canceller();
    canceller.cancel();
    let expected = logits(&mut session, &batch[0]);
    let begun = Instant::now();
    let result = thread::scope(|scope| {
        let other = canceller.clone();
        scope.spawn(move || {
            thread::sleep(Duration::from_millis(50));
            other.cancel();
        });
        session.run_batch(&batch).map(|_| ())
    });
    assert_eq!(result, Err(RunError::Cancelled), "{:?}", begun.elapsed());
    assert_eq!(logits(&mut session, &batch[0]), expected);
    drop(session);
    canceller.cancel();
}
