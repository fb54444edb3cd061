//! What an instruction reads, writes and holds constant.
//!
//! Every op reports its operands through one method,
//! [`Op::operands`](crate::Op::operands). The checker, the executor, the
//! planner, the repacker and `inspect` are all visitors of it; they get mutable access to
//! the offsets and lengths so that planning is a rewrite of the same records.

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
    pub layout: LayoutRef<'a>,
    /// Output channels.
    pub n: u32,
    /// Elements of the blob's type for each channel: inputs, or words of bits.
    pub k: u32,
}

/// The layout of a weight matrix, which may be changed along with its blob.
pub enum LayoutRef<'a> {
    /// Of int8 weights.
    Int8(&'a mut Pack),
    /// Of 1-bit weights.
    Bits(&'a mut BitPack),
}

impl LayoutRef<'_> {
    /// The name used in reports.
    pub fn name(&self) -> &'static str {
        match self {
            LayoutRef::Int8(pack) => pack.name(),
            LayoutRef::Bits(pack) => pack.name(),
        }
    }

    /// Whether it is the one that `packs` names for its kind of weights.
    pub fn is_of(&self, packs: Packs) -> bool {
        match self {
            LayoutRef::Int8(pack) => **pack == packs.int8,
            LayoutRef::Bits(pack) => **pack == packs.bits,
        }
    }
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
        let pack = Some(PackRef { layout: LayoutRef::Int8(pack), n, k });
        self.blob(BlobRef { name, dtype: DType::I8, offset, len, pack });
    }

    fn bit_weights(
        &mut self,
        name: &'static str,
        blob: &mut Blob<u32>,
        pack: &mut BitPack,
        n: u32,
        words: u32,
    ) {
        let Blob { offset, len, .. } = blob;
        let pack = Some(PackRef { layout: LayoutRef::Bits(pack), n, k: words });
        self.blob(BlobRef { name, dtype: DType::U32, offset, len, pack });
    }
}

impl<V: Visitor + ?Sized> VisitorExt for V {}
