//! Norms: γ and β as real numbers for the integers that they make.

use float::{Node as Float, TensorId};

use super::Emitter;
use crate::graph::Node;

impl Emitter<'_> {
    pub(super) fn norm(&mut self, node: &Float, x: TensorId) {
        let Float::LayerNorm { out, gamma, beta, eps, centred, .. } = node else { return };
        let out = self.make(*out);
        let (gamma, beta) = self.norm_parameters(out, gamma, beta);
        self.push(Node::LayerNorm { x, out, gamma, beta, eps: f64::from(*eps), centred: *centred });
    }

    pub(super) fn group_norm(&mut self, node: &Float, x: TensorId) {
        let Float::GroupNorm { out, groups, gamma, beta, eps, .. } = node else { return };
        let out = self.make(*out);
        let (gamma, beta) = self.norm_parameters(out, gamma, beta);
        self.push(Node::GroupNorm { x, out, groups: *groups as u32, gamma, beta, eps: f64::from(*eps) });
    }

    /// γ and β of a norm that makes `out`, whose zero point is in β.
    fn norm_parameters(&self, out: TensorId, gamma: &[f32], beta: &[f32]) -> (Vec<f64>, Vec<f64>) {
        let tensor = &self.graph.tensors[out];
        let shift = f64::from(tensor.zero) * tensor.scale;
        let gamma = gamma.iter().map(|&g| f64::from(g)).collect();
        (gamma, beta.iter().map(|&b| f64::from(b) + shift).collect())
    }
}
