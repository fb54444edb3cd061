//! Labels that are more than one class for each image.

use crate::npy::Array;

/// What is right for each image, where that is not one class: classes of a map, marks of several
/// classes, or numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    array: Array,
}

impl Targets {
    /// Those of an array whose first dimension counts images.
    pub(crate) fn new(array: Array) -> Self {
        Self { array }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.array.shape().first().copied().unwrap_or(0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Dimensions of what belongs to one image, outermost first.
    pub fn shape(&self) -> &[usize] {
        self.array.shape().get(1..).unwrap_or_default()
    }

    /// What belongs to image `index`, in C order; none past the last image.
    pub fn image(&self, index: usize) -> Option<Vec<f64>> {
        self.array.reals(index)
    }
}
