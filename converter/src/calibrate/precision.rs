//! What a user may ask of a layer.

use std::fmt;
use std::str::FromStr;

use crate::graph::Width;

/// Precision of a layer: its weights and the activations it reads. Of a convolution only the
/// weights have a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// int8 weights, int8 activations.
    I8,
    /// int8 weights, int16 activations; 16-bit weights of a convolution.
    I16,
    /// 1-bit weights, int8 activations.
    W1A8,
    /// 1-bit weights, int16 activations.
    W1A16,
}

impl Precision {
    /// All of them, with their names.
    const NAMES: [(Self, &str); 4] =
        [(Self::I8, "i8"), (Self::I16, "i16"), (Self::W1A8, "w1a8"), (Self::W1A16, "w1a16")];

    /// The type of the activations.
    pub fn activations(self) -> Width {
        match self {
            Self::I8 | Self::W1A8 => Width::I8,
            Self::I16 | Self::W1A16 => Width::I16,
        }
    }

    /// Whether weights are one bit.
    pub fn binary(self) -> bool {
        matches!(self, Self::W1A8 | Self::W1A16)
    }

    pub(super) fn what(self) -> &'static str {
        match self {
            Self::I8 => "reads int8 activations",
            Self::I16 => "reads int16 activations",
            Self::W1A8 => "1-bit weights, reads int8 activations",
            Self::W1A16 => "1-bit weights, reads int16 activations",
        }
    }

    pub(super) fn weights(self) -> &'static str {
        match self {
            Self::I8 | Self::W1A8 => "has int8 weights",
            Self::I16 | Self::W1A16 => "has 16-bit weights",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(precision, _)| precision == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

/// The text names no precision.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no precision: i8, i16, w1a8 and w1a16 are")]
pub struct UnknownPrecision(String);

impl FromStr for Precision {
    type Err = UnknownPrecision;

    fn from_str(text: &str) -> Result<Self, UnknownPrecision> {
        let found = Self::NAMES.into_iter().find(|(_, name)| *name == text);
        found.map(|(precision, _)| precision).ok_or_else(|| UnknownPrecision(text.to_owned()))
    }
}
