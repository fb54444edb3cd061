//! Products and quotients of two computed tensors: gates, and what is normalised by its sum.

use super::importer::{Importer, Result};
use super::store::Order;
use super::view::View;
use crate::fold::broadcast;
use crate::model::Array;
use float::{Node, TensorId};

impl Importer<'_> {
    /// The product of two views, one of which may have a factor for each row or channel only.
    pub fn multiply_views(&mut self, x: &View, y: &View) -> Result<View> {
        // The factor of the product's shape gives the layout; of two, the one that is a whole tensor.
        let shape = broadcast(&x.shape(), &y.shape());
        let whole = |view: &View| view.covers(self.graph.tensors[view.tensor].len());
        let full = |view: &View| (Some(view.shape()) == shape, whole(view));
        let (x, y) = if full(x) < full(y) { (y, x) } else { (x, y) };
        let (x, y, factors) = self.paired(x, y)?;
        let (a, rows, width) = self.size(&x);
        let tensor = self.emit("", rows, width, |out| Node::Mul { x: a, y, out })?;
        Ok(View { factor: factors[0] * factors[1], ..View::laid_out(tensor, x.axes) })
    }

    /// The quotient of two views; the divisor may have an element for each row or channel only.
    pub fn divide_views(&mut self, x: &View, y: &View) -> Result<View> {
        let (x, y, factors) = self.paired(x, y)?;
        let (a, rows, width) = self.size(&x);
        let factor = factors[0] / factors[1];
        if !factor.is_finite() {
            return Err(self.node.invalid("it divides by a tensor times zero"));
        }
        let tensor = self.emit("", rows, width, |out| Node::Div { x: a, y, out })?;
        Ok(View { factor, ..View::laid_out(tensor, x.axes) })
    }

    /// A constant divided by a view.
    pub fn divide_constant(&mut self, x: &Array, y: &View) -> Result<View> {
        x.check_finite(self.node.name)?;
        match self.lift(x)? {
            Some(x) => self.divide_views(&x, y),
            None => Err(self.unknown()),
        }
    }

    /// Two views that broadcast, in the layout of the first: it as a whole tensor, the other's tensor,
    /// and the factors of both.
    fn paired(&mut self, x: &View, y: &View) -> Result<(View, TensorId, [f32; 2])> {
        let Some(shape) = broadcast(&x.shape(), &y.shape()) else {
            return Err(self.node.invalid(format!("{:?} and {:?} do not broadcast", x.shape(), y.shape())));
        };
        let (Some(x), Some(y)) = (x.expand(&shape), y.expand(&shape)) else { return Err(self.unknown()) };
        let factors = [x.factor, y.factor];
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
        Ok((x, y, factors))
    }
}
