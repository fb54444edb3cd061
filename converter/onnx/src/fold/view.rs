//! Strided views of arrays: slices, transposes and broadcasts are all of this kind.

use crate::model::{Data, elements};

/// Most elements of a computed constant.
pub const MAX_ELEMENTS: usize = 1 << 26;

/// A strided view of row-major elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Index of the first element.
    pub offset: usize,
    /// Length of every dimension.
    pub shape: Vec<usize>,
    /// Elements from one index to the next in every dimension; wrapping where negative.
    pub strides: Vec<usize>,
}

/// The strides of a row-major array.
pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis].max(1);
    }
    strides
}

impl View {
    /// All of a row-major array.
    pub fn new(shape: &[usize]) -> Self {
        Self { offset: 0, shape: shape.to_vec(), strides: strides(shape) }
    }

    /// An array of `shape` repeated to `target`; none if it does not broadcast to that.
    pub fn broadcast(shape: &[usize], target: &[usize]) -> Option<Self> {
        let missing = target.len().checked_sub(shape.len())?;
        let mut view = Self::new(shape);
        for (axis, &dim) in shape.iter().enumerate() {
            match target[missing + axis] {
                wanted if wanted == dim => {}
                _ if dim == 1 => view.strides[axis] = 0,
                _ => return None,
            }
        }
        view.strides.splice(0..0, vec![0; missing]);
        view.shape = target.to_vec();
        Some(view)
    }

    /// The indices it shows, in its own row-major order.
    pub fn indices(&self) -> Indices<'_> {
        let left = if self.shape.contains(&0) { 0 } else { self.shape.iter().product() };
        Indices { view: self, index: vec![0; self.shape.len()], at: self.offset, left }
    }

    /// The elements it shows.
    pub(super) fn pick(&self, data: &Data) -> Data {
        data.pick(self.indices())
    }
}

/// Iterator over the indices that a [`View`] shows.
#[derive(Clone, Debug)]
pub struct Indices<'a> {
    view: &'a View,
    index: Vec<usize>,
    at: usize,
    left: usize,
}

impl Iterator for Indices<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let at = self.at;
        for axis in (0..self.index.len()).rev() {
            let stride = self.view.strides[axis];
            self.index[axis] += 1;
            self.at = self.at.wrapping_add(stride);
            if self.index[axis] < self.view.shape[axis] {
                break;
            }
            self.at = self.at.wrapping_sub(stride.wrapping_mul(self.index[axis]));
            self.index[axis] = 0;
        }
        Some(at)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Indices<'_> {}

/// The shape that `a` and `b` broadcast to by NumPy's rules; none if they do not.
pub fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let dim = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |at| shape[at]);
    (0..rank)
        .map(|axis| match (dim(a, axis), dim(b, axis)) {
            (a, b) if a == b => Some(a),
            (1, b) => Some(b),
            (a, 1) => Some(a),
            _ => None,
        })
        .collect()
}

/// The floats of an array of `shape` repeated to `target`; none if it does not broadcast
/// to that, has other than as many values, or `target` exceeds
/// [`MAX_ELEMENTS`].
pub fn broadcast_to(values: &[f32], shape: &[usize], target: &[usize]) -> Option<Vec<f32>> {
    let small = |shape: &[usize]| elements(shape).filter(|&len| len <= MAX_ELEMENTS);
    small(target)?;
    if small(shape)? != values.len() {
        return None;
    }
    Some(View::broadcast(shape, target)?.indices().map(|at| values[at]).collect())
}
