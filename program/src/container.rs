//! The parts of a container.

use std::borrow::Cow;

use runtime::Model;

use crate::draft::{Draft, InputSpec, Named, OutputSpec};
use crate::notes::NoteStore;

/// The parts of a container, before encoding.
#[derive(Clone, Debug)]
pub struct Container<'m> {
    /// Arena bytes.
    pub arena_len: u32,
    /// Instructions, tile records included.
    pub instructions: Vec<Named>,
    /// Constants: those of the model that was read, until they are changed.
    pub blobs: Cow<'m, [u8]>,
    /// Inputs.
    pub inputs: Vec<InputSpec>,
    /// Outputs.
    pub outputs: Vec<OutputSpec>,
    /// What people read beside it.
    pub notes: NoteStore,
}

impl<'m> Container<'m> {
    /// A planned draft.
    pub fn new(draft: Draft, arena_len: u32) -> Self {
        let blobs = Cow::Owned(draft.blobs.into_bytes());
        Self {
            arena_len,
            instructions: draft.instructions,
            blobs,
            inputs: draft.inputs,
            outputs: draft.outputs,
            notes: draft.notes,
        }
    }

    /// The parts of a checked model.
    pub fn read(model: &Model<'m>) -> Self {
        let named = |i: runtime::Instruction<'_>| Named { name: i.name.to_owned(), op: i.op };
        Self {
            arena_len: model.header().arena_len,
            instructions: model.instructions().map(named).collect(),
            blobs: Cow::Borrowed(model.blobs()),
            inputs: model
                .inputs()
                .map(|i| InputSpec { name: i.name.to_owned(), slot: i.slot, kind: i.kind })
                .collect(),
            outputs: model
                .outputs()
                .map(|o| OutputSpec {
                    name: o.name.to_owned(),
                    slot: o.slot,
                    kind: o.kind,
                    shape: o.shape,
                    scale: o.scale,
                })
                .collect(),
            notes: NoteStore::read(model),
        }
    }
}
