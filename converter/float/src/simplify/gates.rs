//! A tensor and its gated self, `x + γ·(x·n) + β` with one `n` for each channel, are one product:
//! `x·(1 + γ·n) + β`, whose sums are of one row.

use facts::Change;

use super::edit::{folded, only_reader, producer};
use crate::graph::{Graph, Node};
use crate::layout::TensorId;

/// Joins every such sum.
pub(super) fn join(graph: &mut Graph) -> Vec<Change> {
    (0..graph.nodes.len()).filter_map(|index| join_one(graph, index)).collect()
}

/// The sum at node `index`.
fn join_one(graph: &mut Graph, index: usize) -> Option<Change> {
    let &Node::Add { x, y, out } = graph.nodes.get(index)? else { return None };
    let (x, gated) = [(x, y), (y, x)].into_iter().find_map(|(x, y)| Some((x, gated(graph, x, y)?)))?;
    let Gated { product, affine, gate, scale, offset } = gated;
    let (rows, width) = (graph.tensors[out].rows, graph.tensors[out].width);
    let name = graph.tensors[out].name.clone();
    let factor = graph.tensor(format!("{name}.factor"), 1, width);
    let between = graph.tensor(format!("{name}.product"), rows, width);
    // The factor is made where the product was, the product where it was scaled.
    graph.nodes[product] = Node::Affine { x: gate, out: factor, scale, offset: vec![1.0; width] };
    graph.nodes[affine] = Node::Mul { x, y: factor, out: between };
    graph.nodes[index] = Node::Affine { x: between, out, scale: vec![1.0; width], offset };
    Some(folded(
        graph,
        out,
        "is one product with a factor for each channel",
        "the same function in fewer steps",
    ))
}

/// `γ·(x·n) + β`.
struct Gated {
    /// The node that multiplies by `n`.
    product: usize,
    /// The node that scales the product.
    affine: usize,
    /// `n`.
    gate: TensorId,
    scale: Vec<f32>,
    offset: Vec<f32>,
}

/// What `y` is, if it is `x` gated and nothing else reads it.
fn gated(graph: &Graph, x: TensorId, y: TensorId) -> Option<Gated> {
    only_reader(graph, y)?;
    let affine = producer(graph, y)?;
    let Node::Affine { x: inner, scale, offset, .. } = &graph.nodes[affine] else { return None };
    only_reader(graph, *inner)?;
    let product = producer(graph, *inner)?;
    let &Node::Mul { x: first, y: gate, .. } = &graph.nodes[product] else { return None };
    let (made, one) = (&graph.tensors[y], &graph.tensors[gate]);
    let by_channel = one.rows == 1 && one.width == made.width && made.rows > 1;
    let (scale, offset) = (scale.clone(), offset.clone());
    (first == x && by_channel).then_some(Gated { product, affine, gate, scale, offset })
}

#[cfg(test)]
mod tests {
    use runtime::{ChannelOrder, Image, OutputKind};

    use super::*;
    use crate::eval::Evaluator;
    use crate::graph::Output;

    /// `x + γ·(x·mean(x)) + β` of 4 × 4 pixels of 3 channels; the sum in either order, or read twice.
    fn graph(swapped: bool, twice: bool) -> Graph {
        let image = Image::plain([4, 4], 3, ChannelOrder::Rgb);
        let mut graph = Graph::new(image);
        let mut node = |rows: usize, make: &dyn Fn(TensorId) -> Node| {
            let out = graph.tensor("t", rows, 3);
            graph.nodes.push(make(out));
            out
        };
        let x = node(16, &|out| Node::Pixels { x: 0, out, mean: vec![0.5; 3], std: vec![0.25; 3] });
        let gate = node(1, &|out| Node::Mean { x, out });
        let product = node(16, &|out| Node::Mul { x, y: gate, out });
        let (scale, offset) = (vec![0.5, -1.0, 2.0], vec![0.0, 0.25, -3.0]);
        let y =
            node(16, &|out| Node::Affine { x: product, out, scale: scale.clone(), offset: offset.clone() });
        let (a, b) = if swapped { (y, x) } else { (x, y) };
        let sum = node(16, &|out| Node::Add { x: a, y: b, out });
        let tensor = if twice { node(16, &|out| Node::Add { x: sum, y: product, out }) } else { sum };
        let (name, shape, kind) = ("out".into(), [48, 1, 1, 1], OutputKind::Embedding);
        graph.outputs.push(Output { name, tensor, kind, shape, ending: None });
        graph
    }

    #[test]
    fn a_tensor_and_its_gated_self_are_one_product() {
        let frame: Vec<u8> = (0..48).map(|i| (i * 67 % 256) as u8).collect();
        let run = |graph: &Graph| Evaluator::new(graph).unwrap().run(&frame).remove(0);
        for swapped in [false, true] {
            let before = graph(swapped, false);
            let mut after = before.clone();
            assert_eq!(join(&mut after).len(), 1);
            let sums = after.nodes.iter().filter(|node| matches!(node, Node::Add { .. })).count();
            assert_eq!(sums, 0);
            for (a, b) in run(&before).iter().zip(run(&after)) {
                assert!((a - b).abs() <= 1e-5, "{a} {b}");
            }
        }
    }

    #[test]
    fn what_others_read_stays() {
        let mut graph = graph(false, true);
        assert!(join(&mut graph).is_empty());
    }
}
