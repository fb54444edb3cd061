//! What a model does with its pixels itself.

/// What a model does with its pixels before its first layer, beside the normalisation that is
/// stated for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preprocessing {
    /// Nothing: its first layer reads them as they are given.
    Absent,
    /// It normalises pixels scaled to \[0, 1\].
    Unit,
    /// It takes bytes, 0 to 255.
    Bytes,
}
