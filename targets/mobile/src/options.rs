//! Which engine runs a model.

use std::num::NonZeroUsize;

use shiftformer::{Cpu, Model, Session};

use crate::error::ShiftformerError;

/// What runs a model. All of them give the same integers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, uniffi::Enum)]
pub enum Engine {
    /// The processor, with its fastest kernels.
    #[default]
    Cpu,
    /// The GPU, and the processor where there is none that runs the model.
    Gpu,
    /// The scalar reference, which is the specification: slow.
    Reference,
}

/// How a session runs its model.
#[derive(Clone, Debug, Default, PartialEq, Eq, uniffi::Record)]
pub struct SessionOptions {
    /// What runs it; the processor where this is null.
    #[uniffi(default = None)]
    pub engine: Option<Engine>,
    /// Threads of the processor that frames of a batch are spread over; 0 is one for each core.
    #[uniffi(default = 0)]
    pub threads: u32,
    /// A set of kernels by name; the fastest of this machine where this is null.
    #[uniffi(default = None)]
    pub kernels: Option<String>,
}

impl SessionOptions {
    /// A session of `model`, and why another engine runs it than was asked for.
    pub(crate) fn session(&self, model: &Model) -> Result<(Session, Option<String>), ShiftformerError> {
        let cpu = |cpu: Cpu| -> Result<Cpu, ShiftformerError> {
            let cpu = self.kernels.as_deref().map_or(Ok(cpu), |name| cpu.with_kernels(name))?;
            let threads = NonZeroUsize::new(self.threads as usize);
            Ok(threads.map_or(cpu, |threads| cpu.with_threads(threads)))
        };
        match self.engine.unwrap_or_default() {
            Engine::Cpu => Ok((model.session_on(&cpu(Cpu::best())?)?, None)),
            Engine::Reference => Ok((model.session_on(&cpu(Cpu::reference())?)?, None)),
            Engine::Gpu => on_gpu(model, cpu(Cpu::best())?),
        }
    }
}

/// A session on the best GPU, or on `cpu` where there is none that runs the model.
#[cfg(feature = "gpu")]
fn on_gpu(model: &Model, cpu: Cpu) -> Result<(Session, Option<String>), ShiftformerError> {
    match shiftformer::Gpu::open(None) {
        Ok(gpu) => {
            let session = model.session_on(&gpu.or_cpu(cpu))?;
            let reason = session.fallback().map(|fallback| fallback.reason.clone());
            Ok((session, reason))
        }
        Err(error) => Ok((model.session_on(&cpu)?, Some(error.to_string()))),
    }
}

/// A session on `cpu`, since this build has nothing else.
#[cfg(not(feature = "gpu"))]
fn on_gpu(model: &Model, cpu: Cpu) -> Result<(Session, Option<String>), ShiftformerError> {
    let reason =
        shiftformer::NotInThisBuild { name: "gpu".into(), what: "engine", known: "cpu, reference".into() };
    Ok((model.session_on(&cpu)?, Some(reason.to_string())))
}
