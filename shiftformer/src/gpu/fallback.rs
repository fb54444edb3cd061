//! A GPU, and the processor for what it does not run.

use std::task::{Context, Poll};

use super::Gpu;
use crate::backend::{Backend, Fallback, Limits, Preparing, Run};
use crate::cpu::Cpu;
use crate::error::{PrepareError, RunError};
use crate::event::Observe;
use crate::ticket::Ticket;

/// A GPU for the models that it can run, whole, and the processor for the others:
/// [`Session::fallback`](crate::Session::fallback) tells which it is and why.
#[derive(Clone, Debug)]
pub struct GpuOrCpu {
    gpu: Gpu,
    cpu: Cpu,
}

impl Gpu {
    /// This GPU, and `cpu` for models that it cannot run.
    pub fn or_cpu(self, cpu: Cpu) -> GpuOrCpu {
        GpuOrCpu { gpu: self, cpu }
    }
}

impl Backend for GpuOrCpu {
    fn name(&self) -> String {
        self.gpu.name()
    }

    fn limits(&self) -> Limits {
        self.gpu.limits()
    }

    fn prepare<'a>(&'a self, model: &'a crate::Model) -> Preparing<'a> {
        Box::pin(async move {
            let error = match self.gpu.prepare(model).await {
                Err(PrepareError::Gpu(error)) => error,
                other => return other,
            };
            let run = self.cpu.prepare(model).await?;
            let fallback = Fallback { backend: self.cpu.name(), reason: error.to_string() };
            Ok(Box::new(OnCpu { run, fallback }) as Box<dyn Run>)
        })
    }
}

/// A run on the processor that says why it is there.
struct OnCpu {
    run: Box<dyn Run>,
    fallback: Fallback,
}

impl Run for OnCpu {
    fn kernels(&self) -> &str {
        self.run.kernels()
    }

    fn fallback(&self) -> Option<&Fallback> {
        Some(&self.fallback)
    }

    fn input(&mut self, frame: usize) -> &mut [u8] {
        self.run.input(frame)
    }

    fn submit(&mut self, frames: usize, observe: Observe) -> Result<Ticket, RunError> {
        self.run.submit(frames, observe)
    }

    fn poll(&mut self, ticket: &Ticket, context: &mut Context<'_>) -> Poll<Result<(), RunError>> {
        self.run.poll(ticket, context)
    }

    fn wait(&mut self, ticket: &Ticket) -> Result<(), RunError> {
        self.run.wait(ticket)
    }
}
