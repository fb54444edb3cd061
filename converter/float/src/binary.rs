//! Layers whose weights have one magnitude in each output channel: a sign and a scale.

use crate::graph::Dense;

/// Binary weights, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Signs {
    /// `n × k`: whether a weight is positive.
    pub positive: Vec<bool>,
    /// Magnitude of the weights of each output channel; 0 where all are 0.
    pub scales: Vec<f32>,
}

impl Dense {
    /// Weights `scale · sign(w − mean w)` of each output channel (BiViT, arXiv 2211.07091);
    /// `weights` are `n × k`. A weight that is its channel's mean becomes 0, and the layer is
    /// not binary then.
    pub fn binarized(weights: &[f32], scales: &[f32], bias: Vec<f32>) -> Self {
        let n = scales.len();
        let k = weights.len().checked_div(n).unwrap_or(0);
        let channels = weights.chunks_exact(k.max(1)).zip(scales).flat_map(|(row, &scale)| {
            let mean = row.iter().map(|&w| f64::from(w)).sum::<f64>() / k as f64;
            row.iter().map(move |&w| match f64::from(w).total_cmp(&mean) {
                std::cmp::Ordering::Greater => scale,
                std::cmp::Ordering::Less => -scale,
                std::cmp::Ordering::Equal => 0.0,
            })
        });
        Self { n, k, weights: channels.collect(), bias }
    }

    /// Whether all weights of each output channel have one magnitude, and there are several.
    pub fn is_binary(&self) -> bool {
        let alike = |row: &[f32]| row.iter().all(|w| w.abs() == row[0].abs());
        self.k > 1 && self.weights.chunks_exact(self.k).all(alike)
    }

    /// The weights as signs and scales, if they are [binary](Self::is_binary).
    pub fn signs(&self) -> Option<Signs> {
        self.is_binary().then(|| Signs {
            positive: self.weights.iter().map(|&w| w > 0.0).collect(),
            scales: self.weights.chunks_exact(self.k).map(|row| row[0].abs()).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_taken_from_their_mean_and_back_apart() {
        let dense = Dense::binarized(&[1.0, 2.0, 6.0, -1.0, -2.0, 3.0], &[0.5, -0.25], vec![0.0; 2]);
        assert_eq!(dense.weights, [-0.5, -0.5, 0.5, 0.25, 0.25, -0.25]);
        let signs = dense.signs().expect("binary weights");
        assert_eq!(signs.positive, [false, false, true, true, true, false]);
        assert_eq!(signs.scales, [0.5, 0.25]);
    }

    #[test]
    fn a_weight_at_the_mean_leaves_no_binary_layer() {
        let dense = Dense::binarized(&[1.0, 2.0, 3.0], &[0.5], vec![0.0]);
        assert_eq!(dense.weights, [-0.5, 0.0, 0.5]);
        assert_eq!(dense.signs(), None);
    }
}
