//! The normalisation of pixels: once, and into the first layer.

use facts::Change;

use super::edit::{folded, scale_inputs};
use crate::graph::{Graph, Node};
use crate::layout::TensorId;

/// Zero of the folded pixels: the byte that becomes int8 zero.
const ZERO: f32 = 128.0 / 255.0;

/// Makes every normalisation of the frame but the first of what that makes: a frame becomes integers
/// in place, and is no frame behind that.
pub(super) fn once(graph: &mut Graph) {
    let mut first: Option<(TensorId, Vec<f32>, Vec<f32>)> = None;
    for node in &mut graph.nodes {
        let Node::Pixels { out, mean, std, .. } = node else { continue };
        let Some((x, first_mean, first_std)) = &first else {
            first = Some((*out, mean.clone(), std.clone()));
            continue;
        };
        let scale = first_std.iter().zip(&*std).map(|(first, std)| first / std).collect();
        let apart = first_mean.iter().zip(&*mean).map(|(first, mean)| first - mean);
        let offset = apart.zip(&*std).map(|(apart, std)| apart / std).collect();
        *node = Node::Affine { x: *x, out: *out, scale, offset };
    }
}

/// Where only layers without padding read the pixels, directly or through copies, moves the
/// normalisation into their weights: the pixels then are `p/255 − 128/255`, which int8 holds
/// without any error.
pub fn fold_pixels(graph: &mut Graph) -> Option<Change> {
    let index = graph.nodes.iter().position(|node| matches!(node, Node::Pixels { .. }))?;
    let Node::Pixels { out, mean, std, .. } = graph.nodes[index].clone() else { return None };
    let layers = layers(graph, out)?;
    // Normalised x = scale · pixel + offset.
    let scale: Vec<f32> = std.iter().map(|s| 1.0 / s).collect();
    let offset: Vec<f32> = mean.iter().zip(&std).map(|(m, s)| (ZERO - m) / s).collect();
    for (layer, channels) in layers {
        match &mut graph.nodes[layer] {
            Node::Conv { dense, geometry, .. } => {
                let per_group = geometry.input[2] as usize / geometry.groups as usize;
                let rows = dense.n / geometry.groups as usize;
                let channel = |row: usize, column: usize| row / rows * per_group + column % per_group;
                scale_inputs(dense, &scale, &offset, |row, column| channels[channel(row, column)]);
            }
            Node::Linear { dense, .. } => scale_inputs(dense, &scale, &offset, |_, column| channels[column]),
            _ => return None,
        }
    }
    let Node::Pixels { mean, std, .. } = &mut graph.nodes[index] else { return None };
    mean.fill(ZERO);
    std.fill(1.0);
    Some(folded(graph, out, "its normalisation went into the first layer", "bytes become int8 without error"))
}

/// The layers that read `pixels`, and for each element of a row that they read its channel;
/// nothing if another node reads them.
fn layers(graph: &Graph, pixels: TensorId) -> Option<Vec<(usize, Vec<usize>)>> {
    let count = graph.tensors[pixels].width;
    let mut found = Vec::new();
    // Tensors of pixels, with the channel of each element of any of their rows.
    let mut open = vec![(pixels, (0..count).collect::<Vec<usize>>())];
    while let Some((tensor, channels)) = open.pop() {
        if graph.outputs.iter().any(|output| output.tensor == tensor) {
            return None;
        }
        for (index, node) in graph.nodes.iter().enumerate() {
            if !node.inputs().contains(&tensor) {
                continue;
            }
            match node {
                Node::Conv { geometry, .. } if geometry.is_unpadded() => {
                    found.push((index, channels.clone()))
                }
                Node::Linear { .. } => found.push((index, channels.clone())),
                Node::Rows { out, .. } | Node::Gather { out, .. } => open.push((*out, channels.clone())),
                Node::Permute { out, offset, shape, strides, .. } => {
                    open.push((*out, permuted(graph, *out, *offset, (*shape, *strides), &channels)?));
                }
                _ => return None,
            }
        }
    }
    Some(found)
}

/// The channel of each element of a row of a copy, if it is the same in every row.
fn permuted(
    graph: &Graph,
    out: TensorId,
    offset: usize,
    (shape, strides): ([usize; 4], [usize; 4]),
    channels: &[usize],
) -> Option<Vec<usize>> {
    let width = graph.tensors[out].width;
    let mut row: Vec<Option<usize>> = vec![None; width];
    let mut element = 0;
    for a in 0..shape[0] {
        for b in 0..shape[1] {
            for c in 0..shape[2] {
                for d in 0..shape[3] {
                    let at = offset + a * strides[0] + b * strides[1] + c * strides[2] + d * strides[3];
                    let channel = channels[at % channels.len()];
                    let place = &mut row[element % width];
                    if place.is_some_and(|other| other != channel) {
                        return None;
                    }
                    *place = Some(channel);
                    element += 1;
                }
            }
        }
    }
    row.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use runtime::{ChannelOrder, Image};

    use super::*;
    use crate::eval::evaluate_node;

    #[test]
    fn a_frame_is_normalised_once() {
        let mut graph = Graph::new(Image::plain([1, 2], 1, ChannelOrder::Gray));
        let [first, second] = ["first", "second"].map(|name| graph.tensor(name, 2, 1));
        graph.nodes = vec![
            Node::Pixels { x: 0, out: first, mean: vec![0.5], std: vec![0.25] },
            Node::Pixels { x: 0, out: second, mean: vec![0.125], std: vec![0.5] },
        ];
        let frame = [0.0, 255.0];
        let run = |graph: &Graph, node: usize, x: &[f32]| {
            evaluate_node(&graph.tensors, &graph.nodes[node], &[x]).expect("it holds together")
        };
        let (normalised, expected) = (run(&graph, 0, &frame), run(&graph, 1, &frame));
        once(&mut graph);
        assert!(matches!(&graph.nodes[..], [Node::Pixels { .. }, Node::Affine { x: 1, out: 2, .. }]));
        assert_eq!(run(&graph, 1, &normalised), expected);
    }
}
