//! Views: how a value of the ONNX model lies in a tensor of the float graph.
//!
//! Each axis of the value is a mixed-radix index of [`Dim`]s into the row-major elements
//! of the tensor. With several dims an axis, reshapes and transposes hardly ever move
//! data: only a reshape that cuts a dim at a non-divisor does.

use crate::float::TensorId;

/// A run of indices: `len` of them, `stride` elements apart. Zero strides repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dim {
    /// Number of indices, never zero.
    pub len: usize,
    /// Elements from one index to the next.
    pub stride: usize,
}

/// Dims of one axis, outermost first; none for an axis of length 1.
pub type Axis = Vec<Dim>;

/// A value: elements of a tensor times a factor.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// The tensor.
    pub tensor: TensorId,
    /// Element of index zero.
    pub offset: usize,
    /// The axes, outermost first.
    pub axes: Vec<Axis>,
    /// What every element is multiplied by.
    pub factor: f32,
    /// Whether nothing else reads the tensor, so that the node that makes it may change.
    pub exclusive: bool,
}

/// Number of indices of `dims` together.
pub fn length(dims: &[Dim]) -> usize {
    dims.iter().map(|dim| dim.len).product()
}

/// The same indices in as few dims as possible.
pub fn coalesce(dims: &[Dim]) -> Vec<Dim> {
    let mut out: Vec<Dim> = Vec::with_capacity(dims.len());
    for &dim in dims.iter().filter(|dim| dim.len > 1) {
        match out.last_mut() {
            Some(last) if last.stride == dim.stride * dim.len => {
                *last = Dim { len: last.len * dim.len, stride: dim.stride };
            }
            _ => out.push(dim),
        }
    }
    out
}

/// Cuts `dims` into axes of the given lengths; none if a cut would split a dim unevenly or
/// the lengths do not multiply to those of `dims`.
pub fn split(dims: &[Dim], lens: &[usize]) -> Option<Vec<Axis>> {
    let mut rest = coalesce(dims);
    let mut axes = Vec::with_capacity(lens.len());
    for &len in lens.iter().rev() {
        let mut axis = Vec::new();
        let mut need = len;
        while need > 1 {
            let dim = rest.pop()?;
            if need.is_multiple_of(dim.len) {
                axis.push(dim);
                need /= dim.len;
            } else if dim.len.is_multiple_of(need) {
                rest.push(Dim { len: dim.len / need, stride: dim.stride * need });
                axis.push(Dim { len: need, stride: dim.stride });
                need = 1;
            } else {
                return None;
            }
        }
        axis.reverse();
        axes.push(axis);
    }
    axes.reverse();
    rest.is_empty().then_some(axes)
}

/// The same two axes cut where either is cut; none if the cuts do not nest or the lengths
/// differ.
pub fn refine(a: &[Dim], b: &[Dim]) -> Option<(Axis, Axis)> {
    let (mut a, mut b) = (coalesce(a), coalesce(b));
    let (mut left, mut right) = (Vec::new(), Vec::new());
    loop {
        match (a.pop(), b.pop()) {
            (None, None) => break,
            (Some(x), Some(y)) => {
                let len = x.len.min(y.len);
                for (dim, stack) in [(x, &mut a), (y, &mut b)] {
                    if !dim.len.is_multiple_of(len) {
                        return None;
                    }
                    if dim.len > len {
                        stack.push(Dim { len: dim.len / len, stride: dim.stride * len });
                    }
                }
                left.push(Dim { len, stride: x.stride });
                right.push(Dim { len, stride: y.stride });
            }
            _ => return None,
        }
    }
    left.reverse();
    right.reverse();
    Some((left, right))
}

/// Every `step`-th of the indices `start..`, `len` of them: first element and dims; none
/// if the cut falls inside a dim that has others inside it.
fn slice(dims: &[Dim], start: usize, len: usize, step: usize) -> Option<(usize, Axis)> {
    if len == 1 {
        let mut rest = start;
        let mut offset = 0;
        for dim in dims.iter().rev() {
            offset += rest % dim.len * dim.stride;
            rest /= dim.len;
        }
        return Some((offset, Vec::new()));
    }
    let (outer, inner) = dims.split_first()?;
    let count = length(inner);
    if inner.is_empty() {
        return Some((start * outer.stride, vec![Dim { len, stride: outer.stride * step }]));
    }
    if step != 1 {
        return None;
    }
    if start.is_multiple_of(count) && len.is_multiple_of(count) {
        let mut axis = vec![Dim { len: len / count, stride: outer.stride }];
        axis.extend_from_slice(inner);
        return Some((start / count * outer.stride, coalesce(&axis)));
    }
    if start / count == (start + len - 1) / count {
        let (offset, axis) = slice(inner, start % count, len, 1)?;
        return Some((offset + start / count * outer.stride, axis));
    }
    None
}

/// For every index of `dims`, its place when the dims are stored densely, the one with the
/// largest stride outermost.
pub fn stored_places(dims: &[Dim]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..dims.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(dims[index].stride));
    let mut strides = vec![0; dims.len()];
    let mut stride = 1;
    for &index in order.iter().rev() {
        strides[index] = stride;
        stride *= dims[index].len;
    }
    let mut places = Vec::with_capacity(stride);
    let pairs: Vec<_> = dims.iter().zip(&strides).map(|(dim, &stride)| (dim.len, stride, 0)).collect();
    for_each(&pairs, |place, _| places.push(place));
    places
}

/// Calls `f` with the two offsets of every index of `dims` (length and two strides each),
/// the last dim fastest.
pub fn for_each(dims: &[(usize, usize, usize)], mut f: impl FnMut(usize, usize)) {
    let mut index = vec![0; dims.len()];
    let (mut first, mut second) = (0, 0);
    loop {
        f(first, second);
        let mut at = dims.len();
        loop {
            let Some(next) = at.checked_sub(1) else { return };
            at = next;
            let (len, a, b) = dims[at];
            index[at] += 1;
            first += a;
            second += b;
            if index[at] < len {
                break;
            }
            first -= a * len;
            second -= b * len;
            index[at] = 0;
        }
    }
}

/// Axes of `shape` stored densely in the order `order` of its axes, outermost first.
pub fn dense(shape: &[usize], order: &[usize]) -> Vec<Axis> {
    let mut axes = vec![Vec::new(); shape.len()];
    let mut stride = 1;
    for &axis in order.iter().rev() {
        if shape[axis] > 1 {
            axes[axis] = vec![Dim { len: shape[axis], stride }];
        }
        stride *= shape[axis];
    }
    axes
}

impl View {
    /// All of a new tensor, with the given axes.
    pub fn laid_out(tensor: TensorId, axes: Vec<Axis>) -> Self {
        Self { tensor, offset: 0, axes, factor: 1.0, exclusive: true }
    }

    /// The same place with other axes.
    pub fn with_axes(&self, axes: Vec<Axis>) -> Self {
        Self { axes, ..self.clone() }
    }

    /// Lengths of the axes.
    pub fn shape(&self) -> Vec<usize> {
        self.axes.iter().map(|axis| length(axis)).collect()
    }

    /// Number of axes.
    pub fn rank(&self) -> usize {
        self.axes.len()
    }

    /// Length of an axis.
    pub fn len(&self, axis: usize) -> usize {
        length(&self.axes[axis])
    }

    /// All dims, the outermost axis first.
    pub fn dims(&self) -> Vec<Dim> {
        self.axes.concat()
    }

    /// Whether every element of a tensor of `len` elements occurs exactly once.
    pub fn covers(&self, len: usize) -> bool {
        let mut dims = self.dims();
        dims.sort_by_key(|dim| std::cmp::Reverse(dim.stride));
        let dims = coalesce(&dims);
        self.offset == 0
            && match dims.as_slice() {
                [] => len == 1,
                [dim] => dim.stride == 1 && dim.len == len,
                _ => false,
            }
    }

    /// Whether the axes `group` together are consecutive elements.
    pub fn consecutive(&self, group: &[usize]) -> bool {
        let mut dims: Vec<Dim> = group.iter().flat_map(|&axis| self.axes[axis].iter().copied()).collect();
        dims.sort_by_key(|dim| std::cmp::Reverse(dim.stride));
        matches!(coalesce(&dims).as_slice(), [] | [Dim { stride: 1, .. }])
    }

    /// The same elements under another shape; none if strides cannot express it.
    pub fn reshape(&self, shape: &[usize]) -> Option<Self> {
        Some(self.with_axes(split(&self.dims(), shape)?))
    }

    /// Axis `perm[i]` as axis `i`.
    pub fn transpose(&self, perm: &[usize]) -> Self {
        self.with_axes(perm.iter().map(|&axis| self.axes[axis].clone()).collect())
    }

    /// Some indices of an axis; none if strides cannot express it.
    pub fn slice(&self, axis: usize, start: usize, len: usize, step: usize) -> Option<Self> {
        let (offset, dims) = slice(&self.axes[axis], start, len, step)?;
        let mut view = self.clone();
        view.offset += offset;
        view.axes[axis] = dims;
        view.exclusive &= len == self.len(axis);
        Some(view)
    }

    /// Repeats axes of length 1 and adds axes in front to reach `shape`; none if it does
    /// not broadcast.
    pub fn expand(&self, shape: &[usize]) -> Option<Self> {
        let added = shape.len().checked_sub(self.rank())?;
        let mut axes = vec![Vec::new(); added];
        axes.extend(self.axes.iter().cloned());
        for (axis, &len) in axes.iter_mut().zip(shape) {
            match (length(axis), len) {
                (have, want) if have == want => {}
                (1, want) => *axis = vec![Dim { len: want, stride: 0 }],
                _ => return None,
            }
        }
        Some(self.with_axes(axes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fresh(shape: &[usize]) -> View {
        let order: Vec<usize> = (0..shape.len()).collect();
        View::laid_out(0, dense(shape, &order))
    }

    /// A plain array of element numbers, and a view that should always read the same.
    #[derive(Clone, Debug)]
    struct Pair {
        shape: Vec<usize>,
        values: Vec<usize>,
        view: View,
    }

    impl Pair {
        fn new(shape: Vec<usize>) -> Self {
            let values = (0..shape.iter().product()).collect();
            Self { view: fresh(&shape), shape, values }
        }

        fn read(&self) -> Vec<usize> {
            let dims: Vec<_> = self.view.dims().iter().map(|dim| (dim.len, dim.stride, 0)).collect();
            let mut out = Vec::new();
            for_each(&dims, |offset, _| out.push(self.view.offset + offset));
            out
        }

        fn pick(&mut self, shape: Vec<usize>, source: impl Fn(&[usize]) -> Vec<usize>) {
            let mut values = Vec::new();
            for flat in 0..shape.iter().product() {
                let mut rest = flat;
                let mut index = vec![0; shape.len()];
                for axis in (0..shape.len()).rev() {
                    index[axis] = rest % shape[axis];
                    rest /= shape[axis];
                }
                let at = source(&index).iter().zip(&self.shape).fold(0, |at, (&i, &len)| at * len + i);
                values.push(self.values[at]);
            }
            self.shape = shape;
            self.values = values;
        }
    }

    /// One random operation by two numbers.
    fn step(pair: &mut Pair, kind: u8, seed: usize) {
        let rank = pair.shape.len();
        match kind % 4 {
            0 if rank > 1 => {
                let perm: Vec<usize> = (0..rank).map(|axis| (axis + seed) % rank).collect();
                pair.view = pair.view.transpose(&perm);
                let shape = perm.iter().map(|&axis| pair.shape[axis]).collect();
                pair.pick(shape, |index| {
                    let mut source = vec![0; rank];
                    perm.iter().zip(index).for_each(|(&axis, &i)| source[axis] = i);
                    source
                });
            }
            1 => {
                let axis = seed % rank.max(1);
                let Some(&len) = pair.shape.get(axis) else { return };
                let start = seed / 7 % len;
                let count = 1 + seed / 3 % (len - start);
                let step = if count > 1 && start + (count - 1) * 2 < len { 1 + seed % 2 } else { 1 };
                let Some(view) = pair.view.slice(axis, start, count, step) else { return };
                pair.view = view;
                let mut shape = pair.shape.clone();
                shape[axis] = count;
                pair.pick(shape, |index| {
                    let mut source = index.to_vec();
                    source[axis] = start + index[axis] * step;
                    source
                });
            }
            2 => {
                let total: usize = pair.shape.iter().product();
                let first = (1..=total).filter(|d| total.is_multiple_of(*d)).nth(seed % 5).unwrap_or(1);
                let shape = vec![first, total / first];
                let Some(view) = pair.view.reshape(&shape) else { return };
                pair.view = view;
                pair.shape = shape;
            }
            3 if rank < 6 && pair.values.len() < 500 => {
                let mut shape = vec![1 + seed % 3];
                shape.extend(&pair.shape);
                pair.view = pair.view.expand(&shape).expect("adds an axis");
                pair.pick(shape, |index| index[1..].to_vec());
            }
            _ => {}
        }
    }

    proptest! {
        #[test]
        fn views_read_what_a_plain_array_holds(
            shape in prop::collection::vec(1_usize..6, 1..5),
            steps in prop::collection::vec((any::<u8>(), 0_usize..1000), 0..12),
        ) {
            let mut pair = Pair::new(shape);
            for (kind, seed) in steps {
                step(&mut pair, kind, seed);
                prop_assert_eq!(pair.view.shape(), pair.shape.clone());
                prop_assert_eq!(pair.read(), pair.values.clone());
            }
        }

        #[test]
        fn refined_axes_read_the_same(a in prop::collection::vec(1_usize..5, 1..4), pick in 0_usize..8) {
            let total: usize = a.iter().product();
            let cut = (1..=total).filter(|d| total.is_multiple_of(*d)).nth(pick).unwrap_or(total);
            let x = fresh(&a).reshape(&[total]).unwrap();
            let y = fresh(&[cut, total / cut]).transpose(&[1, 0]).reshape(&[total]).unwrap();
            if let Some((left, right)) = refine(&x.axes[0], &y.axes[0]) {
                prop_assert_eq!(left.iter().map(|d| d.len).collect::<Vec<_>>(),
                    right.iter().map(|d| d.len).collect::<Vec<_>>());
                prop_assert_eq!(coalesce(&left), x.axes[0].clone());
                prop_assert_eq!(coalesce(&right), coalesce(&y.axes[0]));
            }
        }
    }

    #[test]
    fn patches_of_an_image_need_no_copy() {
        // Channels-last 8 × 8 × 3 storage seen as 1 × 3 × 8 × 8, cut into 4 × 4 patches.
        let image = View::laid_out(0, dense(&[1, 3, 8, 8], &[0, 2, 3, 1]));
        let patches = image.reshape(&[1, 3, 2, 4, 2, 4]).unwrap().transpose(&[0, 2, 4, 1, 3, 5]);
        let rows = patches.reshape(&[1, 4, 48]).unwrap();
        assert_eq!(rows.shape(), [1, 4, 48]);
        assert!(rows.covers(192));
        assert_eq!(rows.axes[1], [Dim { len: 2, stride: 96 }, Dim { len: 2, stride: 12 }]);
    }

    #[test]
    fn a_cut_at_a_non_divisor_is_refused() {
        let view = fresh(&[2, 3]).transpose(&[1, 0]);
        assert_eq!(view.reshape(&[2, 3]), None);
        assert_eq!(view.reshape(&[6]).unwrap().slice(0, 1, 4, 1), None);
    }
}
