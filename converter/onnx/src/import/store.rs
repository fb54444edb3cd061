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

    /// A tensor of `rows × width` that holds the elements at `offset` and `dims` of `x` in
    /// order; `x` itself if that is what it is.
    fn copy(
        &mut self,
        x: TensorId,
        offset: usize,
        dims: &[Dim],
        rows: usize,
        width: usize,
    ) -> Result<TensorId> {
        let dims = coalesce(dims);
        let (have_rows, have_width) = (self.graph.tensors[x].rows, self.graph.tensors[x].width);
        let contiguous = matches!(dims.as_slice(), [] | [Dim { stride: 1, .. }]);
        if contiguous && width == have_width && offset.is_multiple_of(width) {
            if rows == have_rows {
                return Ok(x);
            }
            let start = offset / width;
            return self.emit("rows", rows, width, |out| Node::Rows { x, out, start });
        }
        if contiguous {
            let shape = [rows, 1, 1, width];
            let strides = [width, 0, 0, 1];
            return self.emit("reshape", rows, width, |out| Node::Permute { x, out, offset, shape, strides });
        }
        if width == have_width
            && let Some(picked) = self.picked_rows(offset, &dims, rows, width)?
        {
            return self.emit("gather", rows, width, |out| Node::Gather { x, out, rows: picked });
        }
        if dims.len() <= 4 {
            let (shape, strides) = four(&dims);
            return self.emit("permute", rows, width, |out| Node::Permute { x, out, offset, shape, strides });
        }
        self.copy_twice(x, offset, &dims, rows, width)
    }

    /// The rows that `dims` picks, if it picks whole rows and repeats some or is more than
    /// one permutation can say.
    fn picked_rows(
        &mut self,
        offset: usize,
        dims: &[Dim],
        rows: usize,
        width: usize,
    ) -> Result<Option<Vec<u32>>> {
        let (outer, inner) = match dims {
            _ if width == 1 => (dims, Dim { len: 1, stride: 1 }),
            [outer @ .., last] if last.stride == 1 => (outer, *last),
            _ => return Ok(None),
        };
        let aligned = offset.is_multiple_of(width)
            && inner.len.is_multiple_of(width)
            && outer.iter().all(|dim| dim.stride.is_multiple_of(width));
        let wanted = outer.iter().any(|dim| dim.stride == 0) || dims.len() > 4;
        if !aligned || !wanted {
            return Ok(None);
        }
        self.spend(rows)?;
        let mut index: Vec<_> = outer.iter().map(|dim| (dim.len, dim.stride / width, 0)).collect();
        index.push((inner.len / width.max(1), 1, 0));
        if width == 1 {
            index.pop();
        }
        let mut picked = Vec::with_capacity(rows);
        for_each(&index, |row, _| picked.push((offset / width + row) as u32));
        Ok(Some(picked))
    }

    /// Two permutations for what one cannot say.
    fn copy_twice(
        &mut self,
        x: TensorId,
        offset: usize,
        dims: &[Dim],
        rows: usize,
        width: usize,
    ) -> Result<TensorId> {
        let Some(order) = intermediate(dims) else {
            return Err(self.node.unsupported(format!(
                "its layout moves {} dimensions at once; split the reshape and transpose into several",
                dims.len()
            )));
        };
        let first: Vec<Dim> = order.iter().map(|&at| dims[at]).collect();
        let (shape, strides) = four(&coalesce(&first));
        let outer = first[0].len;
        let len = rows * width;
        let between =
            self.emit("permute", outer, len / outer, |out| Node::Permute { x, out, offset, shape, strides })?;
        let (shape, strides) = four(&coalesce(&stored_as(dims, &order)));
        self.emit("permute", rows, width, |out| Node::Permute { x: between, out, offset: 0, shape, strides })
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

/// At most four dims as a permutation; the first dim stays in front, where work is tiled.
fn four(dims: &[Dim]) -> ([usize; 4], [usize; 4]) {
    let (mut shape, mut strides) = ([1; 4], [0; 4]);
    for (at, dim) in dims.iter().enumerate() {
        let place = if at == 0 { 0 } else { 4 + at - dims.len() };
        (shape[place], strides[place]) = (dim.len, dim.stride);
    }
    (shape, strides)
}

/// `dims` when their elements are stored densely in `order`.
fn stored_as(dims: &[Dim], order: &[usize]) -> Vec<Dim> {
    let mut out = dims.to_vec();
    let mut stride = 1;
    for &at in order.iter().rev() {
        out[at].stride = stride;
        stride *= dims[at].len;
    }
    out
}

/// An order of `dims` that one permutation can store and one can read back in order.
fn intermediate(dims: &[Dim]) -> Option<Vec<usize>> {
    if dims.len() > 7 {
        return None;
    }
    let mut order: Vec<usize> = (0..dims.len()).collect();
    loop {
        let first: Vec<Dim> = order.iter().map(|&at| dims[at]).collect();
        if coalesce(&first).len() <= 4 && coalesce(&stored_as(dims, &order)).len() <= 4 {
            return Some(order);
        }
        // The next permutation in lexicographic order.
        let pivot = (1..order.len()).rev().find(|&at| order[at - 1] < order[at])? - 1;
        let swap = (pivot..order.len()).rev().find(|&at| order[at] > order[pivot])?;
        order.swap(pivot, swap);
        order[pivot + 1..].reverse();
    }
}
