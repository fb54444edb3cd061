//! Views: how a value of the ONNX model lies in a tensor of the float graph.
//!
//! Each axis of the value is a mixed-radix index of [`Dim`]s into the row-major elements
//! of the tensor. With several dims an axis, reshapes and transposes hardly ever move
//! data: only a reshape that cuts a dim at a non-divisor does.

#[cfg(test)]
mod tests;

use float::TensorId;

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
