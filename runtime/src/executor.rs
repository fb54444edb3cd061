//! The executor: one bounded piece of work at a time.

use quant::mem::{Memory, Slot, Window};
use quant::operand::{BlobRef, Role, SlotRef, Visitor};
use quant::ops::Tensor;
use quant::{Fault, Kernels, Op};

use crate::arena::ARENA_ALIGN;
use crate::error::ArenaError;
use crate::io::SlotHandle;
use crate::model::Model;
use crate::program::Program;

/// A run of a model in a caller's arena.
///
/// Fill the inputs, call [`step`](Self::step) until [`Progress::Done`], read the
/// outputs; the next `step` starts over. Inputs must be filled anew for each run, since
/// their memory is reused.
#[derive(Debug)]
pub struct Session<'m, 'a> {
    model: &'m Model<'m>,
    arena: &'a mut [u8],
    program: Program<'m>,
    group: Option<Loop<'m>>,
}

/// A tile group being executed.
#[derive(Clone, Copy, Debug)]
struct Loop<'m> {
    body: Program<'m>,
    left: u16,
    count: u16,
    window: Window,
    tile: u32,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Progress {
    /// Ran some rows of an instruction.
    Ran(Step),
    /// The program had ended: outputs are ready. The next step starts a new run.
    Done,
}

/// The work of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Index of the instruction.
    pub instruction: u32,
    /// The instruction.
    pub op: Op,
    /// The rows that were computed.
    pub window: Window,
}

impl Step {
    /// Whether the instruction's output is now complete.
    pub fn is_complete(&self) -> bool {
        self.window.start + self.window.count == self.window.total
    }
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
        Ok(Self { model, arena, program: model.program(), group: None })
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

    /// The rows that `step` just wrote, and the logical index of their first element in
    /// the instruction's output. Signs and which of them are not 0 are two parts, the
    /// indices of the second after all of the first; words of bits come as `i32`. Valid
    /// until the next step.
    pub fn written(&self, step: &Step) -> impl Iterator<Item = (u32, Tensor<'_>)> + use<'_, 'm, 'a> {
        let mut find = FindOutput { window: step.window, base: 0, found: [None; 2] };
        let mut op = step.op;
        op.operands::<dyn Visitor>(&mut find);
        let arena = &*self.arena;
        find.found.into_iter().flatten().filter_map(move |(first, slot)| Some((first, tensor(arena, slot)?)))
    }

    /// Abandons a run: the next step starts from the first instruction.
    pub fn restart(&mut self) {
        self.program = self.model.program();
        self.group = None;
    }

    /// Runs one instruction, or one tile of it. Never panics; a [`Fault`] is unreachable
    /// while the model's bytes are unchanged.
    pub fn step<K: Kernels>(&mut self, kernels: &mut K) -> Result<Progress, Fault> {
        let Some((instruction, op, window)) = self.next_work()? else {
            self.restart();
            return Ok(Progress::Done);
        };
        let mut memory = Memory::new(self.arena, self.model.blobs());
        op.run(kernels, &mut memory, window)?;
        Ok(Progress::Ran(Step { instruction, op, window }))
    }

    /// Runs to the end.
    pub fn run<K: Kernels>(&mut self, kernels: &mut K) -> Result<(), Fault> {
        while self.step(kernels)? != Progress::Done {}
        Ok(())
    }

    /// The next instruction and rows, or `None` at the end of the program.
    fn next_work(&mut self) -> Result<Option<(u32, Op, Window)>, Fault> {
        loop {
            let instruction = self.program.index();
            let Some(decoded) = self.program.next_op() else { return Ok(None) };
            let op = decoded.map_err(|_| Fault::Instruction)?;
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
            return Ok(Some((instruction, op, window)));
        }
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

/// Finds the parts of the written slots that a window covers.
struct FindOutput {
    window: Window,
    /// Elements of the written slots before this one, all rows.
    base: u32,
    found: [Option<(u32, SlotHandle)>; 2],
}

impl FindOutput {
    fn push(&mut self, first: u32, slot: SlotHandle, elements: u32) {
        if let Some(place) = self.found.iter_mut().find(|place| place.is_none()) {
            *place = Some((self.base.saturating_add(first), slot));
        }
        self.base = self.base.saturating_add(elements);
    }
}

impl Visitor for FindOutput {
    fn slot(&mut self, slot: SlotRef<'_>) {
        let dtype = match slot.role {
            Role::Write => slot.dtype,
            Role::Update(to) => to,
            Role::Read | Role::Scratch => return,
        };
        let quant::operand::Tiling::Rows { stride, width } = slot.tiling else {
            return self.push(0, SlotHandle { dtype, offset: *slot.offset, len: *slot.len }, *slot.len);
        };
        // Bytes keep the arithmetic of `Window::of` independent of the element type.
        let size = dtype.size();
        let bytes = Slot::<u8>::new(*slot.offset, slot.len.saturating_mul(size));
        let part = self.window.of(bytes, stride.saturating_mul(size), width.saturating_mul(size));
        if let Ok(part) = part {
            let handle = SlotHandle { dtype, offset: part.offset, len: part.len / size };
            self.push(
                self.window.start.saturating_mul(width),
                handle,
                self.window.total.saturating_mul(width),
            );
        }
    }

    fn blob(&mut self, _: BlobRef<'_>) {}
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
