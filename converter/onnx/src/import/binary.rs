//! Signs, chosen keys, and weights that are signs.

use float::{Dense, Function, Node, TensorId};

use super::importer::{Importer, Result};
use super::op::{Domain, Handler, OnnxOp};
use super::view::View;

pub(super) const OPS: &[OnnxOp] = &[
    OnnxOp::new("Sign", Handler::View(|i| i.sign()), "all of it, in binarized models"),
    OnnxOp::new(
        "AtLeast",
        Handler::View(|i| i.at_least()),
        "1 where `p ≥ ratio · max p` of a softmax `p`, else 0, in binarized models",
    )
    .of(Domain::Joined),
];

/// How far weights of one magnitude may be from it, as part of it: what their scale loses in
/// floats of 32 bits.
const RELATIVE: f32 = 1e-5;

/// The same in all: what is left of a straight-through estimator, `step − soft + soft` with
/// `soft` in −1..=1, whose sums an exporter rounded; far less than the magnitude even so.
const ABSOLUTE: f32 = 4.0 * f32::EPSILON;

/// Fewest weights of a channel that are told to be signs by their magnitudes.
const FEWEST: usize = 8;

impl Importer<'_> {
    /// `Sign`. Of a part of a tensor the signs are those of all of it, so that parts of one
    /// tensor stay parts of one tensor.
    pub fn sign(&mut self) -> Result<View> {
        let view = self.view(0)?;
        let zero = self.node.int("zero", 0);
        if view.factor == 0.0 || !view.factor.is_finite() {
            return Err(self.node.invalid("its input is zero everywhere, or not finite"));
        }
        let meets = zero != 0 && self.may_be_zero(view.tensor, zero as f32 * view.factor.signum());
        if meets {
            let hint = "a choice of 1 or −1 of sums that can be exactly 0 is not supported; use torch.sign, which \
                        gives 0 there";
            return Err(self.node.unsupported(hint));
        }
        let tensor = match self.signs.get(&view.tensor) {
            Some(&signs) => signs,
            None => {
                let (x, rows, width) = {
                    let tensor = &self.graph.tensors[view.tensor];
                    (view.tensor, tensor.rows, tensor.width)
                };
                let function = Function::Sign;
                let signs = self.emit("", rows, width, |out| Node::Activate { x, out, function })?;
                self.signs.insert(x, signs);
                signs
            }
        };
        Ok(View { tensor, factor: view.factor.signum(), exclusive: false, ..view })
    }

    /// Whether the program may take 0 for another sign than `zero` of a tensor that holds it:
    /// sums of whole numbers. Signs of anything else are those of `x ≥ 0`, or never of 0.
    fn may_be_zero(&self, tensor: TensorId, zero: f32) -> bool {
        match self.producers[tensor].map(|index| &self.graph.nodes[index]) {
            Some(Node::MatMul { .. } | Node::BinaryAttention { .. }) => true,
            Some(Node::Linear { dense, .. }) => zero < 0.0 && dense.bias.contains(&0.0),
            _ => false,
        }
    }

    /// `AtLeast`: 1 for elements of at least `ratio` times the largest along an axis, else 0.
    pub fn at_least(&mut self) -> Result<View> {
        let view = self.view(0)?;
        let axis = self.axis(self.node.int("axis", -1), view.rank())?;
        let ratio = self.node.float("ratio", 1.0);
        let view = self.settle(&view)?;
        let view = self.grouped(&view, &[axis])?;
        let len = view.len(axis);
        let (x, rows, width) = self.size(&view);
        let tensor = self.emit("", rows, width, |out| Node::Select { x, out, width: len, ratio })?;
        Ok(View::laid_out(tensor, view.axes))
    }
}

/// Makes weights that differ in nothing but their signs and what was rounded differ in nothing
/// but their signs.
pub fn snap(dense: &mut Dense) {
    let magnitude = |row: &[f32]| {
        let mean = row.iter().map(|w| f64::from(w.abs())).sum::<f64>() / row.len() as f64;
        let mean = mean as f32;
        let limit = (RELATIVE * mean).max(ABSOLUTE.min(mean / 2.0));
        row.iter().all(|w| (w.abs() - mean).abs() <= limit).then_some(mean)
    };
    let exact = |row: &[f32]| row.iter().all(|w| w.abs() == row[0].abs());
    if dense.k < FEWEST {
        return;
    }
    let rows = dense.weights.chunks_exact(dense.k);
    let Some(magnitudes) = rows.map(magnitude).collect::<Option<Vec<f32>>>() else { return };
    for (row, magnitude) in dense.weights.chunks_exact_mut(dense.k).zip(magnitudes) {
        if !exact(row) {
            row.iter_mut().for_each(|w| *w = magnitude.copysign(*w));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapped(weights: &[f32], k: usize) -> Vec<f32> {
        let n = weights.len() / k;
        let mut dense = Dense { n, k, weights: weights.to_vec(), bias: vec![0.0; n] };
        snap(&mut dense);
        dense.weights
    }

    #[test]
    fn rounded_magnitudes_become_one() {
        for magnitude in [0.05_f32, 2e-6] {
            let signs = [1.0_f32, -1.0, 1.0, 1.0, -1.0, 1.0, 1.0, -1.0];
            let soft = [0.3, -0.9, 0.01, 1.0, -1.0, 0.77, 0.0, -0.2];
            let row: Vec<f32> =
                signs.iter().zip(soft).map(|(sign, soft)| (sign * magnitude - soft) + soft).collect();
            assert!(row.iter().any(|w| w.abs() != row[0].abs()), "{row:?}");
            let out = snapped(&row, 8);
            assert!(out.iter().zip(signs).all(|(w, sign)| *w == out[0].abs() * sign), "{out:?}");
            assert!((out[0] - magnitude).abs() < 1e-7);
        }
    }

    #[test]
    fn other_weights_stay() {
        let exact = [0.1, -0.1, 0.1, 0.1, 0.1, -0.1, 0.1, -0.1];
        assert_eq!(snapped(&exact, 8), exact);
        // One channel of other magnitudes, one weight apart, one zero, and too few to tell.
        let mixed = [exact, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]].concat();
        assert_eq!(snapped(&mixed, 8), mixed);
        let apart = [0.1, -0.1, 0.1, 0.1, 0.1, -0.1, 0.1, -0.1002];
        assert_eq!(snapped(&apart, 8), apart);
        let zero = [0.1, -0.1, 0.0, 0.1, 0.1, -0.1, 0.1, -0.1];
        assert_eq!(snapped(&zero, 8), zero);
        assert_eq!(snapped(&[0.1, 0.1000001], 2), [0.1, 0.1000001]);
    }
}
