//! What an instruction reads, writes and holds constant.
//!
//! Every op lists its operands once. [`Op::operands`](crate::Op::operands) reports them to
//! whoever reads a program: the checker, the executor, the planner, `inspect`.
//! [`Op::map_operands`](crate::Op::map_operands) is the one way to rewrite offsets, lengths and
//! layouts, so that planning and packing are a rewrite of the same records.

use crate::bits::BitPack;
use crate::mem::{Blob, DType, Element, Slot, span};
use crate::pack::{Pack, Packs};

/// How an instruction uses a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Read only.
    Read,
    /// Every element is written; earlier content is not read.
    Write,
    /// Read and overwritten element by element; afterwards it holds this type (of the same size).
    Update(DType),
    /// Working memory: content before and after is undefined.
    Scratch,
}

/// How a slot relates to the rows of its instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tiling {
    /// The same for every row.
    Whole,
    /// The same for every row, and itself rows of `width` elements, `stride` apart.
    All {
        /// Elements from one row to the next.
        stride: u32,
        /// Elements of one row, at most `stride`.
        width: u32,
    },
    /// Row `r` occupies elements `r · stride .. r · stride + width`.
    Rows {
        /// Elements from one row to the next.
        stride: u32,
        /// Elements of one row, at most `stride`.
        width: u32,
    },
}

impl Tiling {
    /// Contiguous rows of `width` elements.
    pub const fn rows(width: u32) -> Self {
        Tiling::Rows { stride: width, width }
    }

    /// Elements that `rows` rows occupy; `None` where they all use the same elements, or out of range.
    pub const fn span(self, rows: u32) -> Option<u32> {
        match self {
            Tiling::Whole | Tiling::All { .. } => None,
            Tiling::Rows { stride, width } => span(rows, stride, width),
        }
    }
}

/// A slot of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotOperand {
    /// Use.
    pub role: Role,
    /// Element type (before an update).
    pub dtype: DType,
    /// Byte offset in the arena.
    pub offset: u32,
    /// Elements.
    pub len: u32,
    /// Relation to the instruction's rows.
    pub tiling: Tiling,
}

impl SlotOperand {
    /// Bytes covered.
    pub fn bytes(&self) -> u64 {
        u64::from(self.len) * u64::from(self.dtype.size())
    }

    /// The type that the slot holds afterwards, where it is a result.
    pub fn written(&self) -> Option<DType> {
        match self.role {
            Role::Write => Some(self.dtype),
            Role::Update(to) => Some(to),
            Role::Read | Role::Scratch => None,
        }
    }

    /// Whether earlier content is used.
    pub fn is_read(&self) -> bool {
        matches!(self.role, Role::Read | Role::Update(_))
    }
}

/// The layout of a weight matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Of int8 weights.
    Int8(Pack),
    /// Of 1-bit weights.
    Bits(BitPack),
}

impl Layout {
    /// The name used in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Layout::Int8(pack) => pack.name(),
            Layout::Bits(pack) => pack.name(),
        }
    }

    /// Whether it is the one that `packs` names for its kind of weights.
    pub fn is_of(self, packs: Packs) -> bool {
        match self {
            Layout::Int8(pack) => pack == packs.int8,
            Layout::Bits(pack) => pack == packs.bits,
        }
    }
}

/// The weight matrix in a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// Its layout, which may be mapped along with the constant's offset and length.
    pub layout: Layout,
    /// Output channels.
    pub n: u32,
    /// Elements of the constant's type for each channel: inputs, or words of bits.
    pub k: u32,
}

/// A constant of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobOperand {
    /// Element type.
    pub dtype: DType,
    /// Byte offset in the constants.
    pub offset: u32,
    /// Elements.
    pub len: u32,
    /// Present on weight matrices, whose layout may be changed.
    pub matrix: Option<Matrix>,
}

impl BlobOperand {
    /// Bytes covered.
    pub fn bytes(&self) -> u64 {
        u64::from(self.len) * u64::from(self.dtype.size())
    }
}

/// What an instruction works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A slot of the arena.
    Slot(SlotOperand),
    /// A constant.
    Blob(BlobOperand),
}

impl Operand {
    /// The slot, if it is one.
    pub fn slot(self) -> Option<SlotOperand> {
        match self {
            Operand::Slot(slot) => Some(slot),
            Operand::Blob(_) => None,
        }
    }

    /// The constant, if it is one.
    pub fn blob(self) -> Option<BlobOperand> {
        match self {
            Operand::Blob(blob) => Some(blob),
            Operand::Slot(_) => None,
        }
    }
}

/// Takes the operands of an op, which each op file lists, always in the same order.
///
/// What the visit leaves in an operand's offset, length and layout becomes the record's.
pub struct Visitor<'v> {
    visit: &'v mut dyn FnMut(&mut Operand),
}

impl<'v> Visitor<'v> {
    pub(crate) fn new(visit: &'v mut dyn FnMut(&mut Operand)) -> Self {
        Self { visit }
    }

    pub(crate) fn read<T: Element>(&mut self, slot: &mut Slot<T>, tiling: Tiling) {
        self.slot(Role::Read, slot, tiling);
    }

    pub(crate) fn write<T: Element>(&mut self, slot: &mut Slot<T>, tiling: Tiling) {
        self.slot(Role::Write, slot, tiling);
    }

    pub(crate) fn update<T: Element>(&mut self, slot: &mut Slot<T>, tiling: Tiling) {
        self.slot(Role::Update(T::DTYPE), slot, tiling);
    }

    pub(crate) fn scratch<T: Element>(&mut self, slot: &mut Slot<T>) {
        self.slot(Role::Scratch, slot, Tiling::Whole);
    }

    pub(crate) fn slot<T: Element>(&mut self, role: Role, slot: &mut Slot<T>, tiling: Tiling) {
        let Slot { offset, len, .. } = slot;
        self.untyped(SlotOperand { role, dtype: T::DTYPE, offset: *offset, len: *len, tiling }, offset, len);
    }

    // Not generic: firmware holds one copy of it.
    fn untyped(&mut self, slot: SlotOperand, offset: &mut u32, len: &mut u32) {
        let mut operand = Operand::Slot(slot);
        (self.visit)(&mut operand);
        if let Operand::Slot(slot) = operand {
            (*offset, *len) = (slot.offset, slot.len);
        }
    }

    pub(crate) fn constant<T: Element>(&mut self, blob: &mut Blob<T>) {
        let Blob { offset, len, .. } = blob;
        self.blob(T::DTYPE, (offset, len), None);
    }

    pub(crate) fn weights(&mut self, blob: &mut Blob<i8>, pack: &mut Pack, n: u32, k: u32) {
        let Blob { offset, len, .. } = blob;
        let matrix = Matrix { layout: Layout::Int8(*pack), n, k };
        if let Some(Layout::Int8(to)) = self.blob(DType::I8, (offset, len), Some(matrix)) {
            *pack = to;
        }
    }

    pub(crate) fn bit_weights(&mut self, blob: &mut Blob<u32>, pack: &mut BitPack, n: u32, words: u32) {
        let Blob { offset, len, .. } = blob;
        let matrix = Matrix { layout: Layout::Bits(*pack), n, k: words };
        if let Some(Layout::Bits(to)) = self.blob(DType::U32, (offset, len), Some(matrix)) {
            *pack = to;
        }
    }

    fn blob(
        &mut self,
        dtype: DType,
        (offset, len): (&mut u32, &mut u32),
        matrix: Option<Matrix>,
    ) -> Option<Layout> {
        let mut operand = Operand::Blob(BlobOperand { dtype, offset: *offset, len: *len, matrix });
        (self.visit)(&mut operand);
        let Operand::Blob(blob) = operand else { return None };
        (*offset, *len) = (blob.offset, blob.len);
        blob.matrix.map(|matrix| matrix.layout)
    }
}
