//! Which parts of a float graph run on bits, and what may be asked of them.

use float::{Function, Graph, Node, TensorId};

use super::layers::Layers;
use crate::error::ConvertError;
use crate::graph::Width;

/// Why a comparison with the row's maximum is refused outside an attention.
pub(super) const SELECTED: &str = "scores are only compared with their row's maximum between queries · keys and the \
                                   product with values";

/// The type of `id`, if it holds signs: ternary behind an attention, whose sums may be 0.
pub(super) fn signs(model: &Graph, id: TensorId) -> Option<Width> {
    let Node::Activate { x, function: Function::Sign, .. } = maker(model, id)? else { return None };
    Some(match maker(model, *x) {
        Some(Node::BinaryAttention { .. }) => Width::Ternary,
        _ => Width::Sign,
    })
}

fn maker(model: &Graph, id: TensorId) -> Option<&Node> {
    model.nodes.iter().find(|node| node.output() == id)
}

/// The nodes whose outputs never exist as integers, because the sign behind them is taken
/// at once, by their only reader.
pub(super) fn absorbed(model: &Graph, layers: &Layers) -> Vec<bool> {
    let readers = model.readers();
    let taken = |index: usize, node: &Node| {
        let out = node.output();
        let only = match readers[out].as_slice() {
            &[reader] => &model.nodes[reader],
            _ => return false,
        };
        let is_output = model.outputs.iter().any(|output| output.tensor == out);
        let sign = matches!(only, Node::Activate { function: Function::Sign, .. });
        let can = match node {
            Node::LayerNorm { gamma, .. } => gamma.len() == model.tensors[out].width,
            Node::Linear { .. } => layers.binary.contains(&index),
            Node::BinaryAttention { .. } => true,
            _ => false,
        };
        sign && can && !is_output
    };
    model.nodes.iter().enumerate().map(|(index, node)| taken(index, node)).collect()
}

/// Signs are only read by what runs on bits, and the model has such parts if and only if
/// `wanted`.
pub(super) fn check(model: &Graph, layers: &Layers, wanted: bool) -> Result<(), ConvertError> {
    let name = |id: TensorId| model.tensors[id].name.clone();
    let of_bits = |node: &Node| {
        let sign = matches!(node, Node::Activate { function: Function::Sign, .. });
        sign || matches!(node, Node::BinaryAttention { .. } | Node::Select { .. })
    };
    match (model.nodes.iter().any(of_bits) || !layers.binary.is_empty(), wanted) {
        (true, false) => return Err(ConvertError::Binarized),
        (false, true) => return Err(ConvertError::NotBinarized),
        _ => {}
    }
    for (index, node) in model.nodes.iter().enumerate() {
        let on_bits = match node {
            Node::Linear { .. } => layers.binary.contains(&index),
            Node::BinaryAttention { .. } => true,
            Node::Select { out, .. } => {
                return Err(unsupported(&name(*out), SELECTED));
            }
            _ => false,
        };
        let operands_are_signs = |id: &TensorId| signs(model, *id) == Some(Width::Sign);
        if let Node::BinaryAttention { out, .. } = node
            && !node.inputs().iter().all(operands_are_signs)
        {
            return Err(unsupported(&name(*out), "queries, keys and values must be signs"));
        }
        if let Some(x) = node.inputs().into_iter().find(|&x| signs(model, x).is_some() && !on_bits) {
            return Err(unsupported(
                &name(node.output()),
                &format!(
                    "it reads the signs `{}`, which only layers with binary weights and binarized attention do",
                    name(x)
                ),
            ));
        }
    }
    Ok(())
}

fn unsupported(layer: &str, reason: &str) -> ConvertError {
    ConvertError::Layer { layer: layer.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use runtime::{ChannelOrder, Image};

    use super::*;
    use float::Dense;

    /// A node on the frame, and a dense layer of float weights on what it makes.
    fn with(node: impl FnOnce(TensorId) -> Node) -> Graph {
        let image = Image::plain([2, 2], 1, ChannelOrder::Gray);
        let mut graph = Graph::new(image);
        let [x, out] = ["bits", "layer"].map(|name| graph.tensor(name, 4, 1));
        let dense = Dense { n: 1, k: 1, weights: vec![0.5], bias: vec![0.0] };
        graph.nodes = vec![node(x), Node::Linear { x, out, dense }];
        graph
    }

    #[test]
    fn bits_need_the_format_and_layers_that_read_them() {
        let sign = with(|out| Node::Activate { x: 0, out, function: Function::Sign });
        let select = with(|out| Node::Select { x: 0, out, width: 1, ratio: 0.25 });
        let relu = with(|out| Node::Activate { x: 0, out, function: Function::Relu });
        let answer = |graph: &Graph, wanted| check(graph, &Layers::default(), wanted);
        for graph in [&sign, &select] {
            assert!(matches!(answer(graph, false), Err(ConvertError::Binarized)));
        }
        let layer = |graph: &Graph| match answer(graph, true) {
            Err(ConvertError::Layer { layer, .. }) => layer,
            other => panic!("another answer: {other:?}"),
        };
        assert_eq!((layer(&sign).as_str(), layer(&select).as_str()), ("layer", "bits"));
        assert!(matches!(answer(&relu, true), Err(ConvertError::NotBinarized)));
        assert!(answer(&relu, false).is_ok());
    }
}
