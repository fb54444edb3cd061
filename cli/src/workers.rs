//! Independent runs on several threads, with one engine for each.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};
use shiftformer::runtime::Model;
use shiftformer::{DeviceFacts, Engine};

use crate::failure::Failure;
use crate::place::Engines;

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
    /// As the first of them calls itself, and its kernels.
    names: (String, String),
}

impl<'m> Workers<'m> {
    /// `threads` engines for `model`, or as many as there can be.
    pub fn new(model: &Model<'m>, engines: &Engines, threads: usize) -> Result<Self, Failure> {
        let threads = engines.limit(threads);
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|e| {
            Failure::new(format!("cannot start {threads} threads: {e}")).help("use fewer --threads")
        })?;
        let engines: Result<Vec<_>, Failure> = (0..threads).map(|_| engines.engine(model)).collect();
        let engines = engines?;
        let names = engines.first().map(|engine| (engine.name().to_owned(), engine.kernels().to_owned()));
        let engines = engines.into_iter().map(Mutex::new).collect();
        Ok(Self { pool, engines, names: names.unwrap_or_default() })
    }

    /// How many engines there are.
    pub fn count(&self) -> usize {
        self.engines.len()
    }

    /// The backend, as on the command line.
    pub fn backend(&self) -> String {
        self.names.0.clone()
    }

    /// The kernels in use.
    pub fn kernels(&self) -> String {
        self.names.1.clone()
    }

    /// What the first engine's device says of its last run, if there is a device.
    pub fn device(&self) -> Result<Option<DeviceFacts>, Failure> {
        let Some(engine) = self.engines.first() else { return Ok(None) };
        let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
        engine.device().map_err(|error| Failure::new(error.to_string()))
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
