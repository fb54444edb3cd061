//! Sums and means over axes.

use float::{Function, Node, TensorId};

use super::importer::{Importer, Result};
use super::op::{Handler, OnnxOp};
use super::store::Order;
use super::view::View;

pub(super) const OPS: &[OnnxOp] = &[
    OnnxOp::new("ReduceMean", Handler::View(|i| i.reduce_mean()), "over constant axes"),
    OnnxOp::new("ReduceSum", Handler::View(|i| i.reduce_sum()), "over constant axes"),
    OnnxOp::new("ReduceL1", Handler::View(|i| i.reduce_powers()), "over constant axes"),
    OnnxOp::new("ReduceL2", Handler::View(|i| i.reduce_powers()), "over constant axes"),
    OnnxOp::new("ReduceSumSquare", Handler::View(|i| i.reduce_powers()), "over constant axes"),
    OnnxOp::new("GlobalAveragePool", Handler::View(|i| i.global_average_pool()), "all of it"),
];

/// Most rows of which one mean is.
const MAX_MEAN: usize = u16::MAX as usize;

impl Importer<'_> {
    /// `ReduceMean`.
    pub fn reduce_mean(&mut self) -> Result<View> {
        let view = self.view(0)?;
        match self.reduced_axes(&view)? {
            Some(axes) => {
                let out = self.mean_kept(&view, &axes)?;
                Ok(self.squeezed(out, &axes))
            }
            None => Ok(view),
        }
    }

    /// `ReduceSum`: the mean times the number of elements.
    pub fn reduce_sum(&mut self) -> Result<View> {
        let view = self.view(0)?;
        let Some(axes) = self.reduced_axes(&view)? else { return Ok(view) };
        let out = self.sum_kept(&view, &axes)?;
        Ok(self.squeezed(out, &axes))
    }

    /// `ReduceL1`, `ReduceL2` and `ReduceSumSquare`: the sum of magnitudes, or of squares and its root.
    fn reduce_powers(&mut self) -> Result<View> {
        let x = self.view(0)?;
        let axes = self.reduced_axes(&x)?;
        let view = match self.node.op {
            "ReduceL1" => self.apply(&x, Function::Abs)?,
            _ => self.multiply_views(&x, &x)?,
        };
        let mut out = match &axes {
            Some(axes) => self.sum_kept(&view, axes)?,
            None => view,
        };
        if self.node.op == "ReduceL2" {
            out = self.apply(&out, Function::Power { exponent: 0.5 })?;
        }
        Ok(axes.map_or(out.clone(), |axes| self.squeezed(out, &axes)))
    }

    /// The sum over `axes`, which are kept at length 1.
    pub fn sum_kept(&mut self, view: &View, axes: &[usize]) -> Result<View> {
        let count: usize = axes.iter().map(|&axis| view.len(axis)).product();
        let mut out = self.mean_kept(view, axes)?;
        out.factor *= count as f32;
        Ok(out)
    }

    /// The axes that a reduction is over; none if it does nothing.
    pub fn reduced_axes(&self, view: &View) -> Result<Option<Vec<usize>>> {
        let listed = self.integers("axes", 1)?.unwrap_or_default();
        let none = self.node.int("noop_with_empty_axes", 0) != 0;
        if listed.is_empty() {
            if none {
                // No axis is reduced, so none is kept.
                self.node.ignore("keepdims");
                return Ok(None);
            }
            return Ok(Some((0..view.rank()).collect()));
        }
        let mut axes = listed.iter().map(|&axis| self.axis(axis, view.rank())).collect::<Result<Vec<_>>>()?;
        axes.sort_unstable();
        axes.dedup();
        Ok(Some(axes))
    }

    /// `view` without the reduced axes, if the node does not keep them.
    pub fn squeezed(&self, mut view: View, axes: &[usize]) -> View {
        if self.node.int("keepdims", 1) == 0 {
            let kept = (0..view.rank()).filter(|axis| !axes.contains(axis));
            view.axes = kept.map(|axis| view.axes[axis].clone()).collect();
        }
        view
    }

    /// The mean with its reduced axes kept, at length 1.
    fn mean_kept(&mut self, view: &View, axes: &[usize]) -> Result<View> {
        let kept: Vec<usize> = (0..view.rank()).filter(|axis| !axes.contains(axis)).collect();
        let mut out = self.pack(view, axes, &kept, Order::Stored)?;
        let (x, rows, width) = self.size(&out);
        for &axis in axes {
            out.axes[axis] = Vec::new();
        }
        if rows > 1 {
            let factor = out.factor;
            let tensor = self.mean_rows(x, rows, width)?;
            out = View { factor, ..View::laid_out(tensor, out.axes) };
        }
        Ok(out)
    }

    /// The mean of all rows of a tensor; of many, the mean of means.
    fn mean_rows(&mut self, mut x: TensorId, mut rows: usize, width: usize) -> Result<TensorId> {
        while rows > MAX_MEAN {
            let Some(step) = (2..=MAX_MEAN).rev().find(|&step| rows.is_multiple_of(step)) else {
                let hint = format!(
                    "a mean over {rows} positions: at most {MAX_MEAN} are supported, or a number that such a one \
                     divides; use a smaller image"
                );
                return Err(self.node.unsupported(hint));
            };
            rows /= step;
            let wide = rows * width;
            let apart = self.reshape_tensor(x, step, wide)?;
            let mean = self.emit("mean", 1, wide, |out| Node::Mean { x: apart, out })?;
            x = self.reshape_tensor(mean, rows, width)?;
        }
        self.emit("", 1, width, |out| Node::Mean { x, out })
    }

    /// The elements of a tensor as `rows` of `width`.
    fn reshape_tensor(&mut self, x: TensorId, rows: usize, width: usize) -> Result<TensorId> {
        let (shape, strides) = ([rows, 1, 1, width], [width, 0, 0, 1]);
        self.emit("reshape", rows, width, |out| Node::Permute { x, out, offset: 0, shape, strides })
    }

    /// `GlobalAveragePool`.
    pub fn global_average_pool(&mut self) -> Result<View> {
        let view = self.view(0)?;
        let axes: Vec<usize> = (2..view.rank()).collect();
        let mut out = self.mean_kept(&view, &axes)?;
        out.axes.resize(view.rank(), Vec::new());
        Ok(out)
    }
}
