//! Changing the layout of weights; results do not change.

use quant::bits::BitWeights;
use quant::operand::{Layout, Matrix, Operand};
use quant::pack::{Packs, Weights};

use crate::container::Container;
use crate::draft::BlobStore;

/// The same program with every weight matrix as `packs` says, and constants stored in the
/// order of their first use.
///
/// # Panics
///
/// If a constant lies outside `container.blobs`: give it only what the checker has admitted.
pub fn repack(container: &Container, packs: Packs) -> Container {
    let mut out = container.clone();
    let mut store = BlobStore::default();
    for named in &mut out.instructions {
        named.op.map_operands(&mut |operand| {
            let Operand::Blob(blob) = operand else { return };
            let start = blob.offset as usize;
            let bytes = &container.blobs[start..start + blob.bytes() as usize];
            match &mut blob.matrix {
                Some(matrix) => {
                    let packed = packed(bytes, matrix, packs);
                    blob.len = packed.len() as u32 / blob.dtype.size();
                    blob.offset = store.push_bytes(&packed);
                }
                None => blob.offset = store.push_bytes(bytes),
            }
        });
    }
    out.blobs = store.bytes().to_vec();
    out
}

/// The bytes of `matrix` in the layout that `packs` names, which becomes its layout.
fn packed(bytes: &[u8], matrix: &mut Matrix, packs: Packs) -> Vec<u8> {
    let (n, k) = (matrix.n as usize, matrix.k as usize);
    match &mut matrix.layout {
        Layout::Int8(pack) => {
            let weights = Weights { data: bytemuck::cast_slice(bytes), pack: *pack, n, k };
            let to = packs.int8;
            *pack = to;
            let values = (n, k, to.len(matrix.n, matrix.k));
            let packed = moved(values, |row, c| weights.get(row, c), |row, c| to.index(k, row, c));
            bytemuck::cast_slice(&packed).to_vec()
        }
        Layout::Bits(pack) => {
            let words = bytemuck::pod_collect_to_vec(bytes);
            let weights = BitWeights { data: &words, pack: *pack, n, words: k };
            let to = packs.bits;
            *pack = to;
            let values = (n, k, to.len(matrix.n, matrix.k));
            let packed = moved(values, |row, w| weights.get(row, w), |row, w| to.index(k, row, w));
            bytemuck::cast_slice(&packed).to_vec()
        }
    }
}

/// An `n × k` matrix moved from one layout, which `get` reads, to the one of `index`.
fn moved<T: Copy + Default>(
    (n, k, len): (usize, usize, Option<u32>),
    get: impl Fn(usize, usize) -> T,
    index: impl Fn(usize, usize) -> usize,
) -> Vec<T> {
    let mut packed = vec![T::default(); len.map_or(0, |len| len as usize)];
    for row in 0..n {
        for column in 0..k {
            packed[index(row, column)] = get(row, column);
        }
    }
    packed
}
