//! Masks: scores that a softmax leaves out.

use float::ADDEND_LIMIT;

use super::importer::{Importer, Result};
use super::view::View;
use crate::model::Array;

/// What a score is replaced with to leave it out, at most.
const EXCLUDED: f32 = -1e4;

/// Operators that leave the elements as they are.
const MOVEMENT: &[&str] = &["Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"];

/// Whether a score of `low` has no part in a softmax beside one that is not masked.
pub(super) fn excludes(low: f32) -> bool {
    low <= EXCLUDED
}

impl Importer<'_> {
    /// Whether nothing but a softmax reads the value `name`, moved at most.
    pub(super) fn ends_in_softmax(&self, name: &str) -> bool {
        let mut name = name;
        loop {
            let Some(reader) = self.readers.get(name).filter(|_| self.reads.get(name) == Some(&1)) else {
                return false;
            };
            if reader.is("Softmax") {
                return true;
            }
            if !MOVEMENT.iter().any(|op| reader.is(op)) || reader.input(0) != Some(name) {
                return false;
            }
            name = reader.output();
        }
    }

    /// `scores` without those that are hidden, of a mask of `shape`: whether each is, and the
    /// number that stands in its place.
    ///
    /// The number is added. So that a row without a score is uniform, as it is where the number
    /// replaces the scores, numbers are such that scores are lost beside them.
    pub(super) fn exclude(
        &mut self,
        scores: &View,
        shape: Vec<usize>,
        mask: impl Iterator<Item = (bool, f32)>,
    ) -> Result<View> {
        let added = |(hidden, low): (bool, f32)| match (hidden, low) {
            (false, _) => 0.0,
            (true, low) if low <= -ADDEND_LIMIT => low,
            (true, _) => f32::MIN,
        };
        let data = mask.map(added).collect::<Vec<f32>>().into();
        self.affine(scores, None, Some(&Array { shape, data }), 0)
    }
}
