//! The checker: everything that running relies on.
//!
//! For every instruction: operands lie in their memory, aligned; slots hold all rows or
//! one tile; written operands overlap nothing else; whatever is read was written before
//! as the same type; the op admits its dimensions and constants. For every tile group:
//! results cannot depend on the tile size. No allocation: earlier instructions are
//! decoded again instead of remembered.

use core::ops::Range;

use quant::mem::DType;
use quant::operand::{BlobOperand, Operand, Role, SlotOperand, Tiling};
use quant::ops::{Consts, Tile};
use quant::{Op, Reject};

use crate::coverage::Coverage;
use crate::error::{LoadError, SectionKind, SlotError};
use crate::io::SlotHandle;
use crate::limits::{MAX_MACS, MAX_TILED_ROWS};
use crate::model::Model;

/// Most slots that one op has; a larger record is refused.
const MAX_SLOTS: usize = 8;

/// Checks a model whose header and sections are sound.
pub(crate) fn model(model: &Model<'_>) -> Result<(), LoadError> {
    if !model.names_are_sound() {
        return Err(LoadError::Section(SectionKind::Names));
    }
    descriptions(model)?;
    let consts = Consts::new(model.blobs());
    let mut program = model.program();
    let mut group = Group::none();
    loop {
        let index = program.index();
        let Some(op) = program.next_op() else { break };
        let op = op?;
        if let Op::Tile(tile) = op {
            op.check(&consts).map_err(|reason| LoadError::Op { index, reason })?;
            group = group.enter(index, tile)?;
            continue;
        }
        let (rows, tile) = group.rows_at(index, op.rows())?;
        let operands = operands(model, &op, index, rows, tile)?;
        op.check(&consts).map_err(|reason| LoadError::Op { index, reason })?;
        if op.macs() > MAX_MACS {
            return Err(LoadError::Op { index, reason: Reject::Dimension });
        }
        operands.check_disjoint(index)?;
        history(model, index, &operands, &group)?;
    }
    if program.index() != model.header().instructions {
        return Err(LoadError::InstructionCount);
    }
    if group.end > program.index() {
        return Err(LoadError::Tile { index: group.start.saturating_sub(1) });
    }
    outputs_defined(model)
}

/// Inputs and outputs decode, describe themselves consistently and lie in the arena.
fn descriptions(model: &Model<'_>) -> Result<(), LoadError> {
    let header = model.header();
    let (mut inputs, mut outputs) = (0u32, 0u32);
    for input in model.inputs() {
        let sound =
            input.is_valid() && in_arena(model, input.slot.offset, input.slot.bytes(), input.slot.dtype);
        sound.then_some(()).ok_or(LoadError::Io { index: inputs })?;
        inputs += 1;
    }
    if inputs != u32::from(header.inputs) || inputs == 0 {
        return Err(LoadError::Io { index: inputs });
    }
    for output in model.outputs() {
        let sound =
            output.is_valid() && in_arena(model, output.slot.offset, output.slot.bytes(), output.slot.dtype);
        sound.then_some(()).ok_or(LoadError::Io { index: inputs + outputs })?;
        outputs += 1;
    }
    if outputs != u32::from(header.outputs) || outputs == 0 {
        return Err(LoadError::Io { index: inputs + outputs });
    }
    if model.io_rest().is_empty() { Ok(()) } else { Err(LoadError::Section(SectionKind::Io)) }
}

fn in_arena(model: &Model<'_>, offset: u32, bytes: u64, dtype: DType) -> bool {
    bytes > 0
        && offset.checked_rem(dtype.size()) == Some(0)
        && u64::from(offset) + bytes <= u64::from(model.header().arena_len)
}

/// The tile group that instructions are in.
#[derive(Clone, Copy, Debug)]
struct Group {
    /// First instruction.
    start: u32,
    /// One past the last.
    end: u32,
    rows: u32,
    tile: u32,
}

impl Group {
    const fn none() -> Self {
        Self { start: 0, end: 0, rows: 0, tile: 0 }
    }

    fn contains(&self, index: u32) -> bool {
        (self.start..self.end).contains(&index)
    }

    /// The group that the `Tile` record at `index` opens.
    fn enter(self, index: u32, tile: Tile) -> Result<Self, LoadError> {
        if self.contains(index) || tile.rows > MAX_TILED_ROWS {
            return Err(LoadError::Tile { index });
        }
        let start = index + 1;
        Ok(Self { start, end: start + u32::from(tile.count), rows: tile.rows, tile: tile.tile })
    }

    /// Rows and tile of the instruction at `index`, which has `rows` rows.
    fn rows_at(&self, index: u32, rows: u32) -> Result<(u32, u32), LoadError> {
        if !self.contains(index) {
            return Ok((rows, rows));
        }
        if rows == self.rows { Ok((rows, self.tile)) } else { Err(LoadError::Tile { index: self.start - 1 }) }
    }
}

/// A slot of an instruction, as the overlap and lifetime rules see it.
#[derive(Clone, Debug)]
struct Use {
    slot: SlotOperand,
    bytes: Range<u64>,
    /// Holds one tile rather than all rows.
    local: bool,
    operand: u8,
}

impl Use {
    fn new(slot: SlotOperand, rows: u32, operand: u8) -> Self {
        let start = u64::from(slot.offset);
        let local = slot.tiling.span(rows).is_some_and(|all| all != slot.len);
        Self { slot, bytes: start..start + slot.bytes(), local, operand }
    }

    fn overlaps(&self, other: &Use) -> bool {
        self.bytes.start < other.bytes.end && other.bytes.start < self.bytes.end
    }

    /// Whether row `r` is the same bytes in both.
    fn same_rows(&self, other: &Use) -> bool {
        let tiling = self.slot.tiling;
        let rows = matches!(tiling, Tiling::Rows { .. }) && tiling == other.slot.tiling;
        rows && self.bytes == other.bytes && self.local == other.local
    }
}

/// The slots of one instruction.
struct Operands {
    uses: [Option<Use>; MAX_SLOTS],
}

impl Operands {
    fn iter(&self) -> impl Iterator<Item = &Use> {
        self.uses.iter().flatten()
    }

    /// Written and scratch slots overlap no other slot of the instruction.
    fn check_disjoint(&self, index: u32) -> Result<(), LoadError> {
        for a in self.iter().filter(|a| a.slot.role != Role::Read) {
            if self.iter().any(|b| b.operand != a.operand && a.overlaps(b)) {
                return Err(LoadError::Slot { index, operand: a.operand, reason: SlotError::Overlap });
            }
        }
        Ok(())
    }
}

/// Collects and checks the operands of the instruction at `index`.
fn operands(model: &Model<'_>, op: &Op, index: u32, rows: u32, tile: u32) -> Result<Operands, LoadError> {
    let mut collect =
        Collect { model, rows, tile, next: 0, operands: Operands { uses: Default::default() }, error: None };
    op.operands(&mut |operand| collect.add(operand));
    match collect.error {
        Some((operand, reason)) => Err(LoadError::Slot { index, operand, reason }),
        None => Ok(collect.operands),
    }
}

struct Collect<'a, 'm> {
    model: &'a Model<'m>,
    rows: u32,
    tile: u32,
    next: u8,
    operands: Operands,
    error: Option<(u8, SlotError)>,
}

impl Collect<'_, '_> {
    fn slot_error(&self, slot: &SlotOperand) -> Option<SlotError> {
        if slot.offset.checked_rem(slot.dtype.size()) != Some(0) {
            return Some(SlotError::Misaligned);
        }
        if !in_arena(self.model, slot.offset, slot.bytes(), slot.dtype) {
            return Some(SlotError::Bounds);
        }
        let Tiling::Rows { stride, width } = slot.tiling else { return None };
        let held = [slot.tiling.span(self.rows), slot.tiling.span(self.tile)];
        let fits = width > 0 && stride >= width && held.contains(&Some(slot.len));
        (!fits).then_some(SlotError::Length)
    }

    fn blob_error(&self, blob: &BlobOperand) -> Option<SlotError> {
        if blob.offset % 4 != 0 {
            return Some(SlotError::Misaligned);
        }
        let inside =
            blob.bytes() > 0 && u64::from(blob.offset) + blob.bytes() <= self.model.blobs().len() as u64;
        (!inside).then_some(SlotError::Bounds)
    }

    fn add(&mut self, operand: Operand) {
        let error = match operand {
            Operand::Slot(slot) => {
                match self.operands.uses.iter_mut().find(|place| place.is_none()) {
                    Some(place) => *place = Some(Use::new(slot, self.rows, self.next)),
                    None => self.report(Some(SlotError::Length)),
                }
                self.slot_error(&slot)
            }
            Operand::Blob(blob) => self.blob_error(&blob),
        };
        self.report(error);
        self.next = self.next.saturating_add(1);
    }

    fn report(&mut self, error: Option<SlotError>) {
        if let (Some(reason), None) = (error, self.error) {
            self.error = Some((self.next, reason));
        }
    }
}

/// Replays the program up to the instruction at `index` against its `operands`: reads
/// must be covered, and within its tile group slots may only meet row by row.
fn history(model: &Model<'_>, index: u32, operands: &Operands, group: &Group) -> Result<(), LoadError> {
    let mut coverage: [Option<Coverage>; MAX_SLOTS] = Default::default();
    for (place, read) in coverage.iter_mut().zip(operands.iter().filter(|u| u.slot.is_read())) {
        *place = Some(Coverage::new(read.bytes.clone(), read.slot.dtype));
    }
    let grouped = group.contains(index);
    replay(model, index, &mut |earlier, earlier_index| {
        let same_group = grouped && group.contains(earlier_index);
        for past in earlier.iter() {
            if same_group {
                group_overlap(past, operands, index)?;
            }
            for c in coverage.iter_mut().flatten() {
                match past.slot.written() {
                    Some(dtype) if !past.local || same_group => c.write(&past.bytes, dtype),
                    _ if past.slot.role != Role::Read => c.clobber(&past.bytes),
                    _ => {}
                }
            }
        }
        Ok(())
    })?;
    for (covered, read) in coverage.iter().flatten().zip(operands.iter().filter(|u| u.slot.is_read())) {
        let in_group = grouped && read.local;
        if !covered.is_complete() || (in_group && !written_in_group(model, read, index, group)?) {
            return Err(LoadError::Slot { index, operand: read.operand, reason: SlotError::Undefined });
        }
    }
    Ok(())
}

/// Two slots of one tile group, at least one of them not read only, are disjoint or the same rows.
fn group_overlap(past: &Use, operands: &Operands, index: u32) -> Result<(), LoadError> {
    for now in operands.iter() {
        let both_read = past.slot.role == Role::Read && now.slot.role == Role::Read;
        let scratch = past.slot.role == Role::Scratch && now.slot.role == Role::Scratch;
        if !both_read && !scratch && past.overlaps(now) && !past.same_rows(now) {
            return Err(LoadError::Slot { index, operand: now.operand, reason: SlotError::Overlap });
        }
    }
    Ok(())
}

/// Whether the tile-sized slot `read` at `index` is written earlier in its group.
fn written_in_group(model: &Model<'_>, read: &Use, index: u32, group: &Group) -> Result<bool, LoadError> {
    let mut written = false;
    replay(model, index, &mut |earlier, earlier_index| {
        let inside = group.contains(earlier_index);
        written |= inside && earlier.iter().any(|past| past.slot.role == Role::Write && past.same_rows(read));
        Ok(())
    })?;
    Ok(written)
}

/// Calls `body` with the slots and the index of every instruction before `end`, inputs
/// first (with an index that no instruction has).
fn replay(
    model: &Model<'_>,
    end: u32,
    body: &mut dyn FnMut(&Operands, u32) -> Result<(), LoadError>,
) -> Result<(), LoadError> {
    for input in model.inputs() {
        let mut operands = Operands { uses: Default::default() };
        let SlotHandle { dtype, offset, len } = input.slot;
        let slot = SlotOperand { role: Role::Write, dtype, offset, len, tiling: Tiling::Whole };
        if let Some(place) = operands.uses.first_mut() {
            *place = Some(Use::new(slot, 0, 0));
        }
        body(&operands, u32::MAX)?;
    }
    let mut program = model.program();
    let mut group = Group::none();
    while program.index() < end {
        let index = program.index();
        let Some(op) = program.next_op() else { break };
        let op = op?;
        if let Op::Tile(tile) = op {
            group = group.enter(index, tile)?;
            continue;
        }
        let (rows, tile) = group.rows_at(index, op.rows())?;
        let operands = operands(model, &op, index, rows, tile)?;
        body(&operands, index)?;
    }
    Ok(())
}

/// Every output is defined, as its type, when the program ends.
fn outputs_defined(model: &Model<'_>) -> Result<(), LoadError> {
    for (index, output) in model.outputs().enumerate() {
        let start = u64::from(output.slot.offset);
        let mut coverage = Coverage::new(start..start + output.slot.bytes(), output.slot.dtype);
        replay(model, u32::MAX, &mut |earlier, _| {
            for past in earlier.iter() {
                match past.slot.written() {
                    Some(dtype) if !past.local => coverage.write(&past.bytes, dtype),
                    _ if past.slot.role != Role::Read => coverage.clobber(&past.bytes),
                    _ => {}
                }
            }
            Ok(())
        })?;
        if !coverage.is_complete() {
            return Err(LoadError::OutputUndefined { index: index as u32 });
        }
    }
    Ok(())
}
