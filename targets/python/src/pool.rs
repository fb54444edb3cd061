//! Sessions of one model on one backend, one for each thread that runs at the same time.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use conversion::Failure;
use conversion::stream::failed;
use shiftformer::{Backend, Cpu, Model, NotInThisBuild, Session};

/// What to run on.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    /// `cpu`, `reference` or `gpu`; `cpu` where nothing is said.
    pub backend: Option<String>,
    /// Threads of the processor; one for each core where nothing is said.
    pub threads: Option<NonZeroUsize>,
    /// The kernel set of the processor.
    pub kernels: Option<String>,
    /// A part of the name of the GPU, or its number.
    pub gpu: Option<String>,
}

impl Engine {
    fn open(&self) -> Result<Box<dyn Backend>, Failure> {
        let name = self.backend.as_deref().unwrap_or("cpu");
        for (option, given, of) in [("kernels", &self.kernels, "cpu"), ("gpu", &self.gpu, "gpu")] {
            if given.is_some() && name != of {
                return Err(Failure::new(format!("{option}= has no effect on {name}")).help("leave it out"));
            }
        }
        let cpu = match &self.kernels {
            Some(kernels) => Cpu::best().with_kernels(kernels)?,
            None => Cpu::best(),
        };
        let threaded = |cpu: Cpu| self.threads.map_or(cpu, |threads| cpu.with_threads(threads));
        match name {
            "cpu" => Ok(Box::new(threaded(cpu))),
            "reference" => Ok(Box::new(threaded(Cpu::reference()))),
            #[cfg(feature = "gpu")]
            "gpu" => Ok(Box::new(shiftformer::Gpu::open(self.gpu.as_deref())?.or_cpu(threaded(cpu)))),
            _ => Err(NotInThisBuild {
                name: name.to_owned(),
                what: "backend",
                known: if cfg!(feature = "gpu") { "cpu, reference, gpu" } else { "cpu, reference" }.into(),
            }
            .into()),
        }
    }
}

/// Sessions of one model, of which each run takes one for itself: no lock is held meanwhile.
pub struct Pool {
    model: Model,
    backend: Box<dyn Backend>,
    idle: Mutex<Vec<Session>>,
    facts: Facts,
}

/// What the first session told of itself.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The backend that runs the model.
    pub backend: String,
    /// Its kernels.
    pub kernels: String,
    /// Why it is not the one that was asked for.
    pub fallback: Option<String>,
    /// Frames that it works on at once.
    pub parallel: usize,
}

impl Pool {
    /// A pool of one session.
    pub fn new(model: &Model, engine: &Engine) -> Result<Self, Failure> {
        let backend = engine.open()?;
        let first = model.session_on(backend.as_ref())?;
        let facts = Facts {
            backend: first.backend().to_owned(),
            kernels: first.kernels().to_owned(),
            fallback: first.fallback().map(|fallback| fallback.reason.clone()),
            parallel: backend.limits().parallel,
        };
        Ok(Self { model: model.clone(), backend, idle: Mutex::new(vec![first]), facts })
    }

    /// What is known of its sessions.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Does `work` with a session that nobody else uses meanwhile.
    pub fn with<T, E: std::fmt::Display>(
        &self,
        work: impl FnOnce(&mut Session) -> Result<T, E>,
    ) -> Result<T, Failure> {
        self.lend(|session| work(session).map_err(|error| failed(session, error)))
    }

    /// As [`with`](Self::with), for work whose failures are in words already.
    pub fn lend<T>(&self, work: impl FnOnce(&mut Session) -> Result<T, Failure>) -> Result<T, Failure> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut session = match taken {
            Some(session) => session,
            None => self.model.session_on(self.backend.as_ref())?,
        };
        let result = work(&mut session);
        idle().push(session);
        result
    }
}
