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

    fn submit_to_wait(&mut self, frames: usize, observe: Observe) -> Result<Ticket, RunError> {
        self.run.submit_to_wait(frames, observe)
    }

    fn poll(&mut self, ticket: &Ticket, context: &mut Context<'_>) -> Poll<Result<(), RunError>> {
        self.run.poll(ticket, context)
    }

    fn wait(&mut self, ticket: &Ticket) -> Result<(), RunError> {
        self.run.wait(ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;

    fn bundled() -> Model {
        Model::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../data/vit_fmnist.shf")).expect("a container")
    }

    fn open() -> Gpu {
        Gpu::open(None).expect("a GPU, or Mesa's lavapipe: `cargo xtask prepare` installs it")
    }

    fn logits(model: &Model, backend: &dyn Backend) -> Vec<i32> {
        let mut session = model.session_on(backend).expect("a session");
        let outputs = session.run(&vec![7; model.frame_len()]).expect("a run");
        outputs.values(0).expect("logits").to_vec()
    }

    #[test]
    fn the_processor_takes_over_where_a_shader_is_miscompiled() {
        let (model, gpu) = (bundled(), open());
        gpu.gpu.spoil("layer_norm");
        let adapter = gpu.adapter().name.clone();
        let backend = gpu.or_cpu(Cpu::best());
        let session = model.session_on(&backend).expect("a session");
        let Fallback { backend: other, reason } = session.fallback().expect("a fallback");
        assert_eq!(*other, Cpu::best().name());
        assert!(reason.contains("`layer_norm`") && reason.contains(&adapter), "{reason}");
        assert_eq!(logits(&model, &backend), logits(&model, &Cpu::best()));
    }

    #[test]
    fn a_tile_that_is_miscompiled_is_told() {
        let (model, gpu) = (bundled(), open());
        gpu.gpu.spoil("16x32");
        let backend = gpu.or_cpu(Cpu::best());
        let session = model.session_on(&backend).expect("a session");
        assert_eq!((session.fallback(), session.disabled()), (None, vec!["16x32"]));
        assert_eq!(logits(&model, &backend), logits(&model, &Cpu::best()));
    }
}
