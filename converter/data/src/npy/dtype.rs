//! Types of elements, and the integers that they stand for.

use crate::error::FormatError;

/// The type of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DType {
    pub(super) kind: Kind,
    /// Bytes an element: 1, 2, 4 or 8.
    pub(super) size: usize,
    pub(super) big_endian: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Signed,
    Unsigned,
    Float,
}

impl DType {
    /// Unsigned bytes.
    pub const U8: DType = DType { kind: Kind::Unsigned, size: 1, big_endian: false };

    /// Reads NumPy's notation, for example `<f4` or `|u1`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut chars = text.chars();
        let big_endian = match chars.next()? {
            '<' | '|' => false,
            '>' => true,
            _ => return None,
        };
        let (kind, sizes): (_, &[usize]) = match chars.next()? {
            'b' => (Kind::Bool, &[1]),
            'i' => (Kind::Signed, &[1, 2, 4, 8]),
            'u' => (Kind::Unsigned, &[1, 2, 4, 8]),
            'f' => (Kind::Float, &[4, 8]),
            _ => return None,
        };
        let size = chars.as_str().parse().ok()?;
        sizes.contains(&size).then_some(DType { kind, size, big_endian: big_endian && size > 1 })
    }

    /// NumPy's notation.
    fn name(self) -> String {
        let order = match (self.size, self.big_endian) {
            (1, _) => '|',
            (_, false) => '<',
            (_, true) => '>',
        };
        let kind = match self.kind {
            Kind::Bool => 'b',
            Kind::Signed => 'i',
            Kind::Unsigned => 'u',
            Kind::Float => 'f',
        };
        format!("{order}{kind}{}", self.size)
    }

    pub(super) fn mismatch(self, expected: &'static str) -> FormatError {
        FormatError::DType { expected, found: self.name() }
    }
}

/// The value of an integer of up to 8 bytes.
pub(super) fn integer(bytes: &[u8], big_endian: bool, signed: bool) -> i128 {
    let push = |value: i128, byte: &u8| (value << 8) | i128::from(*byte);
    let value = if big_endian { bytes.iter().fold(0, push) } else { bytes.iter().rev().fold(0, push) };
    let bits = 8 * bytes.len();
    if signed && (value >> (bits - 1)) & 1 == 1 { value - (1 << bits) } else { value }
}
