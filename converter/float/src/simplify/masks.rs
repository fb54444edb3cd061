//! Rows of masks that leave no score as it is.

use facts::Change;

use super::edit::{folded, producer};
use crate::graph::{Graph, Node};
use crate::scores::{ADDEND_LIMIT, SCORE_REACH};

/// Moves rows of constants before a softmax so that their largest element is 0 where it is far
/// from that: what a whole row has in common changes no softmax, and would widen the range of
/// the scores.
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
    use runtime::image::Fit;
    use runtime::{ChannelOrder, FloatBits, Image};

    use super::*;

    fn leveled(values: [f32; 6]) -> Vec<f32> {
        let image = Image {
            height: 2,
            width: 3,
            channels: 1,
            order: ChannelOrder::Gray,
            fit: Fit::Stretch,
            mean: [FloatBits(0); 4],
            std: [FloatBits(1f32.to_bits()); 4],
        };
        let mut graph = Graph::new(image);
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
    fn a_row_without_a_key_keeps_what_tells_its_scores_apart() {
        let inf = f32::NEG_INFINITY;
        assert_eq!(leveled([-1e4, -1e4, -1e4, 0.0, -1e4, inf]), [0.0, 0.0, 0.0, 0.0, -1e4, inf]);
        assert_eq!(leveled([1e4, 0.0, 1e4, 1.0, -2.0, 3.0]), [0.0, -1e4, 0.0, 1.0, -2.0, 3.0]);
    }

    #[test]
    fn a_row_whose_scores_are_lost_stays_uniform() {
        let lost = [f32::MIN, f32::MIN, f32::MIN, 0.0, f32::MIN, 0.0];
        assert_eq!(leveled(lost), lost);
    }
}
