//! Masks that are not the last before a softmax, and their rows that leave no score as it is.

use facts::Change;

use super::edit::{folded, only_reader, producer};
use crate::graph::{Graph, Node};
use crate::scores::{ADDEND_LIMIT, SCORE_REACH};

/// Brings masks behind the factors that follow them: what is added last before a softmax takes no
/// part in the range of the scores.
pub(super) fn sink(graph: &mut Graph) -> Vec<Change> {
    let scores = graph.scores();
    let mut changes = Vec::new();
    for index in 0..graph.nodes.len() {
        let Node::AddConstant { x, out, values } = &graph.nodes[index] else { continue };
        let (x, between) = (*x, *out);
        if !values.iter().any(|&value| value < -SCORE_REACH) {
            continue;
        }
        let Some(reader) = only_reader(graph, between) else { continue };
        let Node::Affine { out, scale, offset, .. } = &graph.nodes[reader] else { continue };
        if scores[*out].is_none() || !scale.iter().all(|&scale| scale > 0.0) {
            continue;
        }
        let (out, scale, offset) = (*out, scale.clone(), offset.clone());
        let scaled = |(value, scale): (&f32, &f32)| match value.is_finite() {
            true => (value * scale).max(f32::MIN),
            false => *value,
        };
        let values = values.iter().zip(scale.iter().cycle()).map(scaled).collect();
        graph.nodes[index] = Node::Affine { x, out: between, scale, offset };
        graph.nodes[reader] = Node::AddConstant { x: between, out, values };
        changes.push(folded(graph, out, "took the mask behind its factor", "the same scores"));
    }
    changes
}

/// Moves rows of constants before a softmax so that their largest element is 0 where it is far
/// from that: what a whole row has in common changes no softmax, and would widen the range of
/// the scores. Beside constants that leave no fractions the scores are lost, and all such constants
/// become the lowest.
pub(super) fn level(graph: &mut Graph) -> Vec<Change> {
    let mut changes = Vec::new();
    for (id, width) in graph.scores().into_iter().enumerate() {
        let (Some(width), Some(index)) = (width, producer(graph, id)) else { continue };
        let Node::AddConstant { values, .. } = &mut graph.nodes[index] else { continue };
        let mut moved = 0usize;
        for row in values.chunks_mut(width) {
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            if (SCORE_REACH..ADDEND_LIMIT).contains(&largest.abs()) {
                row.iter_mut().for_each(|value| *value -= largest);
                moved += 1;
            } else if largest <= -ADDEND_LIMIT {
                row.iter_mut().filter(|value| value.is_finite()).for_each(|value| *value = f32::MIN);
            }
        }
        if moved > 0 {
            changes.push(folded(
                graph,
                id,
                &format!("lost what all scores of a row share, in {moved} rows"),
                "it changes no softmax",
            ));
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use runtime::{ChannelOrder, Image};

    use super::*;

    const IMAGE: Image = Image::plain([2, 3], 1, ChannelOrder::Gray);

    fn leveled(values: [f32; 6]) -> Vec<f32> {
        let mut graph = Graph::new(IMAGE);
        let [scores, out] = ["scores", "softmax"].map(|name| graph.tensor(name, 2, 3));
        graph.nodes = vec![
            Node::AddConstant { x: 0, out: scores, values: values.to_vec() },
            Node::Softmax { x: scores, out, width: 3 },
        ];
        level(&mut graph);
        let Node::AddConstant { values, .. } = graph.nodes.swap_remove(0) else { unreachable!() };
        values
    }

    #[test]
    fn a_mask_is_added_after_the_factor() {
        let mut graph = Graph::new(IMAGE);
        let [masked, scaled, out] = ["masked", "scaled", "softmax"].map(|name| graph.tensor(name, 6, 1));
        let values = vec![0.0, f32::MIN, -1e4, f32::NEG_INFINITY, 0.0, 2.0];
        graph.nodes = vec![
            Node::AddConstant { x: 0, out: masked, values },
            Node::Affine { x: masked, out: scaled, scale: vec![0.5], offset: vec![1.0] },
            Node::Softmax { x: scaled, out, width: 3 },
        ];
        assert_eq!(sink(&mut graph).len(), 1);
        let [Node::Affine { x: 0, out: first, .. }, Node::AddConstant { x, out: last, values }, _] =
            &graph.nodes[..]
        else {
            panic!("{:?}", graph.nodes)
        };
        assert_eq!((*first, *x, *last), (masked, masked, scaled));
        assert_eq!(values[..], [0.0, f32::MIN / 2.0, -5e3, f32::NEG_INFINITY, 0.0, 1.0]);
    }

    #[test]
    fn a_row_without_a_key_keeps_what_tells_its_scores_apart() {
        let inf = f32::NEG_INFINITY;
        assert_eq!(leveled([-1e4, -1e4, -1e4, 0.0, -1e4, inf]), [0.0, 0.0, 0.0, 0.0, -1e4, inf]);
        assert_eq!(leveled([1e4, 0.0, 1e4, 1.0, -2.0, 3.0]), [0.0, -1e4, 0.0, 1.0, -2.0, 3.0]);
    }

    #[test]
    fn a_row_whose_scores_are_lost_stays_uniform() {
        let lost = |low: f32| [low, low, low, 0.0, low, 0.0];
        assert_eq!(leveled(lost(f32::MIN)), lost(f32::MIN));
        assert_eq!(
            leveled([-1e9, -1e9, f32::NEG_INFINITY, 0.0, -1e9, 0.0]),
            [f32::MIN, f32::MIN, f32::NEG_INFINITY, 0.0, -1e9, 0.0]
        );
    }
}
