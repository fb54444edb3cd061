//! Masks: scores that a softmax leaves out.

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

    /// `scores` without those that are `hidden`, of a mask of `shape`, in whose place `low` stands.
    ///
    /// A number is added. So that a row without a score is uniform, as it is where `low` replaces
    /// each of its scores, that is −∞ or the lowest, beside which scores of any size are lost.
    pub(super) fn exclude(
        &mut self,
        scores: &View,
        shape: Vec<usize>,
        hidden: impl Iterator<Item = bool>,
        low: f32,
    ) -> Result<View> {
        let low = if low == f32::NEG_INFINITY { low } else { f32::MIN };
        let data = hidden.map(|hidden| if hidden { low } else { 0.0 }).collect::<Vec<f32>>().into();
        self.affine(scores, None, Some(&Array { shape, data }), 0)
    }
}
