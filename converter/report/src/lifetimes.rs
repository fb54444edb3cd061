//! When each byte of the arena holds what, read off the instructions.

use quant::mem::DType;
use quant::operand::Role;

/// A run of instructions executed tile by tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileGroup {
    /// Position of the first in [`ProgramFacts::instructions`](crate::ProgramFacts::instructions).
    pub first: usize,
    /// Position of the last.
    pub last: usize,
    /// Rows of each.
    pub rows: u32,
    /// Rows of a tile.
    pub tile: u32,
}

/// What a buffer of the arena holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BufferKind {
    /// An input, until it is overwritten.
    Input,
    /// int8 activations.
    Int8,
    /// int16 activations: the residual stream.
    Int16,
    /// int32 values: logits.
    Int32,
    /// Working memory of one instruction.
    Scratch,
}

/// A range of the arena while it holds one thing.
#[derive(Clone, Debug)]
pub struct Buffer {
    /// The instruction or input that it was first written by.
    pub name: String,
    /// What it holds.
    pub kind: BufferKind,
    /// First byte in the arena.
    pub offset: u64,
    /// Bytes.
    pub bytes: u64,
    /// Position of the first instruction that it is alive at.
    pub first: usize,
    /// Position of the last.
    pub last: usize,
}

/// A use of the arena by an instruction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Use {
    pub role: Role,
    pub dtype: DType,
    pub offset: u64,
    pub bytes: u64,
}

/// Buffers found so far.
#[derive(Default)]
pub(super) struct Lifetimes {
    /// Overwritten.
    closed: Vec<Buffer>,
    /// What the arena holds now; disjoint.
    open: Vec<Buffer>,
}

impl Lifetimes {
    /// An input, there before the first instruction.
    pub(super) fn input(&mut self, name: &str, offset: u64, bytes: u64) {
        let (name, kind) = (name.to_owned(), BufferKind::Input);
        self.open.push(Buffer { name, kind, offset, bytes, first: 0, last: 0 });
    }

    /// The uses of the instruction at `position`. What it reads or updates stays alive,
    /// what it writes begins.
    pub(super) fn instruction(&mut self, position: usize, name: &str, uses: &[Use]) {
        let (written, read): (Vec<&Use>, Vec<&Use>) =
            uses.iter().partition(|u| matches!(u.role, Role::Write | Role::Scratch));
        for used in read {
            self.extend(position, used.offset, used.bytes);
        }
        for used in written {
            let kind = if used.role == Role::Scratch { BufferKind::Scratch } else { kind(used.dtype) };
            let Use { offset, bytes, .. } = *used;
            self.close(offset, bytes);
            let name = name.to_owned();
            self.open.push(Buffer { name, kind, offset, bytes, first: position, last: position });
        }
    }

    /// An output, read after the instruction at `end`.
    pub(super) fn output(&mut self, end: usize, offset: u64, bytes: u64) {
        self.extend(end, offset, bytes);
    }

    fn extend(&mut self, position: usize, offset: u64, bytes: u64) {
        let touched = self.open.iter_mut().filter(|b| overlaps(b, offset, bytes));
        touched.for_each(|buffer| buffer.last = buffer.last.max(position));
    }

    fn close(&mut self, offset: u64, bytes: u64) {
        let (over, open) =
            std::mem::take(&mut self.open).into_iter().partition(|b| overlaps(b, offset, bytes));
        self.open = open;
        self.closed.extend::<Vec<Buffer>>(over);
    }

    /// All buffers in the order they began. A tile group runs its instructions again and
    /// again, so whatever it touches lives as long as it does.
    pub(super) fn finish(mut self, groups: &[TileGroup]) -> Vec<Buffer> {
        self.closed.append(&mut self.open);
        for buffer in &mut self.closed {
            let touches = |g: &&TileGroup| g.first <= buffer.last && buffer.first <= g.last;
            let (first, last) = groups
                .iter()
                .filter(touches)
                .fold((buffer.first, buffer.last), |(first, last), g| (first.min(g.first), last.max(g.last)));
            (buffer.first, buffer.last) = (first, last);
        }
        self.closed.sort_by_key(|buffer| (buffer.first, buffer.offset));
        self.closed
    }
}

fn overlaps(buffer: &Buffer, offset: u64, bytes: u64) -> bool {
    buffer.offset < offset + bytes && offset < buffer.offset + buffer.bytes
}

fn kind(dtype: DType) -> BufferKind {
    match dtype {
        DType::U8 => BufferKind::Input,
        DType::I8 => BufferKind::Int8,
        DType::I16 => BufferKind::Int16,
        DType::I32 | DType::U32 => BufferKind::Int32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(role: Role, offset: u64, bytes: u64) -> Use {
        Use { role, dtype: DType::I8, offset, bytes }
    }

    #[test]
    fn a_buffer_lives_from_its_write_to_its_last_read() {
        let mut lifetimes = Lifetimes::default();
        lifetimes.input("image", 0, 16);
        lifetimes.instruction(0, "a", &[used(Role::Read, 0, 16), used(Role::Write, 16, 16)]);
        lifetimes.instruction(1, "b", &[used(Role::Update(DType::I8), 16, 16)]);
        lifetimes.instruction(2, "c", &[used(Role::Read, 20, 4), used(Role::Write, 0, 8)]);
        lifetimes.instruction(3, "d", &[used(Role::Read, 0, 8), used(Role::Write, 16, 4)]);
        lifetimes.output(4, 16, 4);
        let spans: Vec<_> = lifetimes.finish(&[]).into_iter().map(|b| (b.name, b.first, b.last)).collect();
        let expected = [("image", 0, 0), ("a", 0, 2), ("c", 2, 3), ("d", 3, 4)];
        assert_eq!(spans, expected.map(|(name, first, last)| (name.to_owned(), first, last)));
    }

    #[test]
    fn a_tile_group_keeps_what_it_touches() {
        let mut lifetimes = Lifetimes::default();
        lifetimes.instruction(0, "before", &[used(Role::Write, 0, 8)]);
        lifetimes.instruction(1, "x", &[used(Role::Read, 0, 8), used(Role::Write, 8, 8)]);
        lifetimes.instruction(2, "y", &[used(Role::Read, 8, 8), used(Role::Write, 16, 8)]);
        let buffers = lifetimes.finish(&[TileGroup { first: 1, last: 2, rows: 8, tile: 4 }]);
        let spans: Vec<_> = buffers.into_iter().map(|b| (b.first, b.last)).collect();
        assert_eq!(spans, [(0, 2), (1, 2), (1, 2)]);
    }
}
