//! Movement of data: arithmetic on views, and copies where that ends.

use super::store::Order;
use super::view::{Dim, View, coalesce, dense, length};
use super::{Importer, Result, Value};
use crate::float::{Node, Part};
use crate::onnx::model::Array;

impl Importer<'_> {
    /// Ops that only move data; none if the op is not one of them.
    pub fn movement(&mut self) -> Result<Option<View>> {
        match self.node.op.as_str() {
            "Identity" | "Cast" | "Dropout" => self.view(0).map(Some),
            "Reshape" => self.reshape().map(Some),
            "Flatten" => self.flatten().map(Some),
            "Squeeze" => self.squeeze().map(Some),
            "Unsqueeze" => self.unsqueeze().map(Some),
            "Transpose" => self.transpose().map(Some),
            "Expand" => self.expand().map(Some),
            "Tile" => self.tile().map(Some),
            "DepthToSpace" | "SpaceToDepth" => self.depth_space(),
            _ => Ok(None),
        }
    }

    /// `CastLike`: what is computed from an image is float.
    pub fn cast_like(&mut self) -> Result<Value> {
        match (self.value(0)?, self.value(1)?) {
            (Value::Constant(array), Value::View(_)) => {
                self.spend(array.len())?;
                Ok(Array { shape: array.shape.clone(), data: array.to_f32s().into() }.into())
            }
            (value, _) => Ok(value),
        }
    }

    /// `view` under another shape, copied if strides cannot express it.
    pub fn reshaped(&mut self, view: &View, shape: &[usize]) -> Result<View> {
        let count = |shape: &[usize]| shape.iter().try_fold(1_usize, |n, &len| n.checked_mul(len));
        if count(shape).is_none_or(|count| count != view.shape().iter().product::<usize>()) {
            return Err(self.node.invalid(format!("{:?} does not reshape to {shape:?}", view.shape())));
        }
        if let Some(view) = view.reshape(shape) {
            return Ok(view);
        }
        let rows: Vec<usize> = (0..view.rank().saturating_sub(1)).collect();
        let width: Vec<usize> = (rows.len()..view.rank()).collect();
        let packed = self.pack(view, &rows, &width, Order::Logical)?;
        packed.reshape(shape).ok_or_else(|| self.unknown())
    }

    fn reshape(&mut self) -> Result<View> {
        let view = self.view(0)?;
        let target = self.weights(1, "shape")?.to_i64s();
        let have = view.shape();
        let zero = self.node.int("allowzero", 0) != 0;
        let mut shape = Vec::with_capacity(target.len());
        let mut open = None;
        for (axis, &len) in target.iter().enumerate() {
            shape.push(match len {
                -1 if open.replace(axis).is_none() => 1,
                0 if !zero && axis < have.len() => have[axis],
                len if len > 0 => usize::try_from(len).unwrap_or(usize::MAX),
                _ => return Err(self.node.invalid(format!("{have:?} does not reshape to {target:?}"))),
            });
        }
        if let Some(axis) = open {
            let known = shape.iter().try_fold(1_usize, |n, &len| n.checked_mul(len)).unwrap_or(usize::MAX);
            shape[axis] = have.iter().product::<usize>() / known;
        }
        if shape.len() > crate::onnx::model::MAX_RANK {
            return Err(self
                .node
                .unsupported(format!("a shape of {} dimensions; 8 are supported", shape.len())));
        }
        self.reshaped(&view, &shape)
    }

    fn flatten(&mut self) -> Result<View> {
        let view = self.view(0)?;
        let axis = self.node.int("axis", 1);
        let axis = if axis == view.rank() as i64 { view.rank() } else { self.axis(axis, view.rank())? };
        let shape = view.shape();
        self.reshaped(&view, &[shape[..axis].iter().product(), shape[axis..].iter().product()])
    }

    fn squeeze(&mut self) -> Result<View> {
        let view = self.view(0)?;
        let axes = match self.integers("axes", 1)? {
            Some(axes) => {
                axes.into_iter().map(|axis| self.axis(axis, view.rank())).collect::<Result<Vec<_>>>()?
            }
            None => (0..view.rank()).filter(|&axis| view.len(axis) == 1).collect(),
        };
        if axes.iter().any(|&axis| view.len(axis) != 1) {
            return Err(self.node.invalid(format!("{:?} cannot be squeezed at {axes:?}", view.shape())));
        }
        let kept = (0..view.rank()).filter(|axis| !axes.contains(axis));
        Ok(view.with_axes(kept.map(|axis| view.axes[axis].clone()).collect()))
    }

    fn unsqueeze(&mut self) -> Result<View> {
        let view = self.view(0)?;
        let axes = self.integers("axes", 1)?.ok_or_else(|| self.node.invalid("it has no axes"))?;
        let rank = view.rank() + axes.len();
        if rank > crate::onnx::model::MAX_RANK {
            return Err(self.node.unsupported(format!("a shape of {rank} dimensions; 8 are supported")));
        }
        let mut added = vec![false; rank];
        for axis in axes {
            let axis = self.axis(axis, rank)?;
            if std::mem::replace(&mut added[axis], true) {
                return Err(self.node.invalid(format!("axis {axis} is named twice")));
            }
        }
        let mut have = view.axes.iter().cloned();
        let axes = added.iter().map(|&new| if new { Vec::new() } else { have.next().unwrap_or_default() });
        Ok(view.with_axes(axes.collect()))
    }

    fn transpose(&mut self) -> Result<View> {
        let view = self.view(0)?;
        let perm: Vec<usize> = match self.node.ints("perm") {
            Some(perm) => perm.iter().map(|&axis| self.axis(axis, view.rank())).collect::<Result<_>>()?,
            None => (0..view.rank()).rev().collect(),
        };
        if perm.len() != view.rank() || (0..view.rank()).any(|axis| !perm.contains(&axis)) {
            return Err(self.node.invalid(format!("{perm:?} is not a permutation of {} axes", view.rank())));
        }
        Ok(view.transpose(&perm))
    }

    fn expand(&mut self) -> Result<View> {
        let view = self.view(0)?;
        let target = self.weights(1, "shape")?.to_i64s();
        let target: Option<Vec<usize>> =
            target.into_iter().map(|len| usize::try_from(len).ok().filter(|&len| len > 0)).collect();
        let shape = target.and_then(|target| crate::onnx::fold::broadcast(&view.shape(), &target));
        let expanded = shape.and_then(|shape| view.expand(&shape));
        expanded.ok_or_else(|| self.node.invalid(format!("{:?} does not expand to its shape", view.shape())))
    }

    fn tile(&mut self) -> Result<View> {
        let mut view = self.view(0)?;
        let repeats = self.weights(1, "repeats")?.to_i64s();
        if repeats.len() != view.rank() || repeats.iter().any(|count| !(1..=1 << 26).contains(count)) {
            return Err(self.node.invalid(format!("repeats of {repeats:?} for {:?}", view.shape())));
        }
        for (axis, &count) in view.axes.iter_mut().zip(&repeats) {
            axis.insert(0, Dim { len: count as usize, stride: 0 });
            *axis = coalesce(axis);
        }
        Ok(view)
    }

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
    pub fn slice(&mut self) -> Result<View> {
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
        for (((start, end), axis), step) in starts.into_iter().zip(ends).zip(axes).zip(steps) {
            let axis = self.axis(axis, view.rank())?;
            let len = view.len(axis) as i64;
            let bound = |at: i64| if at < 0 { at.saturating_add(len) } else { at };
            if step == 0 {
                return Err(self.node.invalid("a step of zero"));
            }
            let (low, high) = if step > 0 { (0, len) } else { (-1, len - 1) };
            let (start, end) = (bound(start).clamp(low.max(0), high), bound(end).clamp(low, high));
            let distance = if step > 0 { end - start } else { start - end };
            let size = step.unsigned_abs().min(1 << 40) as i64;
            let count = if distance > 0 { (distance + size - 1) / size } else { 0 };
            if count == 0 {
                return Err(self.node.unsupported("it takes nothing; empty tensors are not supported"));
            }
            view = if step > 0 || count == 1 {
                self.slice_axis(&view, axis, start as usize, count as usize, size as usize)?
            } else {
                let picked = (0..count).map(|at| (start + at * step) as usize).collect();
                self.pick(&view, axis, picked)?
            };
        }
        Ok(view)
    }

    /// The indices `picked` of an axis, in any order.
    fn pick(&mut self, view: &View, axis: usize, picked: Vec<usize>) -> Result<View> {
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
        if view.rank() - 1 + indices.rank() > crate::onnx::model::MAX_RANK {
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
        let parts = match self.integers("split", 1)? {
            Some(parts) => parts.into_iter().map(|part| usize::try_from(part).unwrap_or(0)).collect(),
            None => {
                let given = usize::try_from(self.node.int("num_outputs", self.node.outputs.len() as i64))
                    .unwrap_or(0);
                if !(1..=len).contains(&given) {
                    return Err(self.node.invalid(format!("{given} parts of {len}")));
                }
                let size = len.div_ceil(given);
                (0..given).map(|part| size.min(len.saturating_sub(part * size))).collect::<Vec<_>>()
            }
        };
        if parts.contains(&0) || parts.iter().try_fold(0_usize, |n, &part| n.checked_add(part)) != Some(len) {
            return Err(self.node.invalid(format!("parts of {parts:?} of {len}")));
        }
        let mut start = 0;
        let mut values = Vec::with_capacity(parts.len());
        for part in parts {
            values.push(self.slice_axis(&view, axis, start, part, 1)?.into());
            start += part;
        }
        Ok(values)
    }

    /// `Concat`.
    pub fn concat(&mut self) -> Result<View> {
        let parts = (0..self.node.inputs.len()).map(|at| self.value(at)).collect::<Result<Vec<_>>>()?;
        let rank = parts.iter().find_map(|part| match part {
            Value::View(view) => Some(view.rank()),
            Value::Constant(_) => None,
        });
        let axis = self.axis(self.node.int("axis", 0), rank.unwrap_or(0))?;
        self.join(parts, axis)
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
        let Some(total) = total.filter(|&total| total <= super::MAX_ELEMENTS) else {
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
                    array.check_finite(&self.node.name)?;
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
                    array.check_finite(&self.node.name)?;
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

    /// `Shape`, from `start` to `end`.
    pub fn shape_of(&self) -> Result<Array> {
        let shape = self.view(0)?.shape();
        let rank = shape.len() as i64;
        let bound = |at: i64| (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize;
        let (start, end) = (bound(self.node.int("start", 0)), bound(self.node.int("end", rank)));
        let lens: Vec<i64> =
            shape.get(start..end).unwrap_or_default().iter().map(|&len| len as i64).collect();
        Ok(Array::vector(lens))
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
    super::view::for_each(&triples, |offset, _| {
        fits &= picked[at] == start + offset;
        at += 1;
    });
    fits.then_some((start, steps))
}
