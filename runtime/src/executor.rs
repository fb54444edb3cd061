//! The executor: one bounded piece of work at a time.

use quant::mem::Memory;
use quant::ops::Tensor;
use quant::{Fault, KernelSet, Kernels};

use crate::arena::ARENA_ALIGN;
use crate::error::ArenaError;
use crate::io::SlotHandle;
use crate::model::Model;
use crate::schedule::{Schedule, Step};

/// A run of a model in a caller's arena.
///
/// Fill the inputs, call [`step`](Self::step) until [`Progress::Done`], read the
/// outputs; the next `step` starts over. Inputs must be filled anew for each run, since
/// their memory is reused.
#[derive(Debug)]
pub struct Session<'m, 'a> {
    model: &'m Model<'m>,
    arena: &'a mut [u8],
    schedule: Schedule<'m>,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress {
    /// Ran some rows of an instruction.
    Ran(Step),
    /// The program had ended: outputs are ready. The next step starts a new run.
    Done,
}

impl<'m, 'a> Session<'m, 'a> {
    /// A session over `arena`: at least [`Model::arena_len`] bytes, starting at a
    /// multiple of [`ARENA_ALIGN`]. Bytes past that length are not used.
    pub fn new(model: &'m Model<'m>, arena: &'a mut [u8]) -> Result<Self, ArenaError> {
        if arena.as_ptr().addr() % ARENA_ALIGN != 0 {
            return Err(ArenaError::Misaligned);
        }
        let needed = model.header().arena_len;
        let arena = arena.get_mut(..needed as usize).ok_or(ArenaError::TooSmall { needed })?;
        Ok(Self { model, arena, schedule: model.schedule() })
    }

    /// The model.
    pub fn model(&self) -> &'m Model<'m> {
        self.model
    }

    /// The bytes of input `index`, to fill before a run.
    pub fn input(&mut self, index: usize) -> Option<&mut [u8]> {
        let slot = self.model.input(index)?.slot;
        let start = slot.offset as usize;
        self.arena.get_mut(start..start.checked_add(slot.bytes() as usize)?)
    }

    /// The values of output `index`, valid after [`Progress::Done`].
    pub fn output(&self, index: usize) -> Option<Tensor<'_>> {
        let slot = self.model.output(index)?.slot;
        tensor(self.arena, slot)
    }

    /// The values that `step` just wrote, each part with the logical index of its first element
    /// in the instruction's output (see [`Step::written`]); words of bits come as `i32`. Valid
    /// until the next step.
    pub fn written(&self, step: &Step) -> impl Iterator<Item = (u32, Tensor<'_>)> + use<'_, 'm, 'a> {
        let arena = &*self.arena;
        let parts = step.written().into_iter().flatten();
        parts.filter_map(move |part| Some((part.first, tensor(arena, part.slot)?)))
    }

    /// Abandons a run: the next step starts from the first instruction.
    pub fn restart(&mut self) {
        self.schedule = self.model.schedule();
    }

    /// Runs one instruction, or one tile of it. Never panics; a [`Fault`] is unreachable
    /// while the model's bytes are unchanged.
    pub fn step<K: Kernels>(&mut self, kernels: &mut K) -> Result<Progress, Fault> {
        self.step_by(|step, memory| step.op.run(kernels, memory, step.window))
    }

    /// As [`step`](Self::step), with the kernels of a row.
    pub fn step_on(&mut self, kernels: &KernelSet) -> Result<Progress, Fault> {
        self.step_by(|step, memory| kernels.run(&step.op, memory, step.window))
    }

    /// Gives the next step to `run`, or starts over.
    fn step_by(
        &mut self,
        run: impl FnOnce(&Step, &mut Memory<'_>) -> Result<(), Fault>,
    ) -> Result<Progress, Fault> {
        let Some(step) = self.schedule.next().transpose()? else {
            self.restart();
            return Ok(Progress::Done);
        };
        run(&step, &mut Memory::new(self.arena, self.model.blobs()))?;
        Ok(Progress::Ran(step))
    }

    /// Runs to the end.
    pub fn run<K: Kernels>(&mut self, kernels: &mut K) -> Result<(), Fault> {
        while self.step(kernels)? != Progress::Done {}
        Ok(())
    }
}

fn tensor(arena: &[u8], slot: SlotHandle) -> Option<Tensor<'_>> {
    use quant::mem::{Blob, DType, read_blob};
    let SlotHandle { dtype, offset, len } = slot;
    match dtype {
        DType::I8 => read_blob(arena, Blob::new(offset, len)).ok().map(Tensor::I8),
        DType::I16 => read_blob(arena, Blob::new(offset, len)).ok().map(Tensor::I16),
        // A word of bits is hashed as the int32 of the same bits.
        DType::I32 | DType::U32 => read_blob(arena, Blob::new(offset, len)).ok().map(Tensor::I32),
        DType::U8 => None,
    }
}
