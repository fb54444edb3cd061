//! Shapes and the order of axes: arithmetic on views, and copies where that ends.

use super::importer::{Importer, Result, Value};
use super::op::{Handler, OnnxOp};
use super::store::Order;
use super::view::{Dim, View, coalesce};
use crate::fold::broadcast;
use crate::model::{Array, MAX_RANK};
use crate::reader::Ignored;

pub(super) const OPS: &[OnnxOp] = &[
    OnnxOp::new("Identity", Handler::View(|i| i.view(0)), "all of it"),
    OnnxOp::new("Dropout", Handler::View(|i| i.dropout()), "in evaluation mode: it does nothing").ignoring(
        &[
            Ignored::new("ratio", "in evaluation mode nothing is dropped"),
            Ignored::new("seed", "in evaluation mode nothing is dropped"),
        ],
    ),
    OnnxOp::new("Reshape", Handler::View(|i| i.reshape()), "a constant shape of up to 8 dimensions"),
    OnnxOp::new("Flatten", Handler::View(|i| i.flatten()), "all of it"),
    OnnxOp::new("Squeeze", Handler::View(|i| i.squeeze()), "constant axes"),
    OnnxOp::new("Unsqueeze", Handler::View(|i| i.unsqueeze()), "constant axes, up to 8 dimensions"),
    OnnxOp::new("Transpose", Handler::View(|i| i.transpose()), "all of it"),
    OnnxOp::new("Expand", Handler::View(|i| i.expand()), "a constant shape"),
    OnnxOp::new("Tile", Handler::View(|i| i.tile()), "constant repeats"),
    OnnxOp::new("DepthToSpace", Handler::View(|i| i.depth_space()), "both modes"),
    OnnxOp::new("SpaceToDepth", Handler::View(|i| i.depth_space()), "all of it"),
    OnnxOp::new("Shape", Handler::Value(|i| i.shape_of().map(Value::from)), "all of it: shapes are constant"),
    OnnxOp::new("Size", Handler::Value(|i| i.size_of().map(Value::from)), "all of it: shapes are constant"),
];

impl Importer<'_> {
    /// `Dropout`, which must not be in training mode.
    fn dropout(&mut self) -> Result<View> {
        // In evaluation mode the ratio says nothing.
        self.node.ignore_input(1);
        let trains = self.node.input(2).map(|_| self.weights(2, "training_mode")).transpose()?;
        if trains.is_some_and(|mode| mode.to_i64s() != [0]) {
            return Err(self.node.unsupported(
                "it is in training mode and drops elements at random; export in evaluation mode, after model.eval()",
            ));
        }
        self.view(0)
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
        if shape.len() > MAX_RANK {
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
        if rank > MAX_RANK {
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
        let shape = target.and_then(|target| broadcast(&view.shape(), &target));
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

    /// `DepthToSpace` and `SpaceToDepth`.
    fn depth_space(&mut self) -> Result<View> {
        let node = self.node;
        let view = self.view(0)?;
        let b = self.positive("blocksize", 0)?;
        let &[n, c, h, w] = view.shape().as_slice() else {
            return Err(node.invalid("its input is not an image"));
        };
        let (cut, perm, shape) = if node.op == "DepthToSpace" {
            if !c.is_multiple_of(b * b) {
                return Err(node.invalid(format!("{c} channels do not divide by {b}²")));
            }
            let d = c / (b * b);
            match node.string("mode", "DCR") {
                "DCR" => (vec![n, b, b, d, h, w], [0, 3, 4, 1, 5, 2], [n, d, h * b, w * b]),
                "CRD" => (vec![n, d, b, b, h, w], [0, 1, 4, 2, 5, 3], [n, d, h * b, w * b]),
                mode => return Err(node.invalid(format!("mode of {mode}; DCR and CRD are known"))),
            }
        } else {
            if !h.is_multiple_of(b) || !w.is_multiple_of(b) {
                return Err(node.invalid(format!("{h} × {w} does not divide by {b}")));
            }
            (vec![n, c, h / b, b, w / b, b], [0, 3, 5, 1, 2, 4], [n, c * b * b, h / b, w / b])
        };
        let cut = self.reshaped(&view, &cut)?;
        self.reshaped(&cut.transpose(&perm), &shape)
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

    /// `Size`.
    fn size_of(&self) -> Result<Array> {
        Ok(Array::integer(self.view(0)?.shape().iter().product::<usize>() as i64))
    }
}
