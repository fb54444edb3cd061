//! Scales of probabilities that are joined to other values.
//!
//! What is joined has one scale, and that of probabilities is fixed at 2⁻¹⁵: other values would be cut
//! off at 1.

use float::{Graph, Node, Part, TensorId};

/// Gives probabilities that are joined to other values a scale of their own behind the softmax.
pub(super) fn set_apart(model: &mut Graph) {
    let mut at = 0;
    while at < model.nodes.len() {
        let found = joined(model, at);
        for &x in &found {
            let tensor = &model.tensors[x];
            let (name, rows, width) = (format!("{}.joined", tensor.name), tensor.rows, tensor.width);
            let out = model.tensor(name, rows, width);
            if let Node::Concat { parts, .. } = &mut model.nodes[at] {
                parts.iter_mut().filter(|part| matches!(part, Part::Tensor(id) if *id == x)).for_each(
                    |part| {
                        *part = Part::Tensor(out);
                    },
                );
            }
            let (scale, offset) = (vec![1.0; width], vec![0.0; width]);
            model.nodes.insert(at, Node::Affine { x, out, scale, offset });
            at += 1;
        }
        at += 1;
    }
}

/// The probabilities among other parts of what node `at` joins.
fn joined(model: &Graph, at: usize) -> Vec<TensorId> {
    let Node::Concat { parts, .. } = &model.nodes[at] else { return Vec::new() };
    if parts.iter().all(|part| is_probabilities(model, part)) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for part in parts {
        if let Part::Tensor(id) = part
            && is_probabilities(model, part)
            && !found.contains(id)
        {
            found.push(*id);
        }
    }
    found
}

/// Whether `part` is of probabilities alone, moved or joined, or of constants that their scale holds.
fn is_probabilities(model: &Graph, part: &Part) -> bool {
    let id = match part {
        Part::Tensor(id) => *id,
        Part::Constant(values) => return values.iter().all(|value| (-1.0..1.0).contains(value)),
    };
    match model.nodes.iter().find(|node| node.output() == id) {
        Some(Node::Softmax { .. }) => true,
        Some(
            Node::Rows { x, .. }
            | Node::Permute { x, .. }
            | Node::Gather { x, .. }
            | Node::Activate { x, function: float::Function::Relu, .. },
        ) => is_probabilities(model, &Part::Tensor(*x)),
        Some(Node::Concat { parts, .. }) => parts.iter().all(|part| is_probabilities(model, part)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use runtime::{ChannelOrder, Image};

    use super::*;

    /// A softmax of pixels, moved and then joined to what `other` makes of the frame.
    fn graph(other: impl FnOnce(&mut Graph) -> Part) -> Graph {
        let mut graph = Graph::new(Image::plain([2, 2], 3, ChannelOrder::Rgb));
        let pixels = graph.tensor("pixels", 4, 3);
        graph.nodes.push(Node::Pixels { x: 0, out: pixels, mean: vec![0.0; 3], std: vec![1.0; 3] });
        let soft = graph.tensor("soft", 4, 3);
        graph.nodes.push(Node::Softmax { x: pixels, out: soft, width: 3 });
        let moved = graph.tensor("moved", 4, 3);
        graph.nodes.push(Node::Activate { x: soft, out: moved, function: float::Function::Relu });
        let parts = vec![Part::Tensor(moved), other(&mut graph)];
        let out = graph.tensor("joined", 8, 3);
        graph.nodes.push(Node::Concat { parts, out });
        graph
    }

    #[test]
    fn probabilities_among_other_values_get_a_scale() {
        let mut model = graph(|_| Part::Tensor(1));
        set_apart(&mut model);
        let [.., Node::Affine { x, out, scale, offset }, Node::Concat { parts, .. }] = model.nodes.as_slice()
        else {
            panic!("{:?}", model.nodes);
        };
        assert_eq!(model.tensors[*x].name, "moved");
        assert_eq!((scale.as_slice(), offset.as_slice()), ([1.0; 3].as_slice(), [0.0; 3].as_slice()));
        let [Part::Tensor(first), Part::Tensor(1)] = parts.as_slice() else { panic!("{parts:?}") };
        assert_eq!(first, out);
    }

    #[test]
    fn large_constants_are_other_values() {
        let mut model = graph(|_| Part::Constant(vec![2.0; 12]));
        set_apart(&mut model);
        assert!(model.nodes.iter().any(|node| matches!(node, Node::Affine { .. })));
    }

    #[test]
    fn what_probabilities_hold_stays_with_them() {
        for part in [Part::Tensor(2), Part::Constant(vec![0.5; 12])] {
            let mut model = graph(|_| part);
            let before = model.nodes.len();
            set_apart(&mut model);
            assert_eq!(model.nodes.len(), before);
        }
    }
}
