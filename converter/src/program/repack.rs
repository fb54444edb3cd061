//! Changing the layout of weights; results do not change.

use quant::pack::{Pack, Weights};

use super::draft::{BlobStore, blobs};
use super::write::Container;

/// The same program with every weight matrix in `pack`, and constants stored in the
/// order of their first use.
///
/// # Panics
///
/// If a constant lies outside `container.blobs`: give it only what the checker has admitted.
pub fn repack(container: &Container, pack: Pack) -> Container {
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
            let packed = convert(bytemuck::cast_slice(bytes), *matrix.pack, pack, matrix.n, matrix.k);
            *matrix.pack = pack;
            *blob.len = packed.len() as u32;
            *blob.offset = store.push_bytes(bytemuck::cast_slice(&packed));
        });
    }
    out.blobs = store.bytes().to_vec();
    out
}

/// An `n × k` matrix moved from one layout to another.
fn convert(data: &[i8], from: Pack, to: Pack, n: u32, k: u32) -> Vec<i8> {
    let (rows, columns) = (n as usize, k as usize);
    let weights = Weights { data, pack: from, n: rows, k: columns };
    let mut packed = vec![0; to.len(n, k).map_or(0, |len| len as usize)];
    for row in 0..rows {
        for column in 0..columns {
            packed[to.index(columns, row, column)] = weights.get(row, column);
        }
    }
    packed
}
