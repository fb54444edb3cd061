//! Changing the layout of weights; results do not change.

use std::borrow::Cow;

use quant::bits::BitPack;
use quant::operand::{Layout, Operand};
use quant::pack::{Pack, Packs};

use crate::container::Container;
use crate::draft::{ALIGN, BlobStore};
use crate::panels::Matrix;

/// The same program with every weight matrix as `packs` says, and constants stored in the
/// order of their first use.
///
/// # Panics
///
/// If a constant lies outside `container.blobs`: give it only what the checker has admitted.
pub fn repack(container: &Container<'_>, packs: Packs) -> Container<'static> {
    let mut instructions = container.instructions.clone();
    // Padding lengthens a matrix of few channels the most.
    let mut store = BlobStore::with_capacity(container.blobs.len() + container.blobs.len() / 8);
    for named in &mut instructions {
        named.op.map_operands(&mut |operand| {
            let Operand::Blob(blob) = operand else { return };
            let start = blob.offset as usize;
            let bytes = &container.blobs[start..start + blob.bytes() as usize];
            match &mut blob.matrix {
                Some(matrix) if !matrix.layout.is_of(packs) => {
                    let (n, k) = (matrix.n, matrix.k);
                    let (to, len) = match matrix.layout {
                        Layout::Int8(_) => (Layout::Int8(packs.int8), packs.int8.len(n, k)),
                        Layout::Bits(_) => (Layout::Bits(packs.bits), packs.bits.len(n, k)),
                    };
                    let width = (k * blob.dtype.size()) as usize;
                    let from = Matrix { bytes, layout: matrix.layout, n: n as usize, width };
                    matrix.layout = to;
                    blob.len = len.unwrap_or(0);
                    let size = (blob.bytes() as usize, alignment(to));
                    blob.offset = store.push_with(size, |place| from.write(to, place));
                }
                Some(matrix) => {
                    let size = (bytes.len(), alignment(matrix.layout));
                    blob.offset = store.push_with(size, |place| place.copy_from_slice(bytes));
                }
                None => blob.offset = store.push_bytes(bytes),
            }
        });
    }
    Container {
        arena_len: container.arena_len,
        instructions,
        blobs: Cow::Owned(store.into_bytes()),
        inputs: container.inputs.clone(),
        outputs: container.outputs.clone(),
        notes: container.notes.clone(),
    }
}

/// Bytes of a cache line.
const LINE: u32 = 64;

/// Where weights of `layout` begin: panels of 16 channels at a cache line, since each group of theirs
/// is one.
fn alignment(layout: Layout) -> u32 {
    match layout {
        Layout::Int8(Pack::Panel16x4) | Layout::Bits(BitPack::Panel16) => LINE,
        _ => ALIGN,
    }
}
