//! Slices that constant indices pick or replace: rows of a tensor, and of two joined.

use float::Node;

use super::importer::{Importer, Result, Value};
use super::op::{Handler, OnnxOp};
use super::store::Order;
use super::view::{View, dense};
use crate::fold::axis_of;
use crate::model::{Array, MAX_RANK};

pub(super) const OPS: &[OnnxOp] = &[
    OnnxOp::new("GatherND", Handler::View(|i| i.gather_slices()), "constant indices; no `batch_dims`"),
    OnnxOp::new("ScatterND", Handler::View(|i| i.scatter_slices()), "constant indices; no `reduction`"),
];

/// Slices of a value.
struct Slices {
    /// The index of each, counted over the leading axes.
    rows: Vec<u32>,
    /// Lengths of the leading axes, and of those of a slice.
    leading: Vec<usize>,
    inner: Vec<usize>,
}

impl Importer<'_> {
    /// `GatherND`.
    fn gather_slices(&mut self) -> Result<View> {
        if self.node.int("batch_dims", 0) != 0 {
            return Err(self.node.unsupported("batch_dims is not supported; give indices of all axes"));
        }
        let view = self.view(0)?;
        let indices = self.weights(1, "indices")?;
        let slices = self.slices(&view.shape(), &indices)?;
        let shape = [&indices.shape[..indices.rank() - 1], &slices.inner].concat();
        if shape.len() > MAX_RANK {
            return Err(self.node.unsupported("its output has more than 8 dimensions"));
        }
        let tensor = self.slice_rows(&view, &slices)?;
        let made = self.picked(&tensor, slices.rows)?;
        self.reshaped(&made, &shape)
    }

    /// `ScatterND`: the slices of both inputs one after the other, and of each index the last.
    fn scatter_slices(&mut self) -> Result<View> {
        if self.node.string("reduction", "none") != "none" {
            return Err(self.node.unsupported("a reduction is not supported; add the updates"));
        }
        let (data, updates) = (self.value(0)?, self.value(2)?);
        let shape_of = |value: &Value| match value {
            Value::View(view) => view.shape(),
            Value::Constant(array) => array.shape.clone(),
        };
        let shape = shape_of(&data);
        let indices = self.weights(1, "indices")?;
        let slices = self.slices(&shape, &indices)?;
        if shape_of(&updates) != [&indices.shape[..indices.rank() - 1], &slices.inner].concat() {
            return Err(self
                .node
                .invalid(format!("its updates of shape {:?} do not fit", shape_of(&updates))));
        }
        let count = slices.leading.iter().product::<usize>();
        let mut rows: Vec<u32> = (0..count as u32).collect();
        for (at, &row) in slices.rows.iter().enumerate() {
            rows[row as usize] = (count + at) as u32;
        }
        let given =
            Slices { leading: vec![slices.rows.len()], inner: slices.inner.clone(), rows: Vec::new() };
        let parts = [(data, &slices), (updates, &given)];
        let mut both = Vec::with_capacity(2);
        for (part, slices) in parts {
            both.push(match part {
                Value::View(view) => self.slice_rows(&view, slices)?.into(),
                Value::Constant(array) => self.constant_rows(&array, slices)?,
            });
        }
        let joined = self.join(both, 0)?;
        let made = self.picked(&joined, rows)?;
        self.reshaped(&made, &shape)
    }

    /// The slices of a value of `shape` that the rows of `indices` name.
    fn slices(&self, shape: &[usize], indices: &Array) -> Result<Slices> {
        let invalid = || self.node.invalid(format!("indices of shape {:?} for {shape:?}", indices.shape));
        let depth = indices.shape.last().copied().filter(|&depth| (1..=shape.len()).contains(&depth));
        let Some(depth) = depth else { return Err(invalid()) };
        let (leading, inner) = shape.split_at(depth);
        let list = indices.i64s().filter(|list| !list.is_empty()).ok_or_else(invalid)?;
        self.spend(list.len())?;
        let mut rows = Vec::with_capacity(list.len() / depth);
        for index in list.chunks_exact(depth) {
            let mut row = 0;
            for (&at, &len) in index.iter().zip(leading) {
                row = row * len + axis_of(at, len).ok_or_else(invalid)?;
            }
            rows.push(row as u32);
        }
        Ok(Slices { rows, leading: leading.to_vec(), inner: inner.to_vec() })
    }

    /// A value with its slices as rows: of two axes.
    fn slice_rows(&mut self, view: &View, slices: &Slices) -> Result<View> {
        let count = |lens: &[usize]| lens.iter().product::<usize>();
        let given = view.rank() - slices.inner.len();
        let rows: Vec<usize> = (0..given).collect();
        let width: Vec<usize> = (given..view.rank()).collect();
        let view = self.settle(view)?;
        let packed = self.pack(&view, &rows, &width, Order::Logical)?;
        self.reshaped(&packed, &[count(&slices.leading), count(&slices.inner)])
    }

    /// The same of a constant.
    fn constant_rows(&self, array: &Array, slices: &Slices) -> Result<Value> {
        let count = |lens: &[usize]| lens.iter().product::<usize>();
        let rows = array.reshape(vec![count(&slices.leading), count(&slices.inner)]);
        let rows = rows.ok_or_else(|| self.node.invalid("its updates do not fit its indices"))?;
        Ok(rows.into())
    }

    /// Rows of a value of two axes.
    fn picked(&mut self, view: &View, rows: Vec<u32>) -> Result<View> {
        self.spend(rows.len())?;
        let packed = self.pack(view, &[0], &[1], Order::Logical)?;
        let (x, count, width) = (packed.tensor, rows.len(), self.graph.tensors[packed.tensor].width);
        let tensor = self.emit("", count, width, |out| Node::Gather { x, out, rows })?;
        Ok(View { factor: packed.factor, ..View::laid_out(tensor, dense(&[count, width], &[0, 1])) })
    }
}
