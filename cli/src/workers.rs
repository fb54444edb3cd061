//! Independent runs on several threads, with one engine for each.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};
use shiftformer::runtime::Model;
use shiftformer::{Engine, EngineOptions, engine};

use crate::failure::Failure;

/// How many threads to use.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct ThreadArgs {
    /// Threads to spread images over [default: every core].
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl ThreadArgs {
    /// The number asked for, or of cores.
    pub fn count(self) -> usize {
        self.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }
}

/// Threads that each own an engine.
pub struct Workers<'m> {
    pool: ThreadPool,
    engines: Vec<Mutex<Box<dyn Engine + 'm>>>,
}

impl<'m> Workers<'m> {
    /// `threads` engines for `model`.
    pub fn new(model: &Model<'m>, options: EngineOptions, threads: usize) -> Result<Self, Failure> {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|e| {
            Failure::new(format!("cannot start {threads} threads: {e}")).help("use fewer --threads")
        })?;
        let engines: Result<_, Failure> =
            (0..threads).map(|_| Ok(Mutex::new(engine(model, options)?))).collect();
        Ok(Self { pool, engines: engines? })
    }

    /// Does `work` for every index below `count`; the results come in order. Stops at
    /// the first failure.
    pub fn run<T: Send>(
        &self,
        count: usize,
        work: impl Fn(&mut dyn Engine, usize) -> Result<T, Failure> + Sync,
    ) -> Result<Vec<T>, Failure> {
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let one_thread = |thread: usize| -> Result<Vec<(usize, T)>, Failure> {
            let mut engine = self.engines[thread].lock().unwrap_or_else(PoisonError::into_inner);
            let mut done = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    break;
                }
                let result =
                    work(engine.as_mut(), index).inspect_err(|_| stop.store(true, Ordering::Relaxed));
                done.push((index, result?));
            }
            Ok(done)
        };
        // A single run stays on this thread: waking the others would count as latency.
        let parts = match count.min(self.engines.len()) {
            0 | 1 => vec![one_thread(0)],
            _ => self.pool.broadcast(|thread| one_thread(thread.index())),
        };
        let mut results = Vec::with_capacity(count);
        for part in parts {
            results.extend(part?);
        }
        results.sort_unstable_by_key(|(index, _)| *index);
        Ok(results.into_iter().map(|(_, result)| result).collect())
    }
}
