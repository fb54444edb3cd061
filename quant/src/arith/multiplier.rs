//! Dyadic requantization, `round(z · m / 2^e)`.
//!
//! One rounding rule throughout: **half up**, `floor(z·m / 2^e + 1/2)`, evaluated
//! as `(z·m + 2^(e−1)) >> e` in 64 bits. For `e ≥ 33` the truncated high product
//! followed by one rounding shift,
//! `((z·m >> 32) + 2^(e−33)) >> (e − 32)`, is exactly the same value, because
//! `2^(e−1)` is then a multiple of `2^32`; kernels may use it. Instructions that
//! round twice (`SMMULR`, `VQRDMULH`) are not equal to it.

use serde::{Deserialize, Serialize};

/// Smallest admitted shift.
pub const MIN_SHIFT: u8 = 1;
/// Largest admitted shift: `|z·m| + 2^(e−1) < 2^63` for every `z`, `m` of 32 bits.
pub const MAX_SHIFT: u8 = 62;

/// A dyadic rational `mantissa / 2^shift` (I-ViT, eq. 6: `b / 2^c`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Multiplier {
    /// Signed mantissa; 31 significant bits when made from a scale.
    pub mantissa: i32,
    /// Right shift, [`MIN_SHIFT`]`..=`[`MAX_SHIFT`].
    pub shift: u8,
}

impl Multiplier {
    /// The multiplier 1, exact for every `z`.
    pub const IDENTITY: Self = Self { mantissa: 1 << 30, shift: 30 };

    /// Whether the shift is within bounds, so that [`apply`](Self::apply) cannot overflow.
    pub const fn is_valid(self) -> bool {
        self.shift >= MIN_SHIFT && self.shift <= MAX_SHIFT
    }

    /// `floor(z · mantissa / 2^shift + 1/2)`.
    #[inline(always)]
    pub const fn apply(self, z: i32) -> i64 {
        requantize(z, self.mantissa, self.shift)
    }
}

/// `floor(z · mantissa / 2^shift + 1/2)` for `shift` in `1..=62`.
///
/// `|z · mantissa| ≤ 2^62` and the rounding term is at most `2^61`, so nothing
/// overflows. Shifts outside the range are taken modulo 64, never a panic.
#[inline(always)]
pub const fn requantize(z: i32, mantissa: i32, shift: u8) -> i64 {
    let shift = (shift & 63) as u32;
    let half = (1i64 << shift) >> 1;
    (z as i64 * mantissa as i64 + half) >> shift
}

/// Saturates to int8.
#[inline(always)]
pub const fn saturate_i8(v: i64) -> i8 {
    if v > i8::MAX as i64 {
        i8::MAX
    } else if v < i8::MIN as i64 {
        i8::MIN
    } else {
        v as i8
    }
}

/// Saturates to int16.
#[inline(always)]
pub const fn saturate_i16(v: i64) -> i16 {
    if v > i16::MAX as i64 {
        i16::MAX
    } else if v < i16::MIN as i64 {
        i16::MIN
    } else {
        v as i16
    }
}

/// Saturates to int32.
#[inline(always)]
pub const fn saturate_i32(v: i64) -> i32 {
    if v > i32::MAX as i64 {
        i32::MAX
    } else if v < i32::MIN as i64 {
        i32::MIN
    } else {
        v as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, in exact 128-bit arithmetic with floor division.
    fn exact(z: i32, m: i32, e: u8) -> i128 {
        let denominator = 1i128 << (e + 1);
        (2 * i128::from(z) * i128::from(m) + (1i128 << e)).div_euclid(denominator)
    }

    #[test]
    fn halves_round_up_on_both_sides_of_zero() {
        let half = Multiplier { mantissa: 1, shift: 1 };
        assert_eq!([-3, -1, 1, 3].map(|z| half.apply(z)), [-1, 0, 1, 2]);
    }

    #[test]
    fn identity_is_exact_at_the_extremes() {
        for z in [i32::MIN, -1, 0, 1, i32::MAX] {
            assert_eq!(Multiplier::IDENTITY.apply(z), i64::from(z));
        }
    }

    proptest! {
        #[test]
        fn equals_exact_rational_rounding(z: i32, m: i32, e in MIN_SHIFT..=MAX_SHIFT) {
            prop_assert_eq!(i128::from(requantize(z, m, e)), exact(z, m, e));
        }

        /// The claim of the module documentation about the truncated high product.
        #[test]
        fn truncated_high_product_is_exact_from_33(z: i32, m: i32, e in 33..=MAX_SHIFT) {
            let high = ((i64::from(z) * i64::from(m)) >> 32) as i32;
            let rounded = (i64::from(high) + (1i64 << (e - 33))) >> (e - 32);
            prop_assert_eq!(rounded, requantize(z, m, e));
        }
    }
}
