//! Small graphs for tests, and numbers for them.

use float::{Graph, Node, TensorId};

/// Pseudo-random numbers of −1 to 1 (a linear congruential generator).
pub(super) fn values(seed: u64, count: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Appends the node that makes a tensor `name`, and the tensor.
pub(super) fn push(
    graph: &mut Graph,
    name: &str,
    rows: usize,
    width: usize,
    node: impl FnOnce(TensorId) -> Node,
) -> TensorId {
    let out = graph.tensor(name, rows, width);
    graph.nodes.push(node(out));
    out
}
