//! Small typed errors: `Copy`, no strings.

use quant::Reject;

/// Why a container was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
}

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
