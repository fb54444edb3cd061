//! Changing the layout of weights; results do not change.

use quant::bits::BitWeights;
use quant::operand::LayoutRef;
use quant::pack::{Packs, Weights};

use super::draft::{BlobStore, blobs};
use super::write::Container;

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
        blobs(&mut named.op, |blob| {
            let start = *blob.offset as usize;
            let bytes = &container.blobs[start..start + blob.bytes() as usize];
            let Some(matrix) = blob.pack else {
                *blob.offset = store.push_bytes(bytes);
                return;
            };
            let (n, k) = (matrix.n as usize, matrix.k as usize);
            match matrix.layout {
                LayoutRef::Int8(pack) => {
                    let weights = Weights { data: bytemuck::cast_slice(bytes), pack: *pack, n, k };
                    let to = packs.int8;
                    *pack = to;
                    let values = (n, k, to.len(matrix.n, matrix.k));
                    let packed = moved(values, |row, c| weights.get(row, c), |row, c| to.index(k, row, c));
                    *blob.len = packed.len() as u32;
                    *blob.offset = store.push_bytes(bytemuck::cast_slice(&packed));
                }
                LayoutRef::Bits(pack) => {
                    let words = bytemuck::pod_collect_to_vec(bytes);
                    let weights = BitWeights { data: &words, pack: *pack, n, words: k };
                    let to = packs.bits;
                    *pack = to;
                    let values = (n, k, to.len(matrix.n, matrix.k));
                    let packed = moved(values, |row, w| weights.get(row, w), |row, w| to.index(k, row, w));
                    *blob.len = packed.len() as u32;
                    *blob.offset = store.push_bytes(bytemuck::cast_slice(&packed));
                }
            }
        });
    }
    out.blobs = store.bytes().to_vec();
    out
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
