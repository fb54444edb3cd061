//! This machine's processor.

mod peak;
mod worker;

use std::fmt;
use std::num::NonZeroUsize;
use std::thread;

use quant::{KernelSet, REFERENCE};

use crate::backend::{Backend, Limits, Preparing, Run};
use crate::error::{NotInThisBuild, PrepareError};
use crate::model::Model;
use crate::pool::{PoolRun, Worker};
use worker::CpuWorker;

/// This machine's processor: a set of kernels, and threads.
///
/// Of a batch of as many frames as there are threads, or more, each frame runs on one thread. Where
/// there are fewer frames, and the model is large, all threads work on each frame: its instructions run
/// in parts, which whoever is free takes next, so that cores need not be equally fast. Small models,
/// which take a fraction of a millisecond, have one thread for each frame at all times, and so have all
/// models where this crate is built without its feature `threads`. Results are the same to the bit
/// whatever the number of threads.
///
/// A session starts its threads when it is made, and ends them when it is dropped. While a frame runs on
/// all of them they look for work: they let others have their cores meanwhile, and nap where there is none
/// for milliseconds. Behind it they sleep after some microseconds. With one thread there is none but the
/// one that waits for results.
///
/// The threads are the session's own. In a rayon pool of the caller, a session blocks the thread that
/// waits for it, which takes up no other work of that pool meanwhile, and gives the pool no work.
///
/// In a process that `fork` made there are no threads of the sessions that were made before it. Such a
/// session still runs there if it ran nothing at the time of the fork, on the thread that waits.
#[derive(Clone, Copy)]
pub struct Cpu {
    name: &'static str,
    kernels: &'static KernelSet,
    threads: NonZeroUsize,
    layout: Layout,
}

/// Which layout of a model runs.
#[derive(Clone, Copy)]
enum Layout {
    /// That of the file, tiles and all: it is what others compare with.
    File,
    /// The one that the kernels like best.
    Kernels,
}

impl Cpu {
    /// The fastest kernels that this machine runs, and a thread for each core.
    pub fn best() -> Self {
        let best = cpu::KERNEL_SETS.iter().find(|set| set.is_available());
        Self { name: "cpu", kernels: best.unwrap_or(&REFERENCE), threads: cores(), layout: Layout::Kernels }
    }

    /// The scalar reference, which is the specification: slow.
    pub fn reference() -> Self {
        Self { name: "reference", kernels: &REFERENCE, threads: cores(), layout: Layout::File }
    }

    /// Every kernel set that this machine runs, the fastest first.
    pub fn kernel_sets() -> impl Iterator<Item = &'static KernelSet> {
        cpu::KERNEL_SETS.iter().chain([&REFERENCE]).filter(|set| set.is_available())
    }

    /// With the kernel set called `name`.
    ///
    /// # Errors
    ///
    /// [`NotInThisBuild`], which lists those that there are.
    pub fn with_kernels(self, name: &str) -> Result<Self, NotInThisBuild> {
        let found = Self::kernel_sets().find(|set| set.name() == name);
        let kernels = found.ok_or_else(|| NotInThisBuild {
            name: name.to_owned(),
            what: "kernel set for this machine",
            known: Self::kernel_sets().map(KernelSet::name).collect::<Vec<_>>().join(", "),
        })?;
        Ok(Self { kernels, ..self })
    }

    /// With `threads` threads. One of them is the thread that waits for results.
    pub fn with_threads(self, threads: NonZeroUsize) -> Self {
        Self { threads, ..self }
    }

    /// The kernels.
    pub fn kernels(&self) -> &'static KernelSet {
        self.kernels
    }

    /// The threads.
    pub fn threads(&self) -> NonZeroUsize {
        self.threads
    }

    /// `model` in its layout, on a worker for each thread.
    fn run(&self, model: &Model) -> Result<PoolRun, PrepareError> {
        let model = self.lay_out(model)?;
        let worker = || CpuWorker::new(model.clone(), self.kernels);
        let boxed = || Box::new(worker()) as Box<dyn Worker>;
        let elsewhere = (1..self.threads.get()).map(|_| boxed()).collect();
        let names = (self.kernels.name().to_owned(), None);
        let run = PoolRun::new(names, model.frame_len(), Some(boxed()), elsewhere)?;
        #[cfg(feature = "threads")]
        if self.forms_a_team(&model) {
            return run.with_team(self.threads.get(), worker());
        }
        Ok(run)
    }

    /// Whether several threads work on one frame of `model`, where there are fewer frames than threads.
    #[cfg(feature = "threads")]
    fn forms_a_team(&self, model: &Model) -> bool {
        let macs = model.container().instructions().fold(0, |sum: u64, i| sum.saturating_add(i.op.macs()));
        let shares = cpu::KERNEL_SETS.iter().any(|set| std::ptr::eq(set, self.kernels));
        self.threads > NonZeroUsize::MIN && shares && macs >= TEAM_MACS
    }
}

/// Multiply-accumulates of a frame that more than one thread works on. Others take a fraction of a
/// millisecond, much of which it would take to wake the threads.
#[cfg(feature = "threads")]
const TEAM_MACS: u64 = 1 << 25;

/// Cores of this machine; 1 where the system does not tell.
fn cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

impl Backend for Cpu {
    fn name(&self) -> String {
        self.name.to_owned()
    }

    fn limits(&self) -> Limits {
        Limits { parallel: self.threads.get() }
    }

    fn lay_out(&self, model: &Model) -> Result<Model, PrepareError> {
        match self.layout {
            Layout::File => Ok(model.clone()),
            Layout::Kernels => Ok(model.for_host(self.kernels.packs())?),
        }
    }

    fn prepare<'a>(&'a self, model: &'a Model) -> Preparing<'a> {
        Box::pin(async move { Ok(Box::new(self.run(model)?) as Box<dyn Run>) })
    }
}

impl fmt::Debug for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} kernels, {} threads)", self.name, self.kernels.name(), self.threads)
    }
}
