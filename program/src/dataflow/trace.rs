//! Follows a program from its first instruction to its last.

use std::ops::Range;

use quant::Op;
use quant::mem::{Blob, read_blob};
use quant::operand::{Role, SlotOperand, Tiling};
use runtime::{InputKind, Model, SlotHandle};

use super::memory::Memory;
use super::view::view;
use super::{Access, Dataflow, Definition, Use, Value};
use crate::error::ProgramError;

/// Bytes of the arena that hold a value.
struct Live {
    bytes: Range<u32>,
    value: usize,
}

/// What is known at one point of the program. Offsets are of the container's arena until the
/// end.
pub(super) struct Trace<'a, 'm> {
    model: &'a Model<'m>,
    flow: Dataflow,
    memory: Memory,
    /// Disjoint: the newest definition of every byte.
    live: Vec<Live>,
}

impl<'a, 'm> Trace<'a, 'm> {
    pub(super) fn new(model: &'a Model<'m>) -> Self {
        Self { model, flow: Dataflow::default(), memory: Memory::default(), live: Vec::new() }
    }

    pub(super) fn run(mut self) -> Result<Dataflow, ProgramError> {
        for (index, input) in self.model.inputs().enumerate() {
            self.input(index, input.slot, input.kind);
        }
        for instruction in self.model.instructions() {
            let accesses = self.instruction(instruction.index as usize, &instruction.op)?;
            self.flow.instructions.push(accesses);
        }
        for (index, output) in self.model.outputs().enumerate() {
            self.output(index, output.slot);
        }
        Ok(self.settle())
    }

    fn input(&mut self, index: usize, slot: SlotHandle, kind: InputKind) {
        let shape = match kind {
            InputKind::Image(image) => {
                (u32::from(image.height) * u32::from(image.width), u32::from(image.channels))
            }
            InputKind::Tensor { .. } => (1, slot.len),
        };
        let SlotHandle { dtype, offset, len } = slot;
        let operand = SlotOperand { role: Role::Write, dtype, offset, len, tiling: Tiling::Whole };
        let access = self.write(whole(&operand), &operand, Definition::Input(index), shape);
        self.flow.inputs.extend(access.defines);
    }

    fn instruction(&mut self, index: usize, op: &Op) -> Result<Vec<Access>, ProgramError> {
        let mut slots = Vec::new();
        op.operands(&mut |operand| slots.extend(operand.slot()));
        let rows = if let Op::Gather(gather) = op { self.listed(gather.index) } else { None };
        // Everything is read before anything is written.
        let accesses: Option<Vec<Access>> = slots.iter().map(|slot| access(slot, op.rows())).collect();
        let mut accesses = accesses.ok_or(ProgramError::TooLarge { what: "a result of all rows" })?;
        for (slot, operand) in slots.iter().enumerate().filter(|(_, operand)| operand.is_read()) {
            let user = Use::Instruction { instruction: index, slot };
            self.read(&mut accesses[slot], operand, user, rows.as_deref());
        }
        let write = |(access, operand): (Access, &SlotOperand)| {
            let shape = match operand.tiling {
                Tiling::Rows { width, .. } => (op.rows(), width),
                Tiling::Whole | Tiling::All { .. } => (1, operand.len),
            };
            self.write(access, operand, Definition::Instruction(index), shape)
        };
        Ok(accesses.into_iter().zip(&slots).map(write).collect())
    }

    fn output(&mut self, index: usize, slot: SlotHandle) {
        let SlotHandle { dtype, offset, len } = slot;
        let operand = SlotOperand { role: Role::Read, dtype, offset, len, tiling: Tiling::Whole };
        let mut access = whole(&operand);
        self.read(&mut access, &operand, Use::Output(index), None);
        self.flow.outputs.push(access);
    }

    /// The rows that a gather names, each once.
    fn listed(&self, index: Blob<u32>) -> Option<Vec<u32>> {
        let mut rows = read_blob(self.model.blobs(), index).ok()?.to_vec();
        rows.sort_unstable();
        rows.dedup();
        Some(rows)
    }

    /// The instruction that is being followed; one past the last for outputs.
    fn now(&self) -> usize {
        self.flow.instructions.len()
    }

    /// Finds what `access` reads, and joins the memory of all of it.
    fn read(&mut self, access: &mut Access, operand: &SlotOperand, user: Use, rows: Option<&[u32]>) {
        let bytes = bytes_of(operand);
        let met = |live: &&Live| live.bytes.start < bytes.end && bytes.start < live.bytes.end;
        let mut found: Vec<(u32, usize)> =
            self.live.iter().filter(met).map(|live| (live.bytes.start, live.value)).collect();
        found.sort_unstable();
        let mut storage = None;
        for (_, index) in found {
            // What is left of a value on both sides of a later one is read once.
            if access.reads.iter().any(|view| view.value == index) {
                continue;
            }
            let value = &mut self.flow.values[index];
            access.reads.push(view(access, value, index, rows));
            value.used_by.push(user);
            let of_value = value.storage;
            storage = Some(storage.map_or(of_value, |joined| self.memory.join(joined, of_value)));
        }
        access.storage = storage.expect("the checker admits no read of what was not written");
        self.memory.touch(access.storage, self.now());
    }

    /// Takes note of what `access` leaves in its memory: a value of the rows and width of
    /// `shape`, or nothing that anybody may read.
    fn write(
        &mut self,
        mut access: Access,
        operand: &SlotOperand,
        defined_by: Definition,
        (rows, width): (u32, u32),
    ) -> Access {
        if operand.role == Role::Read {
            return access;
        }
        let bytes = bytes_of(operand);
        self.forget(&bytes);
        if access.reads.is_empty() {
            let scratch = operand.role == Role::Scratch;
            let all = u64::from(access.len) * u64::from(operand.dtype.size());
            access.storage =
                self.memory.add(operand.offset.into(), all, operand.bytes(), self.now(), scratch);
        }
        let Some(dtype) = operand.written() else { return access };
        let (storage, offset) = (access.storage, operand.offset);
        let updates = access.reads.iter().map(|view| view.value).collect();
        let used_by = Vec::new();
        access.defines = Some(self.flow.values.len());
        self.live.push(Live { bytes, value: self.flow.values.len() });
        self.flow.values.push(Value { dtype, rows, width, defined_by, updates, used_by, storage, offset });
        access
    }

    /// `bytes` hold nothing that was written before.
    fn forget(&mut self, bytes: &Range<u32>) {
        let mut left = Vec::with_capacity(self.live.len() + 1);
        for Live { bytes: had, value } in self.live.drain(..) {
            let before = had.start..had.end.min(bytes.start);
            let behind = had.start.max(bytes.end)..had.end;
            left.extend(
                [before, behind]
                    .into_iter()
                    .filter(|part| !part.is_empty())
                    .map(|bytes| Live { bytes, value }),
            );
        }
        self.live = left;
    }

    /// Counts everything from the beginning of its storage.
    fn settle(self) -> Dataflow {
        let Self { mut flow, memory, .. } = self;
        let (storages, index_of) = memory.settle();
        let settle = |storage: &mut usize, offset: &mut u32| {
            *storage = index_of[*storage];
            *offset -= storages[*storage].start as u32;
        };
        for value in &mut flow.values {
            settle(&mut value.storage, &mut value.offset);
        }
        for access in flow.instructions.iter_mut().flatten().chain(&mut flow.outputs) {
            settle(&mut access.storage, &mut access.offset);
        }
        flow.storages = storages;
        flow
    }
}

/// `operand` of an instruction of `rows` rows, not yet followed; `None` where all rows of it
/// exceed what can be addressed.
fn access(operand: &SlotOperand, rows: u32) -> Option<Access> {
    let whole = whole(operand);
    Some(match operand.tiling {
        Tiling::Whole => whole,
        Tiling::Rows { stride, width } => Access { len: operand.tiling.span(rows)?, stride, width, ..whole },
        Tiling::All { stride, width } => Access { stride, width, ..whole },
    })
}

/// `operand` as a single row, not yet followed.
fn whole(operand: &SlotOperand) -> Access {
    let SlotOperand { role, dtype, offset, len, .. } = *operand;
    Access { role, dtype, storage: 0, offset, len, stride: len, width: len, reads: Vec::new(), defines: None }
}

/// The bytes of the container's arena that `operand` covers.
fn bytes_of(operand: &SlotOperand) -> Range<u32> {
    operand.offset..operand.offset + operand.bytes() as u32
}
