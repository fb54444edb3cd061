//! The layers that can be given a precision.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::Width;

/// What is decided for layers, by their nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct Layers {
    /// The integer type of the activations that a layer reads, where it is decided.
    pub reads: BTreeMap<usize, Width>,
    /// Layers whose weights are one bit.
    pub binary: BTreeSet<usize>,
}

/// Whether `pattern` names `layer`: whole, or as its beginning up to a dot.
pub(super) fn matches(pattern: &str, layer: &str) -> bool {
    layer.strip_prefix(pattern).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The dense and convolutional layers: their nodes and names.
pub(super) fn layers(model: &float::Graph) -> impl Iterator<Item = (usize, &str)> {
    model.nodes.iter().enumerate().filter_map(|(index, node)| match node {
        float::Node::Linear { out, .. } | float::Node::Conv { out, .. } => {
            Some((index, model.tensors[*out].name.as_str()))
        }
        _ => None,
    })
}
