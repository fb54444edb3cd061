//! Notes: what people read beside a program. Nothing that runs depends on them, and nothing
//! reads them unless it is asked to.

use core::error::Error;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::model::next_frame;

/// What a model computes at the end of an output, which the program leaves out: the order or the
/// direction of the values is the same without it, and people compute it from the integers. An
/// output without one is what the model gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// `eˣ / Σ eˣ` over the channels.
    Softmax,
    /// The natural logarithm of the softmax.
    LogSoftmax,
    /// `1 / (1 + e⁻ˣ)` of each value.
    Sigmoid,
    /// `x / √Σ x²` over the channels.
    UnitLength,
    /// `x / Σ |x|` over the channels.
    UnitSum,
    /// The channel of the largest value, the lowest of several.
    ArgMax,
}

impl Ending {
    /// All of them, in the order of their ids.
    pub const ALL: [Ending; 6] = [
        Ending::Softmax,
        Ending::LogSoftmax,
        Ending::Sigmoid,
        Ending::UnitLength,
        Ending::UnitSum,
        Ending::ArgMax,
    ];

    /// Its name in small letters, such as `log_softmax`.
    pub const fn name(self) -> &'static str {
        match self {
            Ending::Softmax => "softmax",
            Ending::LogSoftmax => "log_softmax",
            Ending::Sigmoid => "sigmoid",
            Ending::UnitLength => "unit_length",
            Ending::UnitSum => "unit_sum",
            Ending::ArgMax => "argmax",
        }
    }
}

/// One note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Note<'a> {
    /// What is left out at the end of an output.
    Ending {
        /// The output's index.
        output: u16,
        /// What is left out.
        ending: Ending,
    },
    /// The name of a class: of a logit, or of a channel of a map.
    Label {
        /// The class.
        class: u32,
        /// Its name.
        name: &'a str,
    },
}

/// Variants of [`Note`] that this build knows. The id of each is one byte.
const KNOWN: u8 = 2;

/// The notes of a container in order, those left out that this build does not know. Ends behind
/// the first that is malformed.
#[derive(Clone, Copy, Debug)]
pub struct Notes<'m> {
    rest: &'m [u8],
    index: u32,
}

impl<'m> Notes<'m> {
    /// Those of `bytes`, frames of `length u16 | payload`.
    pub(crate) const fn new(bytes: &'m [u8]) -> Self {
        Self { rest: bytes, index: 0 }
    }

    /// The frames that are not read yet, unknown ones among them.
    pub const fn bytes(&self) -> &'m [u8] {
        self.rest
    }

    /// Takes the next frame; `None` where it is unknown.
    fn read(&mut self) -> Option<Result<Note<'m>, NoteError>> {
        let malformed = Some(Err(NoteError { index: self.index }));
        let Some(payload) = next_frame(&mut self.rest) else { return malformed };
        self.index = self.index.saturating_add(1);
        match payload.first() {
            Some(&id) if id >= KNOWN => None,
            _ => wire::from_bytes(payload).map_or(malformed, |note| Some(Ok(note))),
        }
    }
}

impl<'m> Iterator for Notes<'m> {
    type Item = Result<Note<'m>, NoteError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let Some(note) = self.read() else { continue };
            if note.is_err() {
                self.rest = &[];
            }
            return Some(note);
        }
        None
    }
}

impl core::iter::FusedIterator for Notes<'_> {}

/// A note does not decode: it is damaged, or has an ending that this build does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoteError {
    /// Its position among the notes.
    pub index: u32,
}

impl NoteError {
    /// What is wrong, as a clause without the details.
    pub const fn message(&self) -> &'static str {
        "a note is malformed, or newer than this build"
    }
}

impl fmt::Display for NoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (note {})", self.message(), self.index)
    }
}

impl Error for NoteError {}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::vec::Vec;

    use super::*;

    fn all(bytes: &[u8]) -> Vec<Result<Note<'_>, NoteError>> {
        Notes::new(bytes).collect()
    }

    #[test]
    fn notes_are_read_and_unknown_ones_passed_over() {
        let bytes = [
            3, 0, 0, 1, 2, // Ending { output: 1, ending: Sigmoid }
            2, 0, 9, 9, // a variant of another build
            4, 0, 0x80, 1, 7, 7, // another one, whose id takes two bytes
            6, 0, 1, 0x80, 1, 2, b'a', b'b', // Label { class: 128, name: "ab" }
        ];
        let sigmoid = Note::Ending { output: 1, ending: Ending::Sigmoid };
        assert_eq!(all(&bytes), [Ok(sigmoid), Ok(Note::Label { class: 128, name: "ab" })]);
        let mut notes = Notes::new(&bytes);
        notes.next();
        assert_eq!(notes.bytes(), &bytes[5..]);
        assert_eq!(all(&[]), []);
    }

    #[test]
    fn malformed_notes_are_errors_and_end_the_list() {
        let sound = [3, 0, 0, 0, 0];
        let damaged: [&[u8]; 8] = [
            &[3],                            // half a length
            &[3, 0, 0, 0],                   // a frame that is cut short
            &[0, 0],                         // nothing in it
            &[1, 0, 0],                      // no fields
            &[4, 0, 0, 0, 0, 0],             // a byte left over
            &[3, 0, 0, 0, 6],                // an ending of another build
            &[4, 0, 1, 0, 2, b'a'],          // a name that is cut short
            &[4, 0, 1, 0, 1, 0xff, 9, 9, 9], // a name that is not UTF-8
        ];
        for bytes in damaged {
            let notes = all(bytes);
            assert_eq!(notes, [Err(NoteError { index: 0 })], "{bytes:?}");
            let behind = [&sound, bytes].concat();
            let first = Note::Ending { output: 0, ending: Ending::Softmax };
            assert_eq!(all(&behind), [Ok(first), Err(NoteError { index: 1 })], "{bytes:?}");
        }
        let text = NoteError { index: 3 }.to_string();
        assert_eq!(text, "a note is malformed, or newer than this build (note 3)");
    }

    #[test]
    fn the_names_are_those_of_the_variants() {
        for (index, ending) in Ending::ALL.into_iter().enumerate() {
            assert_eq!(ending as usize, index);
            let (variant, name) = (std::format!("{ending:?}"), ending.name().replace('_', ""));
            assert_eq!(variant.to_lowercase(), name);
        }
    }
}
