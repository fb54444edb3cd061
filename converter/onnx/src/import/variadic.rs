//! Sums and means of any number of values.

use super::importer::{Importer, Result, Value};
use super::op::{Handler, OnnxOp};
use super::view::View;

pub(super) const OPS: &[OnnxOp] = &[
    OnnxOp::new("Sum", Handler::View(|i| i.sum_of_all()), "of computed tensors and constants"),
    OnnxOp::new("Mean", Handler::View(|i| i.mean_of_all()), "of computed tensors and constants"),
];

impl Importer<'_> {
    /// `Sum`: constants are added last.
    fn sum_of_all(&mut self) -> Result<View> {
        let values = (0..self.node.count()).map(|at| self.value(at)).collect::<Result<Vec<_>>>()?;
        let mut total: Option<View> = None;
        let mut constants = Vec::new();
        for (at, value) in values.into_iter().enumerate() {
            match value {
                Value::Constant(array) => constants.push((at, array)),
                Value::View(view) => {
                    total = Some(match total.take() {
                        Some(sum) => self.plus(sum, view)?,
                        None => view,
                    });
                }
            }
        }
        let Some(mut total) = total else { return Err(self.unknown()) };
        for (at, array) in constants {
            total = self.affine(&total, None, Some(&array), at)?;
        }
        Ok(total)
    }

    /// `Mean`: the sum divided by how many there are.
    fn mean_of_all(&mut self) -> Result<View> {
        let mut sum = self.sum_of_all()?;
        sum.factor /= self.node.count() as f32;
        Ok(sum)
    }
}
