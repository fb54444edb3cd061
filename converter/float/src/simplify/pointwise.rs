//! Convolutions that see one pixel each are dense layers, which get what those get: columns that
//! are rescaled, int16 inputs, additions behind them.

use crate::graph::{Graph, Node};

/// Replaces every such convolution, but for one that reads the pixels of the image.
pub(super) fn replace(graph: &mut Graph) {
    let of_image = |graph: &Graph, x| {
        graph.nodes.iter().any(|node| matches!(node, Node::Pixels { out, .. } if *out == x)) || x == 0
    };
    for index in 0..graph.nodes.len() {
        let Node::Conv { x, out, geometry, dense } = &graph.nodes[index] else { continue };
        let each = geometry.kernel == [1, 1] && geometry.stride == [1, 1] && geometry.groups == 1;
        if each
            && geometry.padding == [0, 0]
            && geometry.output == geometry.input[..2]
            && !of_image(graph, *x)
        {
            graph.nodes[index] = Node::Linear { x: *x, out: *out, dense: dense.clone() };
        }
    }
}

#[cfg(test)]
mod tests {
    use runtime::{ChannelOrder, Image, OutputKind};

    use super::*;
    use crate::eval::Evaluator;
    use crate::graph::{Dense, Output};
    use crate::layout::Geometry;

    /// Three convolutions of single pixels in a row: of all pixels, of all pixels, of every other.
    fn graph() -> Graph {
        let image = Image::plain([4, 4], 1, ChannelOrder::Gray);
        let mut graph = Graph::new(image);
        let pixels = graph.tensor("pixels", 16, 1);
        graph.nodes.push(Node::Pixels { x: 0, out: pixels, mean: vec![0.5], std: vec![0.25] });
        let mut conv = |x, [n, k]: [usize; 2], stride: u32| {
            let side = 4 / stride;
            let out = graph.tensor("conv", (side * side) as usize, n);
            let geometry = Geometry {
                input: [4, 4, k as u32],
                kernel: [1, 1],
                stride: [stride; 2],
                padding: [0, 0],
                output: [side; 2],
                groups: 1,
            };
            let value = |i: usize| (i * 7 % 5) as f32 / 3.0 - 0.6;
            let dense =
                Dense { n, k, weights: (0..n * k).map(value).collect(), bias: (0..n).map(value).collect() };
            graph.nodes.push(Node::Conv { x, out, geometry, dense });
            out
        };
        let of_image = conv(pixels, [3, 1], 1);
        let plain = conv(of_image, [5, 3], 1);
        let tensor = conv(plain, [2, 5], 2);
        let output = Output {
            name: "out".into(),
            tensor,
            kind: OutputKind::Embedding,
            shape: [8, 1, 1, 1],
            ending: None,
        };
        graph.outputs.push(output);
        graph
    }

    #[test]
    fn a_convolution_of_single_pixels_is_a_dense_layer() {
        let (before, mut after) = (graph(), graph());
        replace(&mut after);
        let kinds: Vec<bool> = after.nodes.iter().map(|node| matches!(node, Node::Linear { .. })).collect();
        assert_eq!(kinds, [false, false, true, false]);
        let frame: Vec<u8> = (0..16).map(|i| i * 16).collect();
        let run = |graph| Evaluator::new(graph).unwrap().run(&frame);
        assert_eq!(run(&before), run(&after));
    }
}
