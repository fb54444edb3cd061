//! Threads that share the work on one frame.

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;
use std::{hint, thread};

use crate::error::{PrepareError, RunError};
use crate::event::Observe;
use crate::ticket::Frame;

use super::{Hands, PoolRun, Worker};

impl PoolRun {
    /// With a rayon pool of `count` threads for submissions of fewer frames. One of them runs frames on
    /// `worker` until the end, and the others help it.
    pub(crate) fn with_team(
        mut self,
        count: usize,
        worker: impl Worker + 'static,
    ) -> Result<Self, PrepareError> {
        let mut refused = ErrorKind::Other;
        let start = |thread: rayon::ThreadBuilder| {
            self.threads.start(|| thread.run()).inspect_err(|error| refused = error.kind())
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(count).spawn_handler(start).build();
        let pool = pool.map_err(|_| PrepareError::Threads(refused))?;
        let (shared, bell) = (Arc::clone(&self.shared), Arc::new(Bell::default()));
        let leader = Mutex::new(Some(Leader { worker, bell: Arc::clone(&bell) }));
        // The pool's threads end with the last work that they were given: this.
        pool.spawn_broadcast(move |_| {
            let leader = leader.lock().unwrap_or_else(PoisonError::into_inner).take();
            match leader {
                Some(mut leader) => {
                    shared.serve(&mut leader, Hands::Team);
                    bell.close();
                }
                None => help(&bell),
            }
        });
        self.team = count;
        Ok(self)
    }
}

/// Runs frames with the threads of the pool that it is in.
struct Leader<W> {
    worker: W,
    bell: Arc<Bell>,
}

impl<W: Worker> Worker for Leader<W> {
    fn run(
        &mut self,
        frame: &mut Frame,
        observe: Observe,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<(), RunError> {
        let _begun = self.bell.begin();
        cpu::shared(cpu::Part::LEAST, || self.worker.run(frame, observe, is_cancelled))
    }
}

/// Tells those who help of frames.
#[derive(Default)]
struct Bell {
    /// Whether a frame runs.
    rings: AtomicBool,
    sleepers: Mutex<Sleepers>,
    rung: Condvar,
}

#[derive(Default)]
struct Sleepers {
    count: usize,
    closed: bool,
}

/// A frame that runs, until this is dropped.
struct Begun<'b>(&'b Bell);

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.0.rings.store(false, Ordering::Release);
    }
}

impl Bell {
    fn begin(&self) -> Begun<'_> {
        let sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        self.rings.store(true, Ordering::Release);
        if sleepers.count > 0 {
            self.rung.notify_all();
        }
        Begun(self)
    }

    fn close(&self) {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.rung.notify_all();
    }

    fn rings(&self) -> bool {
        self.rings.load(Ordering::Acquire)
    }

    /// Sleeps until a frame runs; whether one will.
    fn sleep(&self) -> bool {
        let mut sleepers = self.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        sleepers.count += 1;
        while !self.rings() && !sleepers.closed {
            sleepers = self.rung.wait(sleepers).unwrap_or_else(PoisonError::into_inner);
        }
        sleepers.count -= 1;
        !sleepers.closed
    }
}

/// Rounds without work after which a thread lets others have its core in between, some microseconds; after
/// which it goes to sleep behind a frame, some tens of them; and after which it naps within a frame, some
/// milliseconds.
const EAGER: usize = 1 << 6;
const PATIENT: usize = 1 << 8;
const TIRED: usize = 1 << 13;
/// How long a nap is.
const NAP: Duration = Duration::from_micros(50);

/// Takes part in the work on frames until the end.
fn help(bell: &Bell) {
    while bell.sleep() {
        let mut idle = 0;
        while bell.rings() || idle < PATIENT {
            match rayon::yield_now() {
                Some(rayon::Yield::Executed) => idle = 0,
                _ if idle < EAGER => hint::spin_loop(),
                _ if idle < TIRED => thread::yield_now(),
                _ => thread::sleep(NAP),
            }
            idle += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Run;
    use std::collections::HashSet;
    use std::sync::Mutex;
    use std::thread::{self, ThreadId};

    /// Gives the number of threads that met in a frame, and panics in a part where the frame says so.
    struct Meeting;

    impl Worker for Meeting {
        fn run(&mut self, frame: &mut Frame, _: Observe, _: &dyn Fn() -> bool) -> Result<(), RunError> {
            let met = Mutex::new(HashSet::<ThreadId>::new());
            rayon::broadcast(|part| {
                assert!(frame.input != [part.index() as u8], "on purpose");
                met.lock().expect("nobody panics there").insert(thread::current().id());
            });
            let met = met.into_inner().expect("nobody panicked there");
            frame.outputs = vec![vec![met.len() as i32]];
            Ok(())
        }
    }

    #[test]
    fn all_threads_meet_and_a_panic_in_a_part_is_an_error() {
        let run = PoolRun::new(("kernels".into(), None), 1, None, Vec::new()).unwrap();
        let mut run = run.with_team(3, Meeting).unwrap();
        for (byte, expected) in [(9, Ok(3)), (1, Err(RunError::Panicked)), (9, Ok(3))] {
            run.input(0)[0] = byte;
            let ticket = run.submit(1, Observe::Nothing).unwrap();
            let found = run.wait(&ticket).map(|()| ticket.frame(0).unwrap().outputs[0][0]);
            assert_eq!(found, expected);
        }
    }
}
