//! Threads that share the work on one frame.

use std::io::ErrorKind;
use std::sync::Arc;

use crate::error::{PrepareError, RunError};
use crate::event::Observe;
use crate::ticket::Frame;

use super::{Hands, PoolRun, Worker};

impl PoolRun {
    /// With a rayon pool of `count` threads for submissions of fewer frames. One of them runs frames on
    /// `worker` until the end, and those who have nothing to do help it.
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
        let shared = Arc::clone(&self.shared);
        // The pool's threads end with the last work that it was given: this one.
        pool.spawn(move || shared.serve(&mut Leader(worker), Hands::Team));
        self.team = count;
        Ok(self)
    }
}

/// Runs frames with the threads of the pool that it is in.
struct Leader<W>(W);

impl<W: Worker> Worker for Leader<W> {
    fn run(
        &mut self,
        frame: &mut Frame,
        observe: Observe,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<(), RunError> {
        cpu::shared(cpu::Part::LEAST, || self.0.run(frame, observe, is_cancelled))
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
