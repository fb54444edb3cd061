//! Small typed errors: `Copy`, no strings. Their words stand beside them, as constants for
//! firmware, which has no `core::fmt`, and as `Display` with all details for hosts.

use core::error::Error;
use core::fmt;

use quant::Reject;

use crate::arena::ARENA_ALIGN;
use crate::limits::FORMAT_VERSION;

/// Why a container was refused.
///
/// Who translates these (to hints, to the statuses of the C library) names every variant, so
/// that none is forgotten; for words, [`message`](Self::message) and `Display` do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// Fewer bytes than the header, or than the header says.
    Truncated,
    /// More bytes than the header says.
    TrailingBytes,
    /// Not a Shiftformer container.
    Magic,
    /// Made for another version of the format.
    Version {
        /// The version in the header.
        found: u16,
    },
    /// The bytes do not start at a multiple of 4 in memory.
    Misaligned,
    /// The checksum does not match the content.
    Crc,
    /// A section lies outside the file, is misaligned, overlaps its neighbour, or a
    /// reserved field is not zero.
    Section(SectionKind),
    /// The arena is larger than [`MAX_ARENA`](crate::MAX_ARENA).
    Arena,
    /// There are no instructions, or more than [`MAX_INSTRUCTIONS`](crate::MAX_INSTRUCTIONS),
    /// or not as many as the header says.
    InstructionCount,
    /// An instruction does not decode, or has bytes left over.
    Instruction {
        /// Its index.
        index: u32,
    },
    /// An instruction of an op that this runtime does not know.
    UnknownOp {
        /// Its index.
        index: u32,
        /// The op id.
        id: u16,
    },
    /// An op refuses its dimensions or constants.
    Op {
        /// The instruction's index.
        index: u32,
        /// Why.
        reason: Reject,
    },
    /// An operand is wrong.
    Slot {
        /// The instruction's index.
        index: u32,
        /// The operand, counted over slots and constants in the op's order.
        operand: u8,
        /// Why.
        reason: SlotError,
    },
    /// A tile group reaches past the program, nests, or its rows differ.
    Tile {
        /// The `Tile` record's index.
        index: u32,
    },
    /// An input or output description is malformed or outside the arena.
    Io {
        /// Its index, inputs first.
        index: u32,
    },
    /// An output is not fully computed at the end of the program.
    OutputUndefined {
        /// The output's index.
        index: u32,
    },
}

impl LoadError {
    /// The instruction that the error concerns, if it is one.
    pub const fn instruction(&self) -> Option<u32> {
        match *self {
            LoadError::Instruction { index }
            | LoadError::UnknownOp { index, .. }
            | LoadError::Op { index, .. }
            | LoadError::Slot { index, .. }
            | LoadError::Tile { index } => Some(index),
            LoadError::Truncated
            | LoadError::TrailingBytes
            | LoadError::Magic
            | LoadError::Version { .. }
            | LoadError::Misaligned
            | LoadError::Crc
            | LoadError::Section(_)
            | LoadError::Arena
            | LoadError::InstructionCount
            | LoadError::Io { .. }
            | LoadError::OutputUndefined { .. } => None,
        }
    }

    /// What is wrong, as a clause without the details: those are in the fields, and in what
    /// `Display` writes.
    pub const fn message(&self) -> &'static str {
        match self {
            LoadError::Truncated => "the container is truncated",
            LoadError::TrailingBytes => "bytes follow the container",
            LoadError::Magic => "not a Shiftformer container",
            LoadError::Version { .. } => "another version of the format",
            LoadError::Misaligned => "the container is not aligned",
            LoadError::Crc => "the container is damaged: its checksum does not match",
            LoadError::Section(_) => "a section is malformed",
            LoadError::Arena => "the arena is over 1 GiB",
            LoadError::InstructionCount => "wrong number of instructions",
            LoadError::Instruction { .. } => "an instruction is malformed",
            LoadError::UnknownOp { .. } => "an op is not included in this build",
            LoadError::Op { .. } => "an op refuses its operands",
            LoadError::Slot { .. } => "an operand lies wrong in memory",
            LoadError::Tile { .. } => "a tile group is inconsistent",
            LoadError::Io { .. } => "an input or output is malformed",
            LoadError::OutputUndefined { .. } => "an output is not computed",
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())?;
        match *self {
            LoadError::Version { found } => {
                write!(f, ": version {found}, this build reads version {FORMAT_VERSION}")
            }
            LoadError::Misaligned => f.write_str(": it must start at a multiple of 4 in memory"),
            LoadError::Section(kind) => write!(f, ": {kind}"),
            LoadError::UnknownOp { id, .. } => write!(f, ": id {id}"),
            LoadError::Op { reason, .. } => write!(f, ": {reason}"),
            LoadError::Slot { operand, reason, .. } => write!(f, ": operand {operand} {}", reason.message()),
            LoadError::Io { index } => write!(f, ": number {index}, inputs counted first"),
            LoadError::OutputUndefined { index } => write!(f, ": output {index}"),
            LoadError::Truncated
            | LoadError::TrailingBytes
            | LoadError::Magic
            | LoadError::Crc
            | LoadError::Arena
            | LoadError::InstructionCount
            | LoadError::Instruction { .. }
            | LoadError::Tile { .. } => Ok(()),
        }?;
        match self.instruction() {
            Some(index) => write!(f, " (instruction {index})"),
            None => Ok(()),
        }
    }
}

impl Error for LoadError {}

/// What is wrong with an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlotError {
    /// Outside the arena or the constants, or empty.
    Bounds,
    /// Not aligned for its element type (constants: for 4 bytes).
    Misaligned,
    /// Holds neither all rows nor one tile.
    Length,
    /// Overlaps another operand of the instruction, or of its tile group, in a way
    /// that would make results depend on the order of rows.
    Overlap,
    /// Read before it is written, or written as another type.
    Undefined,
}

impl SlotError {
    /// What is wrong, as the rest of a clause that begins with the operand.
    pub const fn message(self) -> &'static str {
        match self {
            SlotError::Bounds => "lies outside its memory",
            SlotError::Misaligned => "is misaligned",
            SlotError::Length => "holds neither all rows nor one tile",
            SlotError::Overlap => "overlaps another operand",
            SlotError::Undefined => "is read before it is written, or as another type",
        }
    }
}

impl fmt::Display for SlotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an operand {}", self.message())
    }
}

impl Error for SlotError {}

/// The sections of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionKind {
    /// The fixed header.
    Header,
    /// Inputs and outputs.
    Io,
    /// Instructions.
    Program,
    /// Instruction names.
    Names,
    /// Constants.
    Blobs,
}

impl fmt::Display for SectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SectionKind::Header => "header",
            SectionKind::Io => "inputs and outputs",
            SectionKind::Program => "program",
            SectionKind::Names => "names",
            SectionKind::Blobs => "constants",
        })
    }
}

/// Why an arena was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArenaError {
    /// Smaller than the model needs.
    TooSmall {
        /// Bytes needed.
        needed: u32,
    },
    /// Does not start at a multiple of [`ARENA_ALIGN`](crate::ARENA_ALIGN).
    Misaligned,
}

impl ArenaError {
    /// What is wrong, as a clause without the details.
    pub const fn message(&self) -> &'static str {
        match self {
            ArenaError::TooSmall { .. } => "the arena is too small",
            ArenaError::Misaligned => "the arena is not aligned",
        }
    }
}

impl fmt::Display for ArenaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())?;
        match self {
            ArenaError::TooSmall { needed } => write!(f, ": {needed} bytes are needed"),
            ArenaError::Misaligned => write!(f, ": it must start at a multiple of {ARENA_ALIGN} in memory"),
        }
    }
}

impl Error for ArenaError {}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn words_have_the_details() {
        let index = 7;
        let texts = [
            (LoadError::Crc, "the container is damaged: its checksum does not match"),
            (
                LoadError::Version { found: 9 },
                "another version of the format: version 9, this build reads version 1",
            ),
            (LoadError::Section(SectionKind::Names), "a section is malformed: names"),
            (LoadError::Instruction { index }, "an instruction is malformed (instruction 7)"),
            (
                LoadError::UnknownOp { index, id: 90 },
                "an op is not included in this build: id 90 (instruction 7)",
            ),
            (
                LoadError::Op { index, reason: Reject::Weight },
                "an op refuses its operands: a weight is -128 (instruction 7)",
            ),
            (
                LoadError::Slot { index, operand: 2, reason: SlotError::Misaligned },
                "an operand lies wrong in memory: operand 2 is misaligned (instruction 7)",
            ),
            (LoadError::Io { index: 1 }, "an input or output is malformed: number 1, inputs counted first"),
            (LoadError::OutputUndefined { index: 0 }, "an output is not computed: output 0"),
        ];
        for (error, text) in texts {
            assert_eq!(error.to_string(), text);
            assert!(text.starts_with(error.message()));
        }
        assert_eq!(SlotError::Bounds.to_string(), "an operand lies outside its memory");
        let small = ArenaError::TooSmall { needed: 64 };
        assert_eq!(small.to_string(), "the arena is too small: 64 bytes are needed");
    }

    #[test]
    fn the_largest_arena_is_the_one_named() {
        assert_eq!(crate::MAX_ARENA, 1 << 30);
        assert!(LoadError::Arena.message().contains("1 GiB"));
    }
}
