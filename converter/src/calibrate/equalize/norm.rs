//! Channels between a LayerNorm and the layers that read it.

use facts::{Change, ChangeKind};
use float::{Graph, Node};

use super::channels::{best, consumers, take_back};
use crate::calibrate::statistics::Statistics;

/// Folds better channels into every LayerNorm that only dense layers read.
pub(super) fn equalize(model: &mut Graph, statistics: &Statistics) -> Vec<Change> {
    let mut changes = Vec::new();
    for index in 0..model.nodes.len() {
        let Node::LayerNorm { out, ref gamma, .. } = model.nodes[index] else { continue };
        if gamma.len() != model.tensors[out].width {
            continue;
        }
        let readers = consumers(model, out);
        let Some(channels) = best(model, &statistics.activations[out], &readers) else { continue };
        take_back(model, &readers, &channels.shift, &channels.factor);
        let Node::LayerNorm { gamma, beta, .. } = &mut model.nodes[index] else { continue };
        for (c, (gamma, beta)) in gamma.iter_mut().zip(beta).enumerate() {
            *gamma = (f64::from(*gamma) / channels.factor[c]) as f32;
            *beta = ((f64::from(*beta) - channels.shift[c]) / channels.factor[c]) as f32;
        }
        changes.push(Change {
            kind: ChangeKind::Equalized,
            layer: model.tensors[out].name.clone(),
            what: format!("channels centred and rescaled with α = {}", channels.alpha),
            why: format!("the next layers' error falls {:.1} times", channels.gain),
        });
    }
    changes
}
