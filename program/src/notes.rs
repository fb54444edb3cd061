//! What people read beside a program.

use runtime::{Model, Note};

use crate::error::ProgramError;
use crate::record::frame;

/// Notes under construction, as the container has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoteStore {
    bytes: Vec<u8>,
}

impl NoteStore {
    /// Those of `model`, among them those that this build does not know.
    pub fn read(model: &Model<'_>) -> Self {
        Self { bytes: model.notes().bytes().to_vec() }
    }

    /// Appends `note`.
    ///
    /// # Errors
    ///
    /// [`ProgramError::TooLarge`] for a label that has no room in a frame.
    pub fn push(&mut self, note: &Note<'_>) -> Result<(), ProgramError> {
        frame(&mut self.bytes, note, "the name of a class")
    }

    /// All of them.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
