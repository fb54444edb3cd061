//! Rescaling and recentring of channels between layers: the float model stays what it is,
//! its activations become easier to round.
//!
//! * Behind a LayerNorm, γ and β are divided and the next weights multiplied (SmoothQuant,
//!   arXiv 2211.10438, eq. 4; RepQ-ViT, arXiv 2212.08254, eq. 6 with the shift).
//! * Queries and keys of a channel get equal ranges; a key's mean is taken away, since it
//!   shifts every score of a row alike.
//! * Between layers, through a ReLU or not, channels get ranges that are alike, and so do those
//!   that layers read of a residual stream (arXiv 1906.04721).
//! * Values are rescaled and recentred, and the projection takes that back.

mod attention;
mod channels;
mod layers;
mod norm;
mod readers;
#[cfg(test)]
mod tests;

use facts::Change;
use float::Graph;

use super::statistics::Statistics;

/// Equalizes all that can be.
pub(super) fn equalize(model: &mut Graph, statistics: &Statistics) -> Vec<Change> {
    let mut changes = norm::equalize(model, statistics);
    changes.extend(attention::equalize(model, statistics));
    changes.extend(layers::equalize(model, statistics));
    changes
}
