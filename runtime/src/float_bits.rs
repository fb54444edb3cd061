//! Floating-point numbers that are kept and never computed with.

use serde::{Deserialize, Serialize};

/// An IEEE 754 single-precision number kept as its bits: for people and hosts, never
/// computed with here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloatBits(pub u32);

impl FloatBits {
    /// Positive, finite and not zero.
    pub const fn is_positive(self) -> bool {
        self.0 > 0 && self.0 < 0x7f80_0000
    }

    /// Neither infinite nor NaN.
    pub const fn is_finite(self) -> bool {
        self.0 & 0x7f80_0000 != 0x7f80_0000
    }
}
