//! Evaluation of nodes whose inputs are all constants, whatever their operator, and what it may
//! cost.
//!
//! Operators of shapes, indices and single elements have a row in [`fold`]. What
//! else an image may meet is imported as for an image, and evaluated as the float graph that
//! this makes.

use super::error::OnnxError;
use super::model::{Array, Node};
use super::{fold, import};

/// What constants may cost in all, so that a small file cannot ask for hours or for all
/// memory.
#[derive(Clone, Debug)]
pub struct Budget {
    memory: u64,
    work: u64,
}

impl Budget {
    /// For a model that stores `stored` elements: 256 Mi elements of results more than
    /// four times that, and 4 Gi elementary steps more than 64 times that.
    pub fn new(stored: u64) -> Self {
        Self {
            memory: (1_u64 << 28).saturating_add(stored.saturating_mul(4)),
            work: (1_u64 << 32).saturating_add(stored.saturating_mul(64)),
        }
    }

    /// The outputs of `node` for constant `inputs` (none where one is absent); none if its
    /// operator is neither computed of constants nor imported. Trailing outputs that nobody
    /// computes are missing.
    ///
    /// # Errors
    ///
    /// [`OnnxError::Node`] if the inputs break the rules of the op, [`OnnxError::Unsupported`] for
    /// what is not computed of it, and [`OnnxError::Limit`] if an output would be too large or the
    /// budget is spent.
    pub fn evaluate(
        &mut self,
        node: &Node,
        inputs: &[Option<&Array>],
        opset: i64,
    ) -> Result<Option<Vec<Array>>, OnnxError> {
        let outputs = match self.fold(node, inputs, opset)? {
            Some(outputs) => return Ok(Some(outputs)),
            None => import::evaluate(node, inputs, opset, self)?,
        };
        self.keep(node, outputs.iter().flatten())?;
        Ok(outputs)
    }

    /// The same of the operators that have a row in [`fold`](super::fold).
    pub(super) fn fold(
        &mut self,
        node: &Node,
        inputs: &[Option<&Array>],
        opset: i64,
    ) -> Result<Option<Vec<Array>>, OnnxError> {
        let before = inputs.iter().flatten().map(|array| array.len() as u64).sum::<u64>();
        self.spend(node, before.saturating_mul(fold::steps(node, inputs)), 0)?;
        let outputs = fold::evaluate(node, inputs, opset)?;
        self.keep(node, outputs.iter().flatten())?;
        Ok(outputs)
    }

    fn keep<'a>(&mut self, node: &Node, outputs: impl Iterator<Item = &'a Array>) -> Result<(), OnnxError> {
        let elements = outputs.map(|array| array.len() as u64).sum();
        self.spend(node, elements, elements)
    }

    /// Elementary steps that are left.
    pub(super) fn work(&self) -> u64 {
        self.work
    }

    /// Pays for `work` steps and `memory` elements at `node`.
    pub(super) fn spend(&mut self, node: &Node, work: u64, memory: u64) -> Result<(), OnnxError> {
        let take = |left: u64, cost: u64, what: &str| {
            left.checked_sub(cost).ok_or_else(|| OnnxError::Limit {
                what: format!("{what}, spent at node `{}`", node.name),
                found: cost,
                limit: left,
            })
        };
        self.work = take(self.work, work, "work of computing constants")?;
        self.memory = take(self.memory, memory, "elements of computed constants")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Attribute;

    fn f(shape: &[usize], values: &[f32]) -> Array {
        Array::new(shape.to_vec(), values.to_vec()).unwrap()
    }

    fn run(node: &Node, inputs: &[&Array]) -> Result<Array, OnnxError> {
        let names = (0..inputs.len()).map(|at| format!("c{at}")).collect();
        let node = Node { inputs: names, ..node.clone() };
        let inputs: Vec<Option<&Array>> = inputs.iter().map(|&array| Some(array)).collect();
        Ok(Budget::new(0).evaluate(&node, &inputs, 17)?.expect("a known op").remove(0))
    }

    fn op(name: &str) -> Node {
        Node::new(name, Vec::new(), "y")
    }

    #[test]
    fn operators_of_images_are_evaluated_on_constants() {
        let image = f(&[1, 1, 3, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
        let weights = f(&[1, 1, 2, 2], &[1.0, 0.0, 0.0, -1.0]);
        assert_eq!(run(&op("Conv"), &[&image, &weights]).unwrap(), f(&[1, 1, 2, 2], &[-4.0; 4]));
        let pool = op("MaxPool").with("kernel_shape", Attribute::Ints(vec![2, 2]));
        assert_eq!(run(&pool, &[&image]).unwrap(), f(&[1, 1, 2, 2], &[5.0, 6.0, 8.0, 9.0]));
        let even = run(&op("Softmax"), &[&f(&[2, 2], &[7.0, 7.0, -3.0, -3.0])]).unwrap();
        assert_eq!(even, f(&[2, 2], &[0.5; 4]));
        let params =
            [&f(&[2], &[2.0, 1.0]), &f(&[2], &[0.0, 10.0]), &f(&[2], &[1.0, 0.0]), &f(&[2], &[4.0, 1.0])];
        let channels = f(&[1, 2, 1, 1], &[5.0, 3.0]);
        let exact = op("BatchNormalization").with("epsilon", Attribute::Float(0.0));
        let normal = run(&exact, &[&[&channels][..], &params].concat()).unwrap();
        assert_eq!(normal, f(&[1, 2, 1, 1], &[4.0, 13.0]));
        let einsum = op("Einsum").with("equation", Attribute::String("ij,kj->ik".into()));
        let (a, b) = (f(&[1, 2], &[1.0, 2.0]), f(&[2, 2], &[3.0, 4.0, 5.0, 6.0]));
        assert_eq!(run(&einsum, &[&a, &b]).unwrap(), f(&[1, 2], &[11.0, 17.0]));
        let one = f(&[1, 1, 2, 2], &[1.0, 2.0, 3.0, 4.0]);
        let attention = op("Attention").with("scale", Attribute::Float(0.0));
        let mean = run(&attention, &[&one, &one, &one]).unwrap();
        assert_eq!(mean, f(&[1, 1, 2, 2], &[2.0, 3.0, 2.0, 3.0]));
    }

    #[test]
    fn what_is_not_computed_is_said() {
        let said = |node: &Node, inputs: &[&Array]| run(node, inputs).unwrap_err().to_string();
        let integers = Array::vector(vec![1_i64, 2]);
        assert!(said(&op("Gelu"), &[&integers]).contains("of integers"));
        let trains = op("BatchNormalization").with("training_mode", Attribute::Int(1));
        let one = f(&[1, 1], &[1.0]);
        let single = f(&[1], &[1.0]);
        let inputs = [&one, &single, &single, &single, &single];
        assert!(said(&trains, &inputs).contains("training mode"));
        assert!(said(&op("Softmax").with("surprise", Attribute::Int(1)), &[&one]).contains("surprise"));
    }

    #[test]
    fn bombs_are_refused() {
        let mut budget = Budget::new(0);
        let block = Array::vector(vec![1_i64 << 12, 1 << 12]);
        let spent =
            (0..17).try_for_each(|_| budget.evaluate(&op("ConstantOfShape"), &[Some(&block)], 17).map(drop));
        assert!(matches!(spent, Err(OnnxError::Limit { .. })));
        // A convolution of 64 × 64 taps at 4 million positions.
        let (image, kernel) = (f(&[1, 1, 2048, 2048], &vec![0.0; 1 << 22]), f(&[1, 1, 64, 64], &[0.0; 4096]));
        assert!(matches!(run(&op("Conv"), &[&image, &kernel]), Err(OnnxError::Limit { .. })));
    }
}
