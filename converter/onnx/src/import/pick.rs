//! Parts of an axis: slices, splits and gathered indices.

use float::Node;

use super::importer::{Importer, Result, Value};
use super::op::{Handler, OnnxOp};
use super::store::Order;
use super::view::{Dim, View, coalesce, for_each, length};
use crate::model::{Array, MAX_RANK};

pub(super) const OPS: &[OnnxOp] = &[
    OnnxOp::new("Slice", Handler::Value(|i| i.slice()), "constant bounds, any steps"),
    OnnxOp::new("Split", Handler::Values(|i| i.split()), "constant parts"),
    OnnxOp::new("Gather", Handler::View(|i| i.gather()), "constant indices"),
];

impl Importer<'_> {
    /// Some indices of an axis, copied if strides cannot express them.
    pub fn slice_axis(
        &mut self,
        view: &View,
        axis: usize,
        start: usize,
        len: usize,
        step: usize,
    ) -> Result<View> {
        if let Some(view) = view.slice(axis, start, len, step) {
            return Ok(view);
        }
        let packed = self.rows_first(view, axis)?;
        packed.slice(axis, start, len, step).ok_or_else(|| self.unknown())
    }

    /// The view with `axis` as its rows, in order.
    fn rows_first(&mut self, view: &View, axis: usize) -> Result<View> {
        let others: Vec<usize> = (0..view.rank()).filter(|&other| other != axis).collect();
        self.pack(view, &[axis], &others, Order::Logical)
    }

    /// `Slice` with constant bounds.
    fn slice(&mut self) -> Result<Value> {
        let mut view = self.view(0)?;
        let (starts, ends) = (self.weights(1, "starts")?.to_i64s(), self.weights(2, "ends")?.to_i64s());
        let axes =
            self.node.input(3).map(|_| self.weights(3, "axes")).transpose()?.map(|array| array.to_i64s());
        let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let steps =
            self.node.input(4).map(|_| self.weights(4, "steps")).transpose()?.map(|array| array.to_i64s());
        let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
        if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
            return Err(self.node.invalid("its bounds, axes and steps differ in number"));
        }
        let mut shape = view.shape();
        let mut cuts = Vec::with_capacity(starts.len());
        for (((start, end), axis), step) in starts.into_iter().zip(ends).zip(axes).zip(steps) {
            let axis = self.axis(axis, shape.len())?;
            if step == 0 {
                return Err(self.node.invalid("a step of zero"));
            }
            let (start, count) = bounds(shape[axis] as i64, start, end, step);
            shape[axis] = count as usize;
            cuts.push((axis, start, count, step));
        }
        if shape.contains(&0) {
            return Ok(nothing(shape).into());
        }
        for (axis, start, count, step) in cuts {
            view = if step > 0 || count == 1 {
                let size = step.unsigned_abs().min(1 << 40) as usize;
                self.slice_axis(&view, axis, start as usize, count as usize, size)?
            } else {
                let picked = (0..count).map(|at| (start + at * step) as usize).collect();
                self.pick(&view, axis, picked)?
            };
        }
        Ok(view.into())
    }

    /// The indices `picked` of an axis, in any order.
    pub(super) fn pick(&mut self, view: &View, axis: usize, picked: Vec<usize>) -> Result<View> {
        self.spend(picked.len())?;
        let packed = self.rows_first(view, axis)?;
        let (x, width) = (packed.tensor, self.graph.tensors[packed.tensor].width);
        let rows: Vec<u32> = picked.iter().map(|&row| row as u32).collect();
        let count = rows.len();
        let tensor = self.emit("gather", count, width, |out| Node::Gather { x, out, rows })?;
        let mut axes = packed.axes;
        axes[axis] = coalesce(&[Dim { len: count, stride: width }]);
        Ok(View { factor: packed.factor, ..View::laid_out(tensor, axes) })
    }

    /// `Gather` with constant indices.
    pub fn gather(&mut self) -> Result<View> {
        let view = self.view(0)?;
        let axis = self.axis(self.node.int("axis", 0), view.rank())?;
        let indices = self.weights(1, "indices")?;
        let len = view.len(axis) as i64;
        let picked: Option<Vec<usize>> = indices
            .to_i64s()
            .into_iter()
            .map(|at| if at < 0 { at.saturating_add(len) } else { at })
            .map(|at| usize::try_from(at).ok().filter(|&at| (at as i64) < len))
            .collect();
        let Some(picked) = picked.filter(|picked| !picked.is_empty()) else {
            return Err(self.node.invalid(format!("its indices are not within 0..{len}, or there are none")));
        };
        if view.rank() - 1 + indices.rank() > MAX_RANK {
            return Err(self.node.unsupported("its output has more than 8 dimensions"));
        }
        self.spend(picked.len())?;
        let replace = |view: &View, with: Vec<Vec<Dim>>| {
            let mut axes = view.axes.clone();
            axes.splice(axis..=axis, with);
            view.with_axes(axes)
        };
        if let Some((start, steps)) = progression(&picked, &indices.shape) {
            if let [step] = *steps.as_slice()
                && step > 0
            {
                return self.slice_axis(&view, axis, start, picked.len(), step);
            }
            if steps.is_empty() {
                let one = self.slice_axis(&view, axis, start, 1, 1)?;
                return Ok(replace(&one, vec![Vec::new(); indices.rank()]));
            }
            let simple = coalesce(&view.axes[axis]);
            if let [dim] = *simple.as_slice() {
                let with = steps
                    .iter()
                    .zip(&indices.shape)
                    .map(|(&step, &len)| coalesce(&[Dim { len, stride: step * dim.stride }]));
                let mut out = replace(&view, with.collect());
                out.offset += start * dim.stride;
                out.exclusive = false;
                return Ok(out);
            }
        }
        let picked = self.pick(&view, axis, picked)?;
        let mut shape = picked.shape();
        shape.splice(axis..=axis, indices.shape.iter().copied());
        self.reshaped(&picked, &shape)
    }

    /// `Split` into equal or given parts.
    pub fn split(&mut self) -> Result<Vec<Value>> {
        let view = self.view(0)?;
        let axis = self.axis(self.node.int("axis", 0), view.rank())?;
        let len = view.len(axis);
        let count = self.node.int("num_outputs", self.node.outputs.len() as i64);
        let parts = match self.integers("split", 1)? {
            Some(parts) => {
                parts.into_iter().map(|part| usize::try_from(part).unwrap_or(usize::MAX)).collect()
            }
            None => {
                let given = usize::try_from(count).unwrap_or(0);
                if !(1..=len).contains(&given) {
                    return Err(self.node.invalid(format!("{given} parts of {len}")));
                }
                let size = len.div_ceil(given);
                (0..given).map(|part| size.min(len.saturating_sub(part * size))).collect::<Vec<_>>()
            }
        };
        if parts.iter().try_fold(0_usize, |n, &part| n.checked_add(part)) != Some(len) {
            return Err(self.node.invalid(format!("parts of {parts:?} of {len}")));
        }
        let mut start = 0;
        let mut values = Vec::with_capacity(parts.len());
        for part in parts {
            values.push(match part {
                0 => {
                    let mut shape = view.shape();
                    shape[axis] = 0;
                    nothing(shape).into()
                }
                _ => self.slice_axis(&view, axis, start, part, 1)?.into(),
            });
            start += part;
        }
        Ok(values)
    }
}

/// The first of the indices of an axis of `len` that a slice takes, and how many it takes.
fn bounds(len: i64, start: i64, end: i64, step: i64) -> (i64, i64) {
    if len == 0 {
        return (0, 0);
    }
    let bound = |at: i64| if at < 0 { at.saturating_add(len) } else { at };
    let (low, high) = if step > 0 { (0, len) } else { (-1, len - 1) };
    let (start, end) = (bound(start).clamp(low.max(0), high), bound(end).clamp(low, high));
    let distance = if step > 0 { end - start } else { start - end };
    let size = step.unsigned_abs().min(1 << 40) as i64;
    (start, if distance > 0 { (distance + size - 1) / size } else { 0 })
}

/// A value of no elements, which a concatenation leaves out.
fn nothing(shape: Vec<usize>) -> Array {
    Array { shape, data: Vec::<f32>::new().into() }
}

/// First index and steps along each dimension, if the indices are an arithmetic
/// progression along each; no steps if there is one index.
fn progression(picked: &[usize], shape: &[usize]) -> Option<(usize, Vec<usize>)> {
    let start = *picked.first()?;
    if picked.len() == 1 {
        return Some((start, Vec::new()));
    }
    let mut steps = vec![0; shape.len()];
    let mut inner = 1;
    for axis in (0..shape.len()).rev() {
        if shape[axis] > 1 {
            steps[axis] = picked.get(inner)?.checked_sub(start)?;
        }
        inner *= shape[axis];
    }
    let dims: Vec<Dim> = shape.iter().zip(&steps).map(|(&len, &stride)| Dim { len, stride }).collect();
    debug_assert_eq!(length(&dims), picked.len());
    let mut at = 0;
    let mut fits = true;
    let triples: Vec<_> = dims.iter().map(|dim| (dim.len, dim.stride, 0)).collect();
    for_each(&triples, |offset, _| {
        fits &= picked[at] == start + offset;
        at += 1;
    });
    fits.then_some((start, steps))
}
