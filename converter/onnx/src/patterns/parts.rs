//! What the nodes that a fused one becomes have in common.

use std::collections::HashMap;

use crate::model::Node;
use crate::reader::Reader;

/// What each `Transpose` so far turns, and how, by its output.
pub(super) type Transposes = HashMap<String, (String, Vec<i64>)>;

/// A node of ONNX's own with the name of `node`.
pub(super) fn like(node: &Reader, op: &str, inputs: Vec<String>, output: &str) -> Node {
    Node { name: node.name.into(), ..Node::new(op, inputs, output) }
}

/// A name for a value inside of what `node` becomes.
pub(super) fn inside(node: &Reader, part: &str) -> String {
    format!("{}/{part}", node.output())
}
