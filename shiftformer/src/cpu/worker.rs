//! One thread's work: a frame through all instructions.

use std::time::Instant;

use quant::KernelSet;
use quant::hash::hash_tensor;
use quant::ops::Tensor;
use runtime::{Fault, Progress, Session, Step};

use crate::aligned::AlignedBytes;
use crate::error::RunError;
use crate::event::{Event, Observe};
use crate::model::Model;
use crate::pool::Worker;
use crate::ticket::Frame;

/// Runs a model with an arena of its own.
pub(super) struct CpuWorker {
    model: Model,
    kernels: &'static KernelSet,
    arena: AlignedBytes,
    /// Instructions that have begun and are not complete: those of a tile group take turns.
    open: Vec<Event>,
}

impl CpuWorker {
    pub(super) fn new(model: Model, kernels: &'static KernelSet) -> Self {
        let arena = AlignedBytes::zeroed(model.container().arena_len());
        Self { model, kernels, arena, open: Vec::new() }
    }
}

impl Worker for CpuWorker {
    fn run(
        &mut self,
        frame: &mut Frame,
        observe: Observe,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<(), RunError> {
        let model = self.model.container();
        let mut session = Session::new(&model, self.arena.bytes_mut()).map_err(RunError::Arena)?;
        load(&mut session, &frame.input)?;
        frame.events.clear();
        self.open.clear();
        loop {
            let start = (observe != Observe::Nothing).then(Instant::now);
            let Progress::Ran(step) = session.step_on(self.kernels).map_err(RunError::Fault)? else { break };
            if let Some(start) = start {
                let nanoseconds = start.elapsed().as_nanos() as u64;
                let hash = if observe == Observe::Hashes { written(&session, &step)? } else { 0 };
                let event = Event { instruction: step.instruction, hash, nanoseconds };
                event.note(&mut self.open, &mut frame.events, step.is_complete());
            }
            if is_cancelled() {
                return Err(RunError::Cancelled);
            }
        }
        store(&session, &mut frame.outputs)
    }
}

/// Splits `frame` over the inputs.
fn load(session: &mut Session<'_, '_>, frame: &[u8]) -> Result<(), RunError> {
    let mut rest = frame;
    for index in 0..session.model().inputs().count() {
        let input = session.input(index).ok_or(RunError::Fault(Fault::Bounds))?;
        let (bytes, tail) = rest.split_at_checked(input.len()).ok_or(RunError::Fault(Fault::Bounds))?;
        input.copy_from_slice(bytes);
        rest = tail;
    }
    Ok(())
}

/// Hash of what `step` wrote.
fn written(session: &Session<'_, '_>, step: &Step) -> Result<u64, RunError> {
    let parts = session.written(step).map(|(first, tensor)| hash_tensor(first, tensor));
    parts.reduce(u64::wrapping_add).ok_or(RunError::Untraceable { instruction: step.instruction })
}

/// The outputs, widened.
fn store(session: &Session<'_, '_>, outputs: &mut Vec<Vec<i32>>) -> Result<(), RunError> {
    outputs.resize_with(session.model().outputs().count(), Vec::new);
    for (index, values) in outputs.iter_mut().enumerate() {
        values.clear();
        match session.output(index).ok_or(RunError::Fault(Fault::Bounds))? {
            Tensor::I8(output) => values.extend(output.iter().map(|&value| i32::from(value))),
            Tensor::I16(output) => values.extend(output.iter().map(|&value| i32::from(value))),
            Tensor::I32(output) => values.extend_from_slice(output),
        }
    }
    Ok(())
}
