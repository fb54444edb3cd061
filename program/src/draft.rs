//! A program over virtual memory.
//!
//! Lowering gives every tensor a [`Region`] of its own in an address space that is never
//! reused. Such a draft is executable as it stands (in a huge arena); the planner then
//! moves regions into a small one.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use bytemuck::Pod;
use quant::Op;
use quant::mem::{Blob, DType, Element, Slot};
use quant::operand::{Operand, SlotOperand};
use runtime::{FloatBits, InputKind, OutputKind, SlotHandle};

use crate::error::ProgramError;
use crate::notes::NoteStore;

/// Alignment of regions and blobs.
pub(crate) const ALIGN: u32 = 16;

/// A named instruction.
#[derive(Clone, Debug)]
pub struct Named {
    /// Where it comes from in the model, such as `blocks.0.attn.qkv`.
    pub name: String,
    /// The record.
    pub op: Op,
}

/// A virtual tensor: bytes of the virtual address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First byte.
    pub base: u32,
    /// Bytes.
    pub bytes: u32,
}

impl Region {
    /// The whole region as elements of `T`.
    pub fn slot<T: Element>(self) -> Slot<T> {
        Slot::new(self.base, self.bytes / T::DTYPE.size())
    }

    /// `len` elements of `T` from element `start` on.
    pub fn part<T: Element>(self, start: u32, len: u32) -> Slot<T> {
        Slot::new(self.base + start * T::DTYPE.size(), len)
    }

    /// The whole region as an output or input handle.
    pub fn handle(self, dtype: DType) -> SlotHandle {
        SlotHandle { dtype, offset: self.base, len: self.bytes / dtype.size() }
    }
}

/// An input under construction.
#[derive(Clone, Debug)]
pub struct InputSpec {
    /// Its name.
    pub name: String,
    /// Where it lies.
    pub slot: SlotHandle,
    /// What it holds.
    pub kind: InputKind,
}

/// An output under construction.
#[derive(Clone, Debug)]
pub struct OutputSpec {
    /// Its name.
    pub name: String,
    /// Where it lies.
    pub slot: SlotHandle,
    /// What it means.
    pub kind: OutputKind,
    /// Dimensions, padded with 1.
    pub shape: [u32; 4],
    /// Real value of one unit.
    pub scale: FloatBits,
}

/// Constants under construction; equal ones are stored once.
#[derive(Clone, Debug, Default)]
pub struct BlobStore {
    bytes: Vec<u8>,
    /// Where constants of a hash lie. It is keyed, so that nobody can make many of one hash.
    known: HashMap<u64, Vec<Range<usize>>, RandomState>,
}

impl BlobStore {
    /// With room for `bytes` bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), known: HashMap::default() }
    }

    /// Stores `values`, or finds equal bytes already there.
    pub fn push<T: Element + Pod>(&mut self, values: &[T]) -> Blob<T> {
        Blob::new(self.push_bytes(bytemuck::cast_slice(values)), values.len() as u32)
    }

    /// Stores raw bytes at a multiple of 16 and returns their offset.
    pub fn push_bytes(&mut self, bytes: &[u8]) -> u32 {
        self.push_with((bytes.len(), ALIGN), |place| place.copy_from_slice(bytes))
    }

    /// As [`push_bytes`](Self::push_bytes), of `len` bytes that `fill` makes of as many zeros, at a
    /// multiple of `align`, which is one of 16. Equal bytes may lie at another multiple of 16.
    pub fn push_with(&mut self, (len, align): (usize, u32), fill: impl FnOnce(&mut [u8])) -> u32 {
        let stored = self.bytes.len();
        let start = stored.next_multiple_of(align as usize);
        self.bytes.resize(start + len, 0);
        fill(&mut self.bytes[start..]);
        let (earlier, new) = self.bytes.split_at(start);
        let alike = self.known.entry(self.known.hasher().hash_one(new)).or_default();
        if let Some(known) = alike.iter().find(|known| earlier[(*known).clone()] == *new) {
            let offset = known.start as u32;
            self.bytes.truncate(stored);
            return offset;
        }
        alike.push(start..start + len);
        start as u32
    }

    /// All constants.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All constants.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Instructions over virtual memory, with their constants, inputs and outputs.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// Instructions in order. No [`Tile`](quant::ops::Tile) records before planning.
    pub instructions: Vec<Named>,
    /// Constants.
    pub blobs: BlobStore,
    /// Virtual tensors, in order of their bases.
    pub regions: Vec<Region>,
    /// Inputs.
    pub inputs: Vec<InputSpec>,
    /// Outputs.
    pub outputs: Vec<OutputSpec>,
    /// What people read beside the program.
    pub notes: NoteStore,
}

impl Draft {
    /// A new region of `elements` elements of `T`.
    pub fn region<T: Element>(&mut self, elements: u64) -> Result<Region, ProgramError> {
        let base = self.regions.last().map_or(0, |r| (r.base + r.bytes).next_multiple_of(ALIGN));
        let bytes = elements * u64::from(T::DTYPE.size());
        let end = u64::from(base) + bytes;
        // The last addresses are kept free so that rounding up cannot overflow.
        if elements == 0 || end > u64::from(u32::MAX) - 64 {
            return Err(ProgramError::TooLarge { what: "the activations of this model" });
        }
        let region = Region { base, bytes: bytes as u32 };
        self.regions.push(region);
        Ok(region)
    }

    /// Appends an instruction.
    pub fn push(&mut self, name: impl Into<String>, op: Op) {
        self.instructions.push(Named { name: name.into(), op });
    }

    /// Bytes of virtual memory: the arena of the unplanned program.
    pub fn virtual_bytes(&self) -> u32 {
        self.regions.last().map_or(0, |r| r.base + r.bytes)
    }

    /// Index of the region that holds byte `address`.
    pub(crate) fn region_of(&self, address: u32) -> usize {
        self.regions.partition_point(|r| r.base <= address).saturating_sub(1)
    }
}

/// Calls `f` with every slot of `op`.
pub(crate) fn slots(op: &Op, f: &mut dyn FnMut(SlotOperand)) {
    op.operands(&mut |operand| {
        if let Operand::Slot(slot) = operand {
            f(slot);
        }
    });
}

/// Rewrites every slot of `op`.
pub(crate) fn map_slots(op: &mut Op, f: &mut dyn FnMut(&mut SlotOperand)) {
    op.map_operands(&mut |operand| {
        if let Operand::Slot(slot) = operand {
            f(slot);
        }
    });
}
