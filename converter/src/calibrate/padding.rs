//! Padding as rows of the image.
//!
//! A convolution pads with the integer 0, so that the integers of its input have no zero point, and
//! an activation that hardly goes below 0 has half of them for nothing. Where the padding is part of
//! the image, it is the integer of 0, whichever that is.

use facts::{Change, ChangeKind};
use float::{Function, Geometry, Graph, Node, Part, TensorId, math};

use super::statistics::Statistics;

/// What a zero point must be worth, in decibels of signal over noise.
const WORTH_DB: f64 = 2.0;

/// Lays out the padding of every convolution whose input is worth a zero point.
pub(super) fn lay_out(model: &mut Graph, statistics: &Statistics) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut index = 0;
    while index < model.nodes.len() {
        if let Node::Conv { x, geometry, .. } = model.nodes[index]
            && !geometry.is_unpadded()
            && let Some(worth) = worth(model, statistics, x)
        {
            changes.push(Change {
                kind: ChangeKind::Escalated,
                layer: model.tensors[model.nodes[index].output()].name.clone(),
                what: "has its padding laid out, so that its input has a zero point".into(),
                why: format!("int8 without one costs {worth:.1} dB"),
            });
            pad(model, index);
            index += 2;
        }
        index += 1;
    }
    changes
}

/// What a zero point is worth to the output `x` of a function that is not linear, if it is enough;
/// none where another of its readers takes none.
fn worth(model: &Graph, statistics: &Statistics, x: TensorId) -> Option<f64> {
    let maker = model.nodes.iter().find(|node| node.output() == x)?;
    let Node::Activate { x: before, function, .. } = *maker else { return None };
    // What ReLU reads and makes has one scale.
    let has_one_below_zero = function == Function::Relu && !model.rectified()[before];
    if has_one_below_zero || function == Function::Sign || !readers_may_shift(model, x) {
        return None;
    }
    let seen = &statistics.activations[x];
    let (low, high) = (f64::from(seen.min()).min(0.0), f64::from(seen.max()).max(0.0));
    let worth = 20.0 * math::log10(high.max(-low) / 127.0 / ((high - low) / 255.0));
    (worth >= WORTH_DB).then_some(worth)
}

/// Whether every reader of `x` takes integers with a zero point, or int16.
fn readers_may_shift(model: &Graph, x: TensorId) -> bool {
    let takes = |node: &Node| match node {
        Node::Pixels { .. }
        | Node::Conv { .. }
        | Node::Linear { .. }
        | Node::Affine { .. }
        | Node::LayerNorm { .. }
        | Node::GroupNorm { .. }
        | Node::Add { .. }
        | Node::Div { .. }
        | Node::AddConstant { .. }
        | Node::Activate { .. }
        | Node::Softmax { .. }
        | Node::Rows { .. }
        | Node::Permute { .. }
        | Node::Gather { .. }
        | Node::Concat { .. } => true,
        Node::Mul { .. }
        | Node::Rotary { .. }
        | Node::ResponseNorm { .. }
        | Node::Select { .. }
        | Node::MatMul { .. }
        | Node::Attention { .. }
        | Node::BinaryAttention { .. }
        | Node::Mean { .. } => false,
    };
    let is_output = model.outputs.iter().any(|output| output.tensor == x);
    !is_output && model.nodes.iter().filter(|node| node.inputs().contains(&x)).all(takes)
}

/// Makes the convolution at node `index` read an image with its padding.
fn pad(model: &mut Graph, index: usize) {
    let Node::Conv { x, out, geometry, ref dense } = model.nodes[index] else { return };
    let dense = dense.clone();
    let (rows, padded) = layout(&geometry);
    let (name, width) = (model.tensors[x].name.clone(), model.tensors[x].width);
    let image = model.tensors[x].rows;
    let more = model.tensor(format!("{name}.zero"), image + 1, width);
    let whole = model.tensor(format!("{name}.padded"), rows.len(), width);
    let parts = vec![Part::Tensor(x), Part::Constant(vec![0.0; width])];
    let nodes = [
        Node::Concat { parts, out: more },
        Node::Gather { x: more, out: whole, rows },
        Node::Conv { x: whole, out, geometry: padded, dense },
    ];
    model.nodes.splice(index..=index, nodes);
}

/// The pixel of the image at each place of the padded one, the one behind the last for padding; and
/// the convolution over that.
fn layout(geometry: &Geometry) -> (Vec<u32>, Geometry) {
    let Geometry { input: [height, width, channels], kernel, stride, padding, output, .. } = *geometry;
    let size = |axis: usize| (output[axis] - 1) * stride[axis] + kernel[axis];
    let (tall, wide) = (size(0), size(1));
    let pixel = |y: u32, x: u32| match (y.checked_sub(padding[0]), x.checked_sub(padding[1])) {
        (Some(y), Some(x)) if y < height && x < width => y * width + x,
        _ => height * width,
    };
    let places = (0..tall).flat_map(|y| (0..wide).map(move |x| (y, x)));
    let rows = places.map(|(y, x)| pixel(y, x)).collect();
    (rows, Geometry { input: [tall, wide, channels], padding: [0, 0], ..*geometry })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_surrounds_the_pixels() {
        let geometry = Geometry {
            input: [2, 3, 1],
            kernel: [3, 3],
            stride: [2, 1],
            padding: [1, 1],
            output: [1, 3],
            groups: 1,
        };
        let (rows, padded) = layout(&geometry);
        assert_eq!((padded.input, padded.padding), ([3, 5, 1], [0, 0]));
        assert_eq!(rows, [6, 6, 6, 6, 6, 6, 0, 1, 2, 6, 6, 3, 4, 5, 6]);
    }
}
