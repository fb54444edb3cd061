//! Concatenation.

use float::{Node, Part};

use super::importer::{Importer, MAX_ELEMENTS, Result, Value};
use super::op::{Handler, OnnxOp};
use super::store::Order;
use super::view::{Dim, View, coalesce, dense};
use crate::model::Array;

pub(super) const OPS: &[OnnxOp] =
    &[OnnxOp::new("Concat", Handler::View(|i| i.concat()), "of computed tensors and constants")];

impl Importer<'_> {
    /// `Concat`.
    pub fn concat(&mut self) -> Result<View> {
        let parts = (0..self.node.count()).map(|at| self.value(at)).collect::<Result<Vec<_>>>()?;
        let rank = parts.iter().find_map(|part| match part {
            Value::View(view) => Some(view.rank()),
            Value::Constant(_) => None,
        });
        let axis = self.axis(self.node.required_int("axis")?, rank.unwrap_or(0))?;
        self.join(parts, axis)
    }

    /// A constant of one value.
    pub fn filled(&self, shape: Vec<usize>, value: f32) -> Result<Value> {
        let count = shape.iter().try_fold(1_usize, |n, &len| n.checked_mul(len));
        let Some(count) = count.filter(|&n| n <= MAX_ELEMENTS) else { return Err(self.too_large()) };
        self.spend(count)?;
        Ok(Array { shape, data: vec![value; count].into() }.into())
    }

    /// The parts one after the other along `axis`.
    pub fn join(&mut self, parts: Vec<Value>, axis: usize) -> Result<View> {
        let shape = |part: &Value| match part {
            Value::Constant(array) => array.shape.clone(),
            Value::View(view) => view.shape(),
        };
        let mut settled = Vec::with_capacity(parts.len());
        for part in parts {
            let empty = shape(&part).get(axis) == Some(&0);
            match part {
                _ if empty => {}
                Value::View(view) => settled.push(Value::View(self.settle(&view)?)),
                constant => settled.push(constant),
            }
        }
        let first = settled.iter().find_map(|part| match part {
            Value::View(view) => Some(view.clone()),
            Value::Constant(_) => None,
        });
        let Some(first) = first else { return Err(self.unknown()) };
        let others = |shape: &[usize]| {
            let mut shape = shape.to_vec();
            shape.get_mut(axis).map(|len| std::mem::replace(len, 0)).map(|len| (len, shape))
        };
        let mut lens = Vec::with_capacity(settled.len());
        let wanted = others(&first.shape()).map(|(_, rest)| rest);
        for part in &settled {
            match others(&shape(part)) {
                Some((len, rest)) if Some(&rest) == wanted.as_ref() => lens.push(len),
                _ => return Err(self.node.invalid("its inputs differ in shape beside its axis")),
            }
        }
        if lens.len() == 1 {
            return Ok(first);
        }
        let total = lens.iter().try_fold(0_usize, |n, &len| n.checked_add(len));
        let Some(total) = total.filter(|&total| total <= MAX_ELEMENTS) else {
            return Err(self.too_large());
        };
        if let Some(view) = neighbours(&settled, axis) {
            return Ok(view);
        }
        if lens.iter().all(|&len| len == lens[0])
            && let Some(view) = self.join_equal(&settled, &first, axis)?
        {
            return Ok(view);
        }
        self.join_rows(&settled, &first, axis, total)
    }

    /// Parts of one length, each as a whole block of the storage; none if their layouts do
    /// not match.
    fn join_equal(&mut self, parts: &[Value], first: &View, axis: usize) -> Result<Option<View>> {
        let like = self.whole(first)?;
        let (len, width) = {
            let tensor = &self.graph.tensors[like.tensor];
            (tensor.len(), tensor.width)
        };
        let mut blocks = Vec::with_capacity(parts.len());
        for part in parts {
            blocks.push(match part {
                Value::Constant(array) => {
                    array.check_finite(self.node.name)?;
                    Part::Constant(self.to_storage(&like.axes, len, array)?)
                }
                Value::View(view) => match self.align(view, &like)? {
                    Some(view) => Part::Tensor(view.tensor),
                    None => return Ok(None),
                },
            });
        }
        let count = blocks.len();
        let Some(rows) = count.checked_mul(len / width) else { return Err(self.too_large()) };
        let tensor = self.emit("", rows, width, |out| Node::Concat { parts: blocks, out })?;
        let mut axes = like.axes;
        axes[axis].insert(0, Dim { len: count, stride: len });
        axes[axis] = coalesce(&axes[axis]);
        Ok(Some(View::laid_out(tensor, axes)))
    }

    /// Parts of any length, as rows.
    fn join_rows(&mut self, parts: &[Value], first: &View, axis: usize, total: usize) -> Result<View> {
        let tensor_width = self.graph.tensors[first.tensor].width;
        let inside = |dims: &[Dim]| !dims.is_empty() && dims.iter().all(|dim| dim.stride < tensor_width);
        let others = (0..first.rank()).filter(|&other| other != axis);
        let (mut width, mut rows): (Vec<usize>, Vec<usize>) =
            others.partition(|&other| inside(&first.axes[other]));
        if width.is_empty() {
            width = std::mem::take(&mut rows);
        }
        rows.insert(0, axis);
        let order: Vec<usize> = rows.iter().chain(&width).copied().collect();
        let mut blocks = Vec::with_capacity(parts.len());
        for part in parts {
            blocks.push(match part {
                Value::Constant(array) => {
                    array.check_finite(self.node.name)?;
                    Part::Constant(self.to_storage(&dense(&array.shape, &order), array.len(), array)?)
                }
                Value::View(view) => Part::Tensor(self.pack(view, &rows, &width, Order::Logical)?.tensor),
            });
        }
        let mut shape = first.shape();
        shape[axis] = total;
        let count = |axes: &[usize]| axes.iter().try_fold(1_usize, |n, &axis| n.checked_mul(shape[axis]));
        let (Some(height), Some(wide)) = (count(&rows), count(&width)) else { return Err(self.too_large()) };
        let tensor = self.emit("", height, wide, |out| Node::Concat { parts: blocks, out })?;
        Ok(View::laid_out(tensor, dense(&shape, &order)))
    }
}

/// The parts as one view, if they are equally spaced in one tensor (an unfolded image).
fn neighbours(parts: &[Value], axis: usize) -> Option<View> {
    let views = parts.iter().map(|part| match part {
        Value::View(view) => Some(view),
        Value::Constant(_) => None,
    });
    let views: Vec<&View> = views.collect::<Option<_>>()?;
    let (first, second) = (*views.first()?, *views.get(1)?);
    let stride = second.offset.checked_sub(first.offset)?;
    let fits = views.iter().enumerate().all(|(at, view)| {
        let place = (view.tensor, &view.axes, view.factor);
        place == (first.tensor, &first.axes, first.factor) && view.offset == first.offset + at * stride
    });
    let mut axes = first.axes.clone();
    axes[axis].insert(0, Dim { len: views.len(), stride });
    axes[axis] = coalesce(&axes[axis]);
    fits.then(|| View { exclusive: false, ..first.with_axes(axes) })
}
