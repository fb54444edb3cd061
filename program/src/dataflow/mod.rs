//! The values of a program, and who uses them.
//!
//! A container says where operands lie; engines that lay memory out for themselves ask what
//! lies there. [`Dataflow::of`] follows a checked program in the order of its instructions
//! and gives every result a [`Value`], every operand an [`Access`] with the values, rows and
//! columns that it reads, and every piece of memory that must stay together a [`Storage`].
//!
//! The order of instructions is that of the results in tile groups too: the checker admits
//! only groups in which every row depends on rows of the same group alone.

mod memory;
mod trace;
mod view;

use std::ops::Range;

use quant::mem::DType;
use quant::operand::Role;
use runtime::Model;

use crate::error::ProgramError;

/// What a program computes: values, their memory, and the accesses of every instruction.
#[derive(Clone, Debug, Default)]
pub struct Dataflow {
    /// Every value, in the order of their definitions.
    pub values: Vec<Value>,
    /// The memory that they lie in.
    pub storages: Vec<Storage>,
    /// For every instruction, control records included, its slots in the order of
    /// [`Op::operands`](quant::Op::operands), constants left out.
    pub instructions: Vec<Vec<Access>>,
    /// The inputs' values, in order.
    pub inputs: Vec<usize>,
    /// What the outputs read after the last instruction, in order.
    pub outputs: Vec<Access>,
}

/// A result, or an input. One that is updated in place is followed by another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Element type.
    pub dtype: DType,
    /// Rows.
    pub rows: u32,
    /// Elements of a row; rows follow one another without gaps.
    pub width: u32,
    /// Where it comes from.
    pub defined_by: Definition,
    /// The values in whose memory it lies, where it updates some of theirs.
    pub updates: Vec<usize>,
    /// Who reads it, in order.
    pub used_by: Vec<Use>,
    /// Index of its memory.
    pub storage: usize,
    /// Bytes from the beginning of its memory.
    pub offset: u32,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Definition {
    /// An input of the program.
    Input(usize),
    /// The result of an instruction.
    Instruction(usize),
}

/// Who reads a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// An operand of an instruction.
    Instruction {
        /// Its index.
        instruction: usize,
        /// The position of the operand among the slots of the instruction.
        slot: usize,
    },
    /// An output of the program.
    Output(usize),
}

/// Memory that keeps its inner layout wherever it is placed: values that are read together,
/// and those that update one another in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Byte offset in the arena of the container.
    pub start: u64,
    /// Bytes, with all rows.
    pub bytes: u64,
    /// Bytes in the container: less than `bytes` where it holds only one tile.
    pub held: u64,
    /// Instructions from the first to the last that touches it. An input's begins at the
    /// first instruction, an output's ends behind the last.
    pub life: Range<usize>,
    /// Whether it is working memory, which holds no value.
    pub scratch: bool,
}

impl Storage {
    /// Whether the container has room for one tile of it only: nobody outside of one tile
    /// group reads it.
    pub const fn is_tile_local(&self) -> bool {
        self.held < self.bytes
    }
}

/// A slot of an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Use.
    pub role: Role,
    /// Element type, before an update.
    pub dtype: DType,
    /// Index of its memory.
    pub storage: usize,
    /// Bytes from the beginning of that memory.
    pub offset: u32,
    /// Elements, with all rows.
    pub len: u32,
    /// Elements from one row to the next; `len` where it has one row.
    pub stride: u32,
    /// Elements of a row.
    pub width: u32,
    /// What it reads of which values, in the order of their addresses.
    pub reads: Vec<View>,
    /// The value that it defines.
    pub defines: Option<usize>,
}

/// A part of a value: some rows, and of each the same columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Index of the value.
    pub value: usize,
    /// Which of its rows are read.
    pub rows: Rows,
    /// Which elements of each row. All of them where the reader cuts the value into rows of
    /// another width.
    pub columns: Range<u32>,
}

/// Some rows of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Consecutive ones.
    Range(Range<u32>),
    /// Single ones, ascending, none twice.
    Listed(Vec<u32>),
}

impl Rows {
    /// How many there are.
    pub fn count(&self) -> usize {
        match self {
            Rows::Range(range) => range.len(),
            Rows::Listed(rows) => rows.len(),
        }
    }

    /// Whether `row` is among them.
    pub fn contains(&self, row: u32) -> bool {
        match self {
            Rows::Range(range) => range.contains(&row),
            Rows::Listed(rows) => rows.binary_search(&row).is_ok(),
        }
    }
}

impl Dataflow {
    /// The dataflow of `model`. Takes time in proportion to the instructions times the values
    /// that live at once.
    ///
    /// # Errors
    ///
    /// [`ProgramError::TooLarge`] where a result of all rows exceeds what a container can
    /// address, although its tiles do not.
    pub fn of(model: &Model<'_>) -> Result<Self, ProgramError> {
        trace::Trace::new(model).run()
    }
}
