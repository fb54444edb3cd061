//! Constant tensors.

use std::sync::Arc;

use super::error::OnnxError;

/// Most dimensions of an array.
pub const MAX_RANK: usize = 8;

/// A constant tensor in row-major order; cheap to clone.
///
/// It has at most [`MAX_RANK`] dimensions, and as many elements as they say.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Length of every dimension; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements.
    pub data: Data,
}

/// Elements of an [`Array`].
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Floats of any width.
    F32(Arc<[f32]>),
    /// Integers of any width.
    I64(Arc<[i64]>),
    /// Truth values.
    Bool(Arc<[bool]>),
}

impl Data {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Data::F32(values) => values.len(),
            Data::I64(values) => values.len(),
            Data::Bool(values) => values.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements at `places`, each of which there is.
    pub(super) fn pick(&self, places: impl Iterator<Item = usize>) -> Self {
        match self {
            Data::F32(values) => Data::F32(places.map(|at| values[at]).collect()),
            Data::I64(values) => Data::I64(places.map(|at| values[at]).collect()),
            Data::Bool(values) => Data::Bool(places.map(|at| values[at]).collect()),
        }
    }
}

impl From<Vec<f32>> for Data {
    fn from(values: Vec<f32>) -> Self {
        Data::F32(values.into())
    }
}

impl From<Vec<i64>> for Data {
    fn from(values: Vec<i64>) -> Self {
        Data::I64(values.into())
    }
}

impl From<Vec<bool>> for Data {
    fn from(values: Vec<bool>) -> Self {
        Data::Bool(values.into())
    }
}

/// Elements of an array of shape `shape`; none if they overflow `usize` or the rank
/// exceeds [`MAX_RANK`].
pub fn elements(shape: &[usize]) -> Option<usize> {
    if shape.len() > MAX_RANK {
        return None;
    }
    // A zero anywhere must not hide an overflow of the others: strides are their products.
    let product = shape.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim.max(1)))?;
    if product > isize::MAX as usize {
        return None;
    }
    Some(if shape.contains(&0) { 0 } else { product })
}

impl Array {
    /// An array; none unless `data` has as many elements as `shape` says.
    pub fn new(shape: Vec<usize>, data: impl Into<Data>) -> Option<Self> {
        let data = data.into();
        (elements(&shape) == Some(data.len())).then_some(Self { shape, data })
    }

    /// A vector.
    pub fn vector(data: impl Into<Data>) -> Self {
        let data = data.into();
        Self { shape: vec![data.len()], data }
    }

    /// A float without dimensions.
    pub fn scalar(value: f32) -> Self {
        Self { shape: Vec::new(), data: vec![value].into() }
    }

    /// An integer without dimensions.
    pub fn integer(value: i64) -> Self {
        Self { shape: Vec::new(), data: vec![value].into() }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether it has no elements.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The elements if they are floats.
    pub fn f32s(&self) -> Option<&[f32]> {
        match &self.data {
            Data::F32(values) => Some(values),
            Data::I64(_) | Data::Bool(_) => None,
        }
    }

    /// The elements if they are integers.
    pub fn i64s(&self) -> Option<&[i64]> {
        match &self.data {
            Data::I64(values) => Some(values),
            Data::F32(_) | Data::Bool(_) => None,
        }
    }

    /// The elements if they are truth values.
    pub fn bools(&self) -> Option<&[bool]> {
        match &self.data {
            Data::Bool(values) => Some(values),
            Data::F32(_) | Data::I64(_) => None,
        }
    }

    /// The elements converted to floats, true as 1.
    pub fn to_f32s(&self) -> Vec<f32> {
        match &self.data {
            Data::F32(values) => values.to_vec(),
            Data::I64(values) => values.iter().map(|&value| value as f32).collect(),
            Data::Bool(values) => values.iter().map(|&value| f32::from(u8::from(value))).collect(),
        }
    }

    /// The elements converted to integers: floats towards zero and saturated (NaN to 0),
    /// true as 1.
    pub fn to_i64s(&self) -> Vec<i64> {
        match &self.data {
            Data::F32(values) => values.iter().map(|&value| value as i64).collect(),
            Data::I64(values) => values.to_vec(),
            Data::Bool(values) => values.iter().map(|&value| i64::from(value)).collect(),
        }
    }

    /// The only element, of any type, as a float; none unless there is exactly one.
    pub fn scalar_f32(&self) -> Option<f32> {
        match &self.data {
            Data::F32(values) if values.len() == 1 => Some(values[0]),
            Data::I64(values) if values.len() == 1 => Some(values[0] as f32),
            Data::Bool(values) if values.len() == 1 => Some(f32::from(u8::from(values[0]))),
            Data::F32(_) | Data::I64(_) | Data::Bool(_) => None,
        }
    }

    /// The only element if it is an integer or a truth value.
    pub fn scalar_i64(&self) -> Option<i64> {
        match &self.data {
            Data::I64(values) if values.len() == 1 => Some(values[0]),
            Data::Bool(values) if values.len() == 1 => Some(i64::from(values[0])),
            Data::F32(_) | Data::I64(_) | Data::Bool(_) => None,
        }
    }

    /// The same elements under another shape; none if it has another number of them.
    pub fn reshape(&self, shape: Vec<usize>) -> Option<Self> {
        (elements(&shape) == Some(self.len())).then(|| Self { shape, data: self.data.clone() })
    }

    /// Refuses NaN and infinite floats.
    ///
    /// # Errors
    ///
    /// [`OnnxError::NotFinite`] with `name` and the first such element.
    pub fn check_finite(&self, name: &str) -> Result<(), OnnxError> {
        self.check(name, f32::is_finite)
    }

    /// Refuses NaN and +∞. What a mask excludes is −∞.
    ///
    /// # Errors
    ///
    /// [`OnnxError::NotFinite`] with `name` and the first such element.
    pub fn check_mask(&self, name: &str) -> Result<(), OnnxError> {
        self.check(name, |value| value < f32::INFINITY)
    }

    fn check(&self, name: &str, good: impl Fn(f32) -> bool) -> Result<(), OnnxError> {
        let bad = self.f32s().and_then(|values| values.iter().position(|&value| !good(value)));
        match bad {
            None => Ok(()),
            Some(index) => Err(OnnxError::NotFinite {
                tensor: name.into(),
                index,
                value: self.f32s().map_or(f64::NAN, |values| f64::from(values[index])),
            }),
        }
    }
}
