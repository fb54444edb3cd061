//! A checked container.

use quant::Op;

use crate::container::{Header, Section, is_aligned};
use crate::error::{LoadError, SectionKind};
use crate::io::{Input, Output};
use crate::note::{Ending, Note, NoteError, Notes};
use crate::schedule::Schedule;
use crate::stream::InstructionStream;

/// A container whose every offset, shape, constant, buffer lifetime and overlap has
/// been checked. Holds only slices of the caller's bytes.
#[derive(Clone, Copy, Debug)]
pub struct Model<'m> {
    header: Header,
    io: &'m [u8],
    program: &'m [u8],
    names: &'m [u8],
    blobs: &'m [u8],
}

/// That a container was checked, and where its sections are.
#[derive(Clone, Copy, Debug)]
pub struct Checked {
    header: Header,
}

/// An instruction with its index and name.
#[derive(Clone, Copy, Debug)]
pub struct Instruction<'m> {
    /// Position in the program.
    pub index: u32,
    /// Its name, empty when the container is stripped of names.
    pub name: &'m str,
    /// The record.
    pub op: Op,
}

impl<'m> Model<'m> {
    /// What is needed to read the same bytes again with [`again`](Self::again).
    pub fn checked(&self) -> Checked {
        Checked { header: self.header }
    }

    /// Reads `bytes`, which must be those that `checked` is of, without checking them again: for
    /// owners of bytes that cannot keep what borrows them. `None` where length, alignment or
    /// sections show that they are others; of others that it cannot tell, running is as safe, and
    /// ends in a [`Fault`](crate::Fault) or in wrong values.
    pub fn again(bytes: &'m [u8], checked: &Checked) -> Option<Self> {
        let (front, constants) = bytes.split_at_checked(checked.header.blobs.offset as usize)?;
        Self::again_in_parts(front, constants, checked)
    }

    /// As [`again`](Self::again), for what [`in_parts`](Self::in_parts) has checked.
    pub fn again_in_parts(front: &'m [u8], constants: &'m [u8], checked: &Checked) -> Option<Self> {
        let aligned = is_aligned(front) && is_aligned(constants);
        if aligned { Self::sections(front, constants, checked.header).ok() } else { None }
    }

    /// The sections of a container in two parts as `header` has them, unchecked.
    pub(crate) fn sections(front: &'m [u8], constants: &'m [u8], header: Header) -> Result<Self, LoadError> {
        let section = |s: Section, kind| s.of(front).ok_or(LoadError::Section(kind));
        let Section { offset, len } = header.blobs;
        if (front.len(), constants.len()) != (offset as usize, len as usize) {
            return Err(LoadError::Section(SectionKind::Blobs));
        }
        Ok(Self {
            header,
            io: section(header.io, SectionKind::Io)?,
            program: section(header.program, SectionKind::Program)?,
            names: section(header.names, SectionKind::Names)?,
            blobs: constants,
        })
    }

    /// Bytes of the container.
    pub fn file_len(&self) -> usize {
        let Section { offset, len } = self.header.blobs;
        (offset as usize).saturating_add(len as usize)
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// SHA-256 of the canonical content: the same however the weights are packed.
    pub fn identity(&self) -> &[u8; 32] {
        &self.header.identity
    }

    /// Bytes of arena that a session needs.
    pub fn arena_len(&self) -> usize {
        self.header.arena_len as usize
    }

    /// The constants.
    pub fn blobs(&self) -> &'m [u8] {
        self.blobs
    }

    /// The instruction stream.
    pub fn program(&self) -> InstructionStream<'m> {
        InstructionStream::new(self.program)
    }

    /// The steps of a run in order.
    pub fn schedule(&self) -> Schedule<'m> {
        Schedule::new(self.program())
    }

    /// The instructions in order, control records included.
    pub fn instructions(&self) -> impl Iterator<Item = Instruction<'m>> {
        let (mut program, mut names) = (self.program(), self.names);
        core::iter::from_fn(move || {
            let index = program.index();
            let op = program.next_op()?.ok()?;
            let name = next_name(&mut names).unwrap_or("");
            Some(Instruction { index, name, op })
        })
    }

    /// What people read beside the program: it stands behind the names.
    pub fn notes(&self) -> Notes<'m> {
        let mut rest = self.names;
        for _ in 0..self.header.instructions {
            let _ = next_name(&mut rest);
        }
        Notes::new(rest)
    }

    /// What is left out at the end of output `output`, if anything is noted. Reads the notes from
    /// the first on.
    ///
    /// # Errors
    ///
    /// [`NoteError`] where a note before it is malformed.
    pub fn ending(&self, output: u16) -> Result<Option<Ending>, NoteError> {
        self.noted(|note| match note {
            Note::Ending { output: of, ending } => (of == output).then_some(ending),
            Note::Label { .. } => None,
        })
    }

    /// The name of class `class`, if it has one. Reads the notes from the first on.
    ///
    /// # Errors
    ///
    /// [`NoteError`] where a note before it is malformed.
    pub fn label(&self, class: u32) -> Result<Option<&'m str>, NoteError> {
        self.noted(|note| match note {
            Note::Label { class: of, name } => (of == class).then_some(name),
            Note::Ending { .. } => None,
        })
    }

    /// What `pick` finds in the first note that it finds something in.
    fn noted<T>(&self, pick: impl Fn(Note<'m>) -> Option<T>) -> Result<Option<T>, NoteError> {
        for note in self.notes() {
            if let Some(found) = pick(note?) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Input `index`.
    pub fn input(&self, index: usize) -> Option<Input<'m>> {
        self.inputs().nth(index)
    }

    /// Output `index`.
    pub fn output(&self, index: usize) -> Option<Output<'m>> {
        self.outputs().nth(index)
    }

    /// The inputs in order.
    pub fn inputs(&self) -> impl Iterator<Item = Input<'m>> {
        let mut rest = self.io;
        (0..self.header.inputs).map_while(move |_| next_record(&mut rest))
    }

    /// The outputs in order.
    pub fn outputs(&self) -> impl Iterator<Item = Output<'m>> {
        let mut rest = self.io;
        for _ in 0..self.header.inputs {
            let _ = next_record::<Input<'_>>(&mut rest);
        }
        (0..self.header.outputs).map_while(move |_| next_record(&mut rest))
    }

    /// What follows the descriptions: nothing in a sound container.
    pub(crate) fn io_rest(&self) -> &'m [u8] {
        let mut rest = self.io;
        for _ in 0..self.header.inputs {
            let _ = next_record::<Input<'_>>(&mut rest);
        }
        for _ in 0..self.header.outputs {
            let _ = next_record::<Output<'_>>(&mut rest);
        }
        rest
    }

    /// Whether the names section is empty, or begins with one name for each instruction. The notes
    /// behind the names are not read here.
    pub(crate) fn names_are_sound(&self) -> bool {
        let mut names = self.names;
        names.is_empty() || (0..self.header.instructions).all(|_| next_name(&mut names).is_some())
    }
}

/// Takes the payload of a frame of `length u16 | payload`.
pub(crate) fn next_frame<'m>(rest: &mut &'m [u8]) -> Option<&'m [u8]> {
    let (&[l0, l1], tail) = rest.split_first_chunk()?;
    let (payload, tail) = tail.split_at_checked(usize::from(u16::from_le_bytes([l0, l1])))?;
    *rest = tail;
    Some(payload)
}

/// Takes a frame whose payload is a record, fully consumed.
fn next_record<'m, T: serde::Deserialize<'m>>(rest: &mut &'m [u8]) -> Option<T> {
    wire::from_bytes(next_frame(rest)?).ok()
}

/// Takes a name of `length u8 | UTF-8`.
fn next_name<'m>(rest: &mut &'m [u8]) -> Option<&'m str> {
    let (&len, tail) = rest.split_first()?;
    let (name, tail) = tail.split_at_checked(usize::from(len))?;
    *rest = tail;
    core::str::from_utf8(name).ok()
}
