//! What an instruction reads, writes and holds constant.
//!
//! Every op reports its operands through one method,
//! [`Op::operands`](crate::Op::operands). The checker, the planner, the repacker,
//! `inspect` and the GPU bindings are all visitors of it; they get mutable access to
//! the offsets and lengths so that planning is a rewrite of the same records.

use crate::mem::{Blob, DType, Element, Slot, span};
use crate::pack::Pack;

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

    /// Elements that `rows` rows occupy; `None` for [`Tiling::Whole`] or out of range.
    pub const fn span(self, rows: u32) -> Option<u32> {
        match self {
            Tiling::Whole => None,
            Tiling::Rows { stride, width } => span(rows, stride, width),
        }
    }
}

/// A visited slot.
pub struct SlotRef<'a> {
    /// Operand name, for people.
    pub name: &'static str,
    /// Use.
    pub role: Role,
    /// Element type (before an update).
    pub dtype: DType,
    /// Byte offset in the arena.
    pub offset: &'a mut u32,
    /// Elements.
    pub len: &'a mut u32,
    /// Relation to the instruction's rows.
    pub tiling: Tiling,
}

impl SlotRef<'_> {
    /// Bytes covered.
    pub fn bytes(&self) -> u64 {
        u64::from(*self.len) * u64::from(self.dtype.size())
    }
}

/// The weight matrix in a visited blob.
pub struct PackRef<'a> {
    /// Current layout.
    pub pack: &'a mut Pack,
    /// Output channels.
    pub n: u32,
    /// Inputs of each channel.
    pub k: u32,
}

/// A visited constant.
pub struct BlobRef<'a> {
    /// Operand name, for people.
    pub name: &'static str,
    /// Element type.
    pub dtype: DType,
    /// Byte offset in the constants.
    pub offset: &'a mut u32,
    /// Elements.
    pub len: &'a mut u32,
    /// Present on weight matrices, whose layout may be changed.
    pub pack: Option<PackRef<'a>>,
}

impl BlobRef<'_> {
    /// Bytes covered.
    pub fn bytes(&self) -> u64 {
        u64::from(*self.len) * u64::from(self.dtype.size())
    }
}

/// Receives the operands of an instruction, always in the same order.
pub trait Visitor {
    /// A slot of the arena.
    fn slot(&mut self, slot: SlotRef<'_>);
    /// A constant.
    fn blob(&mut self, blob: BlobRef<'_>);
}

/// Shorthands for the op files.
pub(crate) trait VisitorExt: Visitor {
    fn read<T: Element>(&mut self, name: &'static str, slot: &mut Slot<T>, tiling: Tiling) {
        self.typed(name, Role::Read, slot, tiling);
    }

    fn write<T: Element>(&mut self, name: &'static str, slot: &mut Slot<T>, tiling: Tiling) {
        self.typed(name, Role::Write, slot, tiling);
    }

    fn update<T: Element>(&mut self, name: &'static str, slot: &mut Slot<T>, tiling: Tiling) {
        self.typed(name, Role::Update(T::DTYPE), slot, tiling);
    }

    fn scratch<T: Element>(&mut self, name: &'static str, slot: &mut Slot<T>) {
        self.typed(name, Role::Scratch, slot, Tiling::Whole);
    }

    fn typed<T: Element>(&mut self, name: &'static str, role: Role, slot: &mut Slot<T>, tiling: Tiling) {
        let Slot { offset, len, .. } = slot;
        self.slot(SlotRef { name, role, dtype: T::DTYPE, offset, len, tiling });
    }

    fn constant<T: Element>(&mut self, name: &'static str, blob: &mut Blob<T>) {
        let Blob { offset, len, .. } = blob;
        self.blob(BlobRef { name, dtype: T::DTYPE, offset, len, pack: None });
    }

    fn weights(&mut self, name: &'static str, blob: &mut Blob<i8>, pack: &mut Pack, n: u32, k: u32) {
        let Blob { offset, len, .. } = blob;
        self.blob(BlobRef { name, dtype: DType::I8, offset, len, pack: Some(PackRef { pack, n, k }) });
    }
}

impl<V: Visitor + ?Sized> VisitorExt for V {}
