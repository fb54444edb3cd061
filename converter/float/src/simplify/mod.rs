//! Rewrites that leave what a float graph computes as it is, and make it smaller.

mod affine;
mod attention;
mod dead;
mod edit;
mod gates;
mod masks;
mod pixels;
mod pointwise;
mod rotary;

use facts::Change;

use crate::graph::Graph;

pub use pixels::fold_pixels;

/// Normalises the frame once, joins what turns pairs of channels to rotations, folds per-channel factors and offsets into layers,
/// joins scores, softmax and weighted sum to attentions and a tensor with its gated self to one
/// product, makes dense layers of convolutions of single pixels, levels masks, and removes
/// what nothing reads.
pub fn simplify(graph: &mut Graph) -> Vec<Change> {
    dead::remove(graph);
    pixels::once(graph);
    let mut changes = rotary::replace(graph);
    // Each fold may make another possible.
    loop {
        let before = changes.len();
        changes.extend(affine::fold(graph));
        changes.extend(attention::join(graph));
        changes.extend(gates::join(graph));
        if changes.len() == before {
            break;
        }
        dead::remove(graph);
    }
    pointwise::replace(graph);
    changes.extend(masks::sink(graph));
    changes.extend(masks::level(graph));
    changes
}
