//! Small typed errors: `Copy`, no strings.

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
    /// A bias or offset is too large for its accumulator.
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
