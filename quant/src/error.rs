//! Small typed errors: `Copy`, no strings. Their words stand beside them, as constants for
//! firmware, which has no `core::fmt`, and as `Display` for hosts.

use core::error::Error;
use core::fmt;

/// Why an op record was refused by its `check`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reject {
    /// A dimension is zero, too large for its accumulator, or dimensions disagree.
    Dimension,
    /// A slot has not the number of elements its dimensions ask for.
    SlotLength,
    /// A constant has not the number of elements its dimensions ask for.
    BlobLength,
    /// A slot or constant has an element type that the op does not take.
    Type,
    /// A requantization shift is outside its range.
    Shift,
    /// A weight is −128; weights are symmetric.
    Weight,
    /// The padding of a packed weight is not zero.
    Padding,
    /// A bias, offset or angle is too large for its accumulator.
    Bias,
    /// A row of exponentials could sum past 2³¹ − 1, or one of them is zero.
    ExpSum,
    /// Uniform attention over this many keys would give zero probabilities.
    Underflow,
    /// An index constant points outside its tensor.
    Index,
    /// A threshold for −1 is not below the one for +1.
    Threshold,
    /// A handle lies outside the constants.
    Blob,
    /// The op is one that this build [leaves out](crate::op::OpKind::is_included).
    LeftOut,
}

impl Reject {
    /// What is wrong, as a clause.
    pub const fn message(self) -> &'static str {
        match self {
            Reject::Dimension => "a dimension is zero, too large, or disagrees with another",
            Reject::SlotLength => "an activation has the wrong number of elements",
            Reject::BlobLength => "a constant has the wrong number of elements",
            Reject::Type => "an operand has the wrong element type",
            Reject::Shift => "a requantization shift is out of range",
            Reject::Weight => "a weight is -128",
            Reject::Padding => "the padding of packed weights is not zero",
            Reject::Bias => "a bias, offset or angle is too large",
            Reject::ExpSum => "a row of exponentials could overflow its sum, or one of them is zero",
            Reject::Underflow => "uniform attention over this many keys would give zero",
            Reject::Index => "an index points outside its tensor",
            Reject::Threshold => "a threshold for -1 is not below the one for +1",
            Reject::Blob => "a constant lies outside the container",
            Reject::LeftOut => "the op is not included in this build",
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl Error for Reject {}

/// A failure while running a checked program: unreachable while the program's
/// bytes and the arena's size are unchanged since the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// A slot, constant or index lies outside its memory.
    Bounds,
    /// Two operands that must be disjoint overlap.
    Overlap,
    /// A slot or constant is not aligned for its element type.
    Misaligned,
    /// An instruction does not decode.
    Instruction,
}

impl Fault {
    /// What is wrong, as a clause.
    pub const fn message(self) -> &'static str {
        match self {
            Fault::Bounds => "an operand lies outside its memory",
            Fault::Overlap => "two operands overlap",
            Fault::Misaligned => "an operand is misaligned",
            Fault::Instruction => "an instruction does not decode",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl Error for Fault {}
