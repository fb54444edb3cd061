//! Scores: what a softmax reads, and which of them take part in it.

use crate::graph::{Graph, Node};

/// How far below its row's largest a score still has a probability that int16 of scale 2⁻¹⁵
/// distinguishes from 0: 16·ln 2.
pub const SCORE_REACH: f32 = 16.0 * std::f32::consts::LN_2;

/// Magnitude from which float32 holds no fractions. Where every score of a row has such an
/// addend, the float model has lost the scores, and its softmax is uniform: simplification makes the
/// addends the lowest float.
pub(crate) const ADDEND_LIMIT: f32 = (1u32 << 23) as f32;

/// Scores of at most this are lost beside the lowest float, or beside a part of it where a factor
/// is behind the sum. No score of a model is as low by itself.
const LOST: f32 = f32::MIN / (1u32 << 16) as f32;

impl Graph {
    /// For each tensor that only softmaxes of one width read: the elements that they normalise
    /// together.
    pub fn scores(&self) -> Vec<Option<usize>> {
        let readers = self.readers();
        let of = |(id, readers): (usize, Vec<usize>)| {
            let mut widths = readers.iter().map(|&reader| match self.nodes[reader] {
                Node::Softmax { width, .. } => Some(width),
                _ => None,
            });
            let first = widths.next()??;
            let same = widths.all(|width| width == Some(first));
            let is_output = self.outputs.iter().any(|output| output.tensor == id);
            (same && !is_output).then_some(first)
        };
        readers.into_iter().enumerate().map(of).collect()
    }
}

/// The least score of `row` that takes part in its softmax; none does where every score is lost
/// beside what was added.
pub fn least_score(row: &[f32]) -> Option<f32> {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    (largest > LOST).then_some(largest - SCORE_REACH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_mask_excludes_takes_no_part() {
        for mask in [-100.0, -1e4, f32::MIN, f32::NEG_INFINITY] {
            let row = [2.0, 5.0 + mask, -4.0];
            let least = least_score(&row).expect("two scores take part");
            assert_eq!(row.map(|v| v >= least), [true, false, true], "{mask}");
        }
        assert_eq!(least_score(&[f32::MIN, f32::MIN]), None);
        assert_eq!(least_score(&[f32::MIN / 100.0, f32::NEG_INFINITY]), None);
    }

    #[test]
    fn a_low_score_takes_part_beside_lower_ones() {
        assert_eq!(least_score(&[-4e18, f32::MIN]), Some(-4e18 - SCORE_REACH));
    }
}
