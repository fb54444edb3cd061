//! Copies of the elements of a tensor in another order, by as few instructions as it takes.

use float::{Node, TensorId};

use super::importer::{Importer, Result};
use super::view::{Dim, coalesce, for_each};

impl Importer<'_> {
    /// A tensor of `rows × width` that holds the elements at `offset` and `dims` of `x` in
    /// order; `x` itself if that is what it is.
    pub fn copy(
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
        self.copy_in_steps(x, offset, dims, rows, width)
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

    /// One permutation after the other, for what a single one cannot say: each leaves as few
    /// dims to be moved as it can.
    fn copy_in_steps(
        &mut self,
        mut x: TensorId,
        mut offset: usize,
        mut dims: Vec<Dim>,
        rows: usize,
        width: usize,
    ) -> Result<TensorId> {
        while dims.len() > 4 {
            let (first, moved) = step(&dims);
            let (shape, strides) = four(&first);
            let Some(len) = first.iter().try_fold(1_usize, |n, dim| n.checked_mul(dim.len)) else {
                return Err(self.too_large());
            };
            let outer = shape[0];
            x = self.emit("permute", outer, len / outer, |out| Node::Permute {
                x,
                out,
                offset,
                shape,
                strides,
            })?;
            offset = 0;
            dims = coalesce(&moved);
        }
        let (shape, strides) = four(&dims);
        self.emit("permute", rows, width, |out| Node::Permute { x, out, offset, shape, strides })
    }
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

/// A first permutation towards `dims`: what it copies, at most four dims, and where the elements
/// of `dims` are in its output.
fn step(dims: &[Dim]) -> (Vec<Dim>, Vec<Dim>) {
    let mut sorted: Vec<usize> = (0..dims.len()).collect();
    sorted.sort_by_key(|&at| std::cmp::Reverse(dims[at].stride));
    let of = |order: &[usize]| coalesce(&order.iter().map(|&at| dims[at]).collect::<Vec<_>>());
    let mut best: Option<(usize, Vec<usize>)> = None;
    for cuts in cuts(dims.len()) {
        let [a, b, c] = cuts;
        let blocks = [&sorted[..a], &sorted[a..b], &sorted[b..c], &sorted[c..]];
        for number in 0..24 {
            let order = order(number).map(|block| blocks[block]).concat();
            if of(&order).len() > 4 {
                continue;
            }
            let left = coalesce(&stored_as(dims, &order)).len();
            if best.as_ref().is_none_or(|(least, _)| left < *least) {
                best = Some((left, order));
            }
        }
    }
    match best {
        Some((_, order)) => (of(&order), stored_as(dims, &order)),
        None => close_up(dims, &sorted),
    }
}

/// A first permutation where what is copied is scattered over more than four dims: the three
/// outermost close up, and everything between the first and the last element inside them comes
/// along.
fn close_up(dims: &[Dim], sorted: &[usize]) -> (Vec<Dim>, Vec<Dim>) {
    let of = |order: &[usize]| coalesce(&order.iter().map(|&at| dims[at]).collect::<Vec<_>>());
    let count = (0..sorted.len()).take_while(|&count| of(&sorted[..count]).len() <= 3).last().unwrap_or(0);
    let (outer, inner) = sorted.split_at(count);
    let span = inner.iter().map(|&at| (dims[at].len - 1) * dims[at].stride).sum::<usize>() + 1;
    let mut first = of(outer);
    first.push(Dim { len: span, stride: 1 });
    let mut moved = dims.to_vec();
    let mut stride = span;
    for &at in outer.iter().rev() {
        moved[at].stride = stride;
        stride *= dims[at].len;
    }
    (first, moved)
}

/// All ways to cut `count` dims into up to four blocks, the last of them not empty.
fn cuts(count: usize) -> impl Iterator<Item = [usize; 3]> {
    (0..count).flat_map(move |a| (a..count).flat_map(move |b| (b..count).map(move |c| [a, b, c])))
}

/// One of the 24 orders of four blocks.
fn order(mut number: usize) -> [usize; 4] {
    let mut rest = vec![0, 1, 2, 3];
    [4, 3, 2, 1].map(|left| {
        let picked = rest.remove(number % left);
        number /= left;
        picked
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The elements of `x` at `dims`, in order.
    fn taken(x: &[usize], offset: usize, dims: &[Dim]) -> Vec<usize> {
        let mut out = Vec::new();
        let dims: Vec<_> = dims.iter().map(|dim| (dim.len, dim.stride, 0)).collect();
        for_each(&dims, |at, _| out.push(x[offset + at]));
        out
    }

    proptest! {
        #[test]
        fn steps_lead_to_every_layout(
            lens in prop::collection::vec(2_usize..4, 1..10),
            gaps in prop::collection::vec(prop_oneof![3 => Just(1_usize), 1 => Just(0_usize), 1 => 2_usize..4], 10),
            order in Just((0..10_usize).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let mut dims: Vec<Dim> = lens.iter().map(|&len| Dim { len, stride: 0 }).collect();
            let mut stride = 1;
            for &at in order.iter().filter(|&&at| at < lens.len()) {
                // With gaps, and with dims that repeat.
                dims[at].stride = if gaps[at] == 0 { 0 } else { stride };
                stride *= if gaps[at] == 0 { 1 } else { dims[at].len * gaps[at] };
            }
            let mut dims = coalesce(&dims);
            let mut x: Vec<usize> = (0..stride).collect();
            let expected = taken(&x, 0, &dims);
            let mut steps = 0;
            while dims.len() > 4 {
                let (first, moved) = step(&dims);
                prop_assert!((1..=4).contains(&first.len()));
                x = taken(&x, 0, &first);
                dims = coalesce(&moved);
                steps += 1;
                prop_assert!(steps < 8, "{dims:?}");
            }
            prop_assert_eq!(taken(&x, 0, &dims), expected);
        }
    }
}
