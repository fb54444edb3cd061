//! Bringing views into the layouts that nodes need: copies only where there is no other way.

use float::{Node, TensorId};

use super::importer::{Importer, MAX_ELEMENTS, Result};
use super::view::{Axis, Dim, View, coalesce, for_each, length, refine};
use crate::model::Array;

/// The order of dims in a packed tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// That of the axes.
    Logical,
    /// That of the tensor they come from: the fewest moves.
    Stored,
}

/// A dim of a view by its axis and its place in it.
type Item = (usize, usize);

impl Importer<'_> {
    /// The view as a whole tensor whose rows are the axes `rows` and whose width is the axes
    /// `width`; axes in neither have length 1. Copies only if it is not that already.
    pub fn pack(&mut self, view: &View, rows: &[usize], width: &[usize], order: Order) -> Result<View> {
        let list = |axes: &[usize]| {
            let mut items: Vec<Item> = axes
                .iter()
                .flat_map(|&axis| (0..view.axes[axis].len()).map(move |place| (axis, place)))
                .collect();
            if order == Order::Stored {
                items.sort_by_key(|&(axis, place)| std::cmp::Reverse(view.axes[axis][place].stride));
            }
            items
        };
        self.pack_items(view, &list(rows), &list(width))
    }

    fn pack_items(&mut self, view: &View, rows: &[Item], width: &[Item]) -> Result<View> {
        let count = |items: &[Item]| {
            items.iter().try_fold(1_usize, |n, &(axis, place)| n.checked_mul(view.axes[axis][place].len))
        };
        let (Some(height), Some(wide)) = (count(rows), count(width)) else { return Err(self.too_large()) };
        let items: Vec<Item> = rows.iter().chain(width).copied().collect();
        let dims: Vec<Dim> = items.iter().map(|&(axis, place)| view.axes[axis][place]).collect();
        let tensor = self.copy(view.tensor, view.offset, &dims, height, wide)?;
        let mut axes = view.axes.clone();
        let mut stride = 1;
        for &(axis, place) in items.iter().rev() {
            axes[axis][place].stride = stride;
            stride *= axes[axis][place].len;
        }
        let axes = axes.iter().map(|axis| coalesce(axis)).collect();
        let exclusive = view.exclusive || tensor != view.tensor;
        Ok(View { tensor, offset: 0, axes, factor: view.factor, exclusive })
    }

    /// The view as a whole tensor in the order that it is stored in; rows stay rows.
    pub fn whole(&mut self, view: &View) -> Result<View> {
        let tensor = &self.graph.tensors[view.tensor];
        if view.covers(tensor.len()) {
            return Ok(view.clone());
        }
        let tensor_width = tensor.width;
        let last = view.rank().saturating_sub(1);
        let (mut rows, mut width): (Vec<Item>, Vec<Item>) = (Vec::new(), Vec::new());
        for (axis, dims) in view.axes.iter().enumerate() {
            for (place, dim) in dims.iter().enumerate() {
                let row = if dim.stride == 0 { axis != last } else { dim.stride >= tensor_width };
                if row { &mut rows } else { &mut width }.push((axis, place));
            }
        }
        for items in [&mut rows, &mut width] {
            items.sort_by_key(|&(axis, place)| std::cmp::Reverse(view.axes[axis][place].stride));
        }
        self.pack_items(view, &rows, &width)
    }

    /// `view` stored as `like` is, which covers its tensor and has the same shape; none if
    /// strides cannot tell.
    pub fn align(&mut self, view: &View, like: &View) -> Result<Option<View>> {
        let Some(dims) = matched(view, like) else { return Ok(None) };
        let source: Vec<Dim> = dims.into_iter().map(|(have, _)| have).collect();
        let (rows, width) = {
            let tensor = &self.graph.tensors[like.tensor];
            (tensor.rows, tensor.width)
        };
        let tensor = self.copy(view.tensor, view.offset, &source, rows, width)?;
        let exclusive = view.exclusive || tensor != view.tensor;
        Ok(Some(View { tensor, offset: 0, axes: like.axes.clone(), factor: view.factor, exclusive }))
    }

    /// A tensor of `view`, stored as `like` is, with as few elements as it takes: one row where
    /// all rows are alike, one element of each row where those are; none if strides cannot tell.
    pub fn align_factor(&mut self, view: &View, like: &View) -> Result<Option<TensorId>> {
        let Some(dims) = matched(view, like) else { return Ok(None) };
        let (rows, width) = {
            let tensor = &self.graph.tensors[like.tensor];
            (tensor.rows, tensor.width)
        };
        let (across, along): (Vec<_>, Vec<_>) = dims.into_iter().partition(|(_, want)| want.stride >= width);
        let source = |dims: &[(Dim, Dim)]| dims.iter().map(|&(have, _)| have).collect::<Vec<Dim>>();
        let (across, along) = (source(&across), source(&along));
        let alike = |dims: &[Dim]| dims.iter().all(|dim| dim.stride == 0);
        let (x, offset) = (view.tensor, view.offset);
        match (alike(&across), alike(&along)) {
            (true, true) => self.copy(x, offset, &[], 1, 1),
            (true, false) if length(&along) == width => self.copy(x, offset, &along, 1, width),
            (false, true) if length(&across) == rows => self.copy(x, offset, &across, rows, 1),
            _ => self.copy(x, offset, &[across, along].concat(), rows, width),
        }
        .map(Some)
    }

    /// The elements of `array`, broadcast to `axes`, in the order of a tensor of `len`
    /// elements that the axes cover.
    pub fn to_storage(&self, axes: &[Axis], len: usize, array: &Array) -> Result<Vec<f32>> {
        self.spend(len)?;
        let Some(added) = axes.len().checked_sub(array.rank()) else {
            return Err(self.node.invalid("a constant does not broadcast"));
        };
        let mut dims = Vec::new();
        let mut stride = 1;
        for (axis, &have) in axes[added..].iter().zip(&array.shape).rev() {
            let want = length(axis);
            if have != want && have != 1 {
                return Err(self
                    .node
                    .invalid(format!("a constant of shape {:?} does not broadcast", array.shape)));
            }
            let mut inner = if have == 1 { 0 } else { stride };
            for dim in axis.iter().rev() {
                dims.push((dim.len, dim.stride, inner));
                inner *= dim.len;
            }
            stride *= have;
        }
        for axis in axes[..added].iter().rev() {
            dims.extend(axis.iter().rev().map(|dim| (dim.len, dim.stride, 0)));
        }
        dims.reverse();
        let values = array.to_f32s();
        let mut out = vec![0.0; len];
        for_each(&dims, |to, from| {
            if let (Some(out), Some(&value)) = (out.get_mut(to), values.get(from)) {
                *out = value;
            }
        });
        Ok(out)
    }

    pub fn size(&self, view: &View) -> (usize, usize, usize) {
        let tensor = &self.graph.tensors[view.tensor];
        (view.tensor, tensor.rows, tensor.width)
    }

    /// The view over a whole tensor with the axes `group` consecutive.
    pub fn grouped(&mut self, view: &View, group: &[usize]) -> Result<View> {
        let whole = self.whole_if_grouped(view, group);
        if let Some(view) = whole {
            return self.whole(&view);
        }
        let others: Vec<usize> = (0..view.rank()).filter(|axis| !group.contains(axis)).collect();
        self.pack(view, &others, group, Order::Stored)
    }

    /// The view, if bringing it into one piece leaves the axes `group` consecutive.
    fn whole_if_grouped(&self, view: &View, group: &[usize]) -> Option<View> {
        let width = self.graph.tensors[view.tensor].width;
        let len: usize = group.iter().map(|&axis| view.len(axis)).product();
        let fits = view.consecutive(group)
            && width.is_multiple_of(len)
            && !view.dims().iter().any(|d| d.stride == 0);
        fits.then(|| view.clone())
    }

    /// A new tensor and the node that makes it.
    pub fn emit(
        &mut self,
        suffix: &str,
        rows: usize,
        width: usize,
        node: impl FnOnce(TensorId) -> Node,
    ) -> Result<TensorId> {
        if rows.checked_mul(width).is_none_or(|len| len > MAX_ELEMENTS || len == 0) {
            return Err(self.too_large());
        }
        let wanted = if suffix.is_empty() { self.name.clone() } else { format!("{}.{suffix}", self.name) };
        let name = self.names.unique(&wanted);
        let out = self.graph.tensor(name, rows, width);
        self.producers.resize(out, None);
        self.producers.push(Some(self.graph.nodes.len()));
        self.graph.nodes.push(node(out));
        Ok(out)
    }
}

/// The dims of `view` and of `like`, which has the same shape, in the order that `like` is
/// stored in; none if strides cannot tell.
fn matched(view: &View, like: &View) -> Option<Vec<(Dim, Dim)>> {
    let mut dims: Vec<(Dim, Dim)> = Vec::new();
    for (have, want) in view.axes.iter().zip(&like.axes) {
        let (have, want) = refine(have, want)?;
        dims.extend(have.into_iter().zip(want));
    }
    dims.sort_by_key(|(_, want)| std::cmp::Reverse(want.stride));
    Some(dims)
}
