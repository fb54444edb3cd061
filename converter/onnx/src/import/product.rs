//! Products of two computed tensors: gates.

use super::importer::{Importer, Result};
use super::store::Order;
use super::view::View;
use crate::fold::broadcast;
use float::Node;

impl Importer<'_> {
    /// The product of two views, one of which may have a factor for each row or channel only.
    pub fn multiply_views(&mut self, x: &View, y: &View) -> Result<View> {
        let Some(shape) = broadcast(&x.shape(), &y.shape()) else {
            return Err(self.node.invalid(format!("{:?} and {:?} do not broadcast", x.shape(), y.shape())));
        };
        // The factor of that shape gives the layout; of two, the one that is a whole tensor.
        let whole = |view: &View| view.covers(self.graph.tensors[view.tensor].len());
        let full = |view: &View| (view.shape() == shape, whole(view));
        let swapped = full(x) < full(y);
        let (x, y) = if swapped { (y, x) } else { (x, y) };
        let (Some(x), Some(y)) = (x.expand(&shape), y.expand(&shape)) else { return Err(self.unknown()) };
        let factor = x.factor * y.factor;
        let mut x = self.whole(&x)?;
        let y = match self.align_factor(&y, &x)? {
            Some(y) => y,
            None => {
                let rows: Vec<usize> = (0..shape.len().saturating_sub(1)).collect();
                let width: Vec<usize> = (shape.len().saturating_sub(1)..shape.len()).collect();
                x = self.pack(&x, &rows, &width, Order::Logical)?;
                self.pack(&y, &rows, &width, Order::Logical)?.tensor
            }
        };
        let (rows, width) = {
            let tensor = &self.graph.tensors[x.tensor];
            (tensor.rows, tensor.width)
        };
        let a = x.tensor;
        let tensor = self.emit("", rows, width, |out| Node::Mul { x: a, y, out })?;
        Ok(View { factor, ..View::laid_out(tensor, x.axes) })
    }
}
