//! The checker's reasons in words.

use quant::Reject;
use runtime::{FORMAT_VERSION, LoadError, SectionKind, SlotError};

/// What is wrong, to follow the file's name.
pub(crate) fn load_reason(error: &LoadError) -> String {
    match *error {
        LoadError::Truncated => "is truncated".into(),
        LoadError::TrailingBytes => "has bytes after its end".into(),
        LoadError::Magic => "is not a Shiftformer container".into(),
        LoadError::Version { found } => {
            format!("has format version {found}, this build reads version {FORMAT_VERSION}")
        }
        LoadError::Misaligned => "does not start at a multiple of 4 in memory".into(),
        LoadError::Crc => "is damaged: its checksum does not match".into(),
        LoadError::Section(kind) => format!("has a malformed {} section", section(kind)),
        LoadError::Arena => "asks for an arena of more than 1 GiB".into(),
        LoadError::InstructionCount => "has a wrong number of instructions".into(),
        LoadError::Instruction { index } => format!("has a malformed instruction {index}"),
        LoadError::UnknownOp { index, id } => format!("uses the unknown op {id} in instruction {index}"),
        LoadError::Op { index, reason } => format!("is refused at instruction {index}: {}", reject(reason)),
        LoadError::Slot { index, operand, reason } => {
            format!("is refused at instruction {index}: operand {operand} {}", slot(reason))
        }
        LoadError::Tile { index } => format!("has an inconsistent tile group at instruction {index}"),
        LoadError::Io { index } => format!("has a malformed description of input or output {index}"),
        LoadError::OutputUndefined { index } => format!("does not compute all of output {index}"),
        other => format!("is refused: {other:?}"),
    }
}

/// What to do about it.
pub(crate) fn load_hint(error: &LoadError) -> &'static str {
    match error {
        LoadError::Truncated | LoadError::TrailingBytes | LoadError::Crc => {
            "the file is incomplete or altered: copy it again, or convert the model again"
        }
        LoadError::Magic => "expected a .shf file; `shiftformer convert` makes one from a checkpoint",
        LoadError::Version { .. } | LoadError::UnknownOp { .. } => {
            "convert the model again with this build, or use the build that made the file"
        }
        LoadError::Misaligned => "place the container at an address that is a multiple of 16",
        _ => {
            "the file was not written by `shiftformer convert`, or by a faulty version: convert the model again"
        }
    }
}

fn section(kind: SectionKind) -> &'static str {
    match kind {
        SectionKind::Header => "header",
        SectionKind::Io => "input and output",
        SectionKind::Program => "program",
        SectionKind::Names => "names",
        SectionKind::Blobs => "constants",
    }
}

fn slot(error: SlotError) -> &'static str {
    match error {
        SlotError::Bounds => "lies outside its memory",
        SlotError::Misaligned => "is misaligned",
        SlotError::Length => "holds neither all rows nor one tile",
        SlotError::Overlap => "overlaps another operand",
        SlotError::Undefined => "is read before it is written",
        _ => "is refused",
    }
}

fn reject(reason: Reject) -> &'static str {
    match reason {
        Reject::Dimension => "a dimension is zero, too large, or disagrees with another",
        Reject::SlotLength => "an activation has the wrong number of elements",
        Reject::BlobLength => "a constant has the wrong number of elements",
        Reject::Type => "an operand has the wrong element type",
        Reject::Shift => "a requantization shift is out of range",
        Reject::Weight => "a weight is -128",
        Reject::Padding => "the padding of packed weights is not zero",
        Reject::Bias => "a bias is too large",
        Reject::ExpSum => "a row of exponentials could overflow its sum",
        Reject::Underflow => "uniform attention over this many keys would give zero",
        Reject::Index => "an index points outside its tensor",
        Reject::Blob => "a constant lies outside the file",
        _ => "its operands are refused",
    }
}
