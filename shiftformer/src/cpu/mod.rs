//! This machine's processor.

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

/// This machine's processor: a set of kernels, and threads that frames are spread over.
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
        let model = match self.layout {
            Layout::File => model.clone(),
            Layout::Kernels => model.for_host(self.kernels.packs())?,
        };
        let worker = || Box::new(CpuWorker::new(model.clone(), self.kernels)) as Box<dyn Worker>;
        let elsewhere = (1..self.threads.get()).map(|_| worker()).collect();
        PoolRun::new((self.kernels.name().to_owned(), None), model.frame_len(), Some(worker()), elsewhere)
    }
}

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

    fn prepare<'a>(&'a self, model: &'a Model) -> Preparing<'a> {
        Box::pin(async move { Ok(Box::new(self.run(model)?) as Box<dyn Run>) })
    }
}

impl fmt::Debug for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} kernels, {} threads)", self.name, self.kernels.name(), self.threads)
    }
}
