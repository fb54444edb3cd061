//! The instruction stream: frames of `op u16 | length u16 | payload`.

use quant::Op;
use wire::Reader;

use crate::error::LoadError;

/// A cursor over encoded instructions.
#[derive(Clone, Copy, Debug)]
pub struct InstructionStream<'a> {
    rest: &'a [u8],
    index: u32,
}

impl<'a> InstructionStream<'a> {
    /// A cursor at the first instruction of a program section.
    pub const fn new(section: &'a [u8]) -> Self {
        Self { rest: section, index: 0 }
    }

    /// Index of the next instruction.
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// Decodes the next instruction; `None` at the end.
    pub fn next_op(&mut self) -> Option<Result<Op, LoadError>> {
        if self.rest.is_empty() {
            return None;
        }
        Some(self.decode())
    }

    fn decode(&mut self) -> Result<Op, LoadError> {
        let index = self.index;
        let malformed = LoadError::Instruction { index };
        let (&[i0, i1, l0, l1], rest) = self.rest.split_first_chunk().ok_or(malformed)?;
        let id = u16::from_le_bytes([i0, i1]);
        let len = usize::from(u16::from_le_bytes([l0, l1]));
        let (payload, rest) = rest.split_at_checked(len).ok_or(malformed)?;
        let mut reader = Reader::new(payload);
        let op = Op::decode(id, &mut reader).ok_or(LoadError::UnknownOp { index, id })?;
        let op = op.and_then(|op| reader.finish().map(|()| op)).map_err(|_| malformed)?;
        self.rest = rest;
        self.index += 1;
        Ok(op)
    }
}
