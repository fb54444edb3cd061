//! Off-line conversion of real scale ratios to [`Multiplier`]s (host only).

use super::{MAX_SHIFT, MIN_SHIFT, Multiplier};

impl Multiplier {
    /// The dyadic multiplier nearest to `ratio`, as I-ViT's `batch_frexp`: the
    /// binary mantissa in `[0.5, 1)` times `2^31`, rounded half up. A mantissa
    /// that rounds to `2^31` is renormalised to `2^30` with the shift lowered.
    ///
    /// Ratios below about `2^-62` become 0, those so small that the shift would
    /// pass 62 lose low bits. `None` for NaN, infinities, or `|ratio| ≥ 2^30`.
    pub fn from_ratio(ratio: f64) -> Option<Self> {
        if !ratio.is_finite() {
            return None;
        }
        if ratio == 0.0 {
            return Some(Self { mantissa: 0, shift: MIN_SHIFT });
        }
        let (magnitude, exponent) = mantissa_and_exponent(ratio.abs());
        // magnitude · 2^exponent with magnitude in [2^52, 2^53): 31 bits remain after >> 22.
        let mut mantissa = (magnitude + (1 << 21)) >> 22;
        let mut shift = -(exponent + 22);
        if mantissa == 1 << 31 {
            mantissa = 1 << 30;
            shift -= 1;
        }
        if shift > i32::from(MAX_SHIFT) {
            let excess = (shift - i32::from(MAX_SHIFT)) as u32;
            mantissa = if excess > 32 { 0 } else { (mantissa + ((1 << excess) >> 1)) >> excess };
            shift = i32::from(MAX_SHIFT);
        }
        if shift < i32::from(MIN_SHIFT) {
            return None;
        }
        let mantissa = mantissa as i32;
        let signed = if ratio < 0.0 { -mantissa } else { mantissa };
        Some(Self { mantissa: signed, shift: shift as u8 })
    }

    /// The real value `mantissa / 2^shift`.
    pub fn value(self) -> f64 {
        f64::from(self.mantissa) / (1u64 << (self.shift & 63)) as f64
    }
}

/// `x = magnitude · 2^exponent` with `magnitude` in `[2^52, 2^53)`, for finite `x > 0`.
fn mantissa_and_exponent(x: f64) -> (u64, i32) {
    let bits = x.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    match (bits >> 52) as i32 {
        0 => {
            let up = fraction.leading_zeros() - 11;
            (fraction << up, -1074 - up as i32)
        }
        biased => (fraction | (1 << 52), biased - 1075),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mantissa_that_rounds_to_two_to_the_31_is_renormalised() {
        let below_one = f64::from_bits(1.0f64.to_bits() - 1);
        let m = Multiplier::from_ratio(below_one).unwrap();
        assert_eq!((m.mantissa, m.shift), (1 << 30, 30));
    }

    #[test]
    fn edges() {
        assert_eq!(Multiplier::from_ratio(f64::NAN), None);
        assert_eq!(Multiplier::from_ratio(2f64.powi(30)), None);
        assert!(Multiplier::from_ratio(2f64.powi(29)).unwrap().is_valid());
        assert_eq!(Multiplier::from_ratio(f64::MIN_POSITIVE).unwrap().mantissa, 0);
        assert_eq!(Multiplier::from_ratio(5e-324).unwrap().mantissa, 0);
        assert_eq!(Multiplier::from_ratio(-0.5).unwrap().value(), -0.5);
    }

    proptest! {
        #[test]
        fn within_half_a_unit_of_31_bits(ratio in 1e-9f64..1e8) {
            let m = Multiplier::from_ratio(ratio).unwrap();
            prop_assert!(m.is_valid());
            prop_assert!((m.value() - ratio).abs() <= ratio * 2f64.powi(-31));
        }
    }
}
