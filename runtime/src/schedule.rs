//! The order of work: instructions, with tile groups unrolled.

use quant::mem::{Slot, Window};
use quant::operand::{SlotOperand, Tiling};
use quant::{Fault, Op};

use crate::io::SlotHandle;
use crate::stream::InstructionStream;

/// One bounded piece of work: some rows of an instruction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Index of the instruction.
    pub instruction: u32,
    /// The instruction; never a [`Tile`](quant::ops::Tile).
    pub op: Op,
    /// The rows to compute.
    pub window: Window,
}

/// A part of an instruction's output that a step writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Logical index of its first element in the instruction's output.
    pub first: u32,
    /// Where it lies in the arena.
    pub slot: SlotHandle,
}

impl Step {
    /// Whether the instruction's output is complete after this step.
    pub fn is_complete(&self) -> bool {
        self.window.start + self.window.count == self.window.total
    }

    /// The parts of the output that this step writes, at most two. Signs and which of them
    /// are not 0 are two parts, the indices of the second after all of the first.
    pub fn written(&self) -> [Option<Written>; 2] {
        let mut parts = [None; 2];
        let mut places = parts.iter_mut();
        let mut base = 0u32;
        self.op.operands(&mut |operand| {
            let Some((first, slot, elements)) = operand.slot().and_then(|slot| self.part(slot)) else {
                return;
            };
            if let Some(place) = places.next() {
                *place = Some(Written { first: base.saturating_add(first), slot });
            }
            base = base.saturating_add(elements);
        });
        parts
    }

    /// The part of `slot` that this step writes, the index of its first element in the slot's
    /// values, and how many values the slot has over all rows.
    fn part(&self, slot: SlotOperand) -> Option<(u32, SlotHandle, u32)> {
        let dtype = slot.written()?;
        let Tiling::Rows { stride, width } = slot.tiling else {
            return Some((0, SlotHandle { dtype, offset: slot.offset, len: slot.len }, slot.len));
        };
        // Bytes keep the arithmetic of `Window::of` independent of the element type.
        let size = dtype.size();
        let bytes = Slot::<u8>::new(slot.offset, slot.len.saturating_mul(size));
        let part = self.window.of(bytes, stride.saturating_mul(size), width.saturating_mul(size)).ok()?;
        let handle = SlotHandle { dtype, offset: part.offset, len: part.len / size };
        Some((self.window.start.saturating_mul(width), handle, self.window.total.saturating_mul(width)))
    }
}

/// The steps of a program in order: each instruction as a whole, or, in a tile group, the
/// group's instructions in turn for one tile after another.
///
/// A [`Fault`] is unreachable while the model's bytes are unchanged; after one, every
/// further call returns it again.
#[derive(Clone, Copy, Debug)]
pub struct Schedule<'m> {
    program: InstructionStream<'m>,
    group: Option<Loop<'m>>,
}

/// A tile group being executed.
#[derive(Clone, Copy, Debug)]
struct Loop<'m> {
    body: InstructionStream<'m>,
    left: u16,
    count: u16,
    window: Window,
    tile: u32,
}

impl<'m> Schedule<'m> {
    /// From the first instruction of `program`.
    pub(crate) const fn new(program: InstructionStream<'m>) -> Self {
        Self { program, group: None }
    }

    /// Moves on within the tile group, if any: to the next tile after its last instruction.
    fn advance(&mut self) {
        let Some(group) = &mut self.group else { return };
        group.left = group.left.saturating_sub(1);
        if group.left > 0 {
            return;
        }
        let start = group.window.start.saturating_add(group.window.count);
        if start >= group.window.total {
            self.group = None;
            return;
        }
        group.window.start = start;
        group.window.count = group.tile.min(group.window.total - start);
        group.left = group.count;
        self.program = group.body;
    }
}

impl Iterator for Schedule<'_> {
    type Item = Result<Step, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let instruction = self.program.index();
            let Ok(op) = self.program.next_op()? else { return Some(Err(Fault::Instruction)) };
            if let Op::Tile(tile) = op {
                let window = Window { start: 0, count: tile.tile, total: tile.rows };
                self.group = Some(Loop {
                    body: self.program,
                    left: tile.count,
                    count: tile.count,
                    window,
                    tile: tile.tile,
                });
                continue;
            }
            let window = match self.group {
                Some(group) => group.window,
                None => Window::whole(op.rows()),
            };
            self.advance();
            return Some(Ok(Step { instruction, op, window }));
        }
    }
}
