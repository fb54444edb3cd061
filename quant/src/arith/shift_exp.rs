//! Shift-exp: `e^(s·x)` for `x ≤ 0` from shifts and one integer division (I-ViT, Alg. 1).

use serde::{Deserialize, Serialize};

/// Parameters of shift-exp for one input scale `s`.
///
/// `e^(s·x) = 2^(s·x·log2 e)`, with `log2 e ≈ 1.0111b` applied as
/// `p = x + (x >> 1) − (x >> 4)`. With `x0 = −unit = floor(−1/s)`, `p` is split into
/// `p = q·x0 + r`, `r ∈ (x0, 0]`, and `2^r' ≈ 1 + r'/2` gives
/// `floor((r/2 − x0) · 2^(n−q))`: the result has scale `s / 2^n`, and is
/// `unit · 2^n` at `x = 0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShiftExp {
    /// `ceil(1/s)`, the number of input steps in one octave; at least 1.
    pub unit: u32,
    /// Fraction bits `n` of the result and the number of octaves kept, `1..=30`.
    pub bits: u8,
}

impl ShiftExp {
    /// Whether [`eval`](Self::eval) cannot overflow or divide by zero:
    /// `1 ≤ unit`, `1 ≤ bits ≤ 30` and `unit · 2^bits < 2^31`.
    pub const fn is_valid(self) -> bool {
        self.unit >= 1 && self.bits >= 1 && self.bits <= 30 && (self.unit as u64) << self.bits < 1 << 31
    }

    /// The largest value, at distance 0: `unit · 2^bits`.
    pub const fn max(self) -> u32 {
        self.unit << (self.bits & 31)
    }

    /// Shift-exp of `−distance`, where `distance ≤ 2^17`. At least 1 for valid parameters.
    #[inline]
    pub const fn eval(self, distance: u32) -> u32 {
        let x = -(distance as i32);
        // |p| = distance·1.4375 rounded, below 2^18.
        let p = (x + (x >> 1) - (x >> 4)).unsigned_abs();
        let bits = self.bits as u32;
        let Some(octave) = p.checked_div(self.unit) else { return 0 };
        // r/2 − x0 kept in halves: (2·unit − |r|) / 2. Clamping p at n octaves leaves r = 0.
        let (octave, halves) = if octave >= bits {
            (bits, 2 * self.unit)
        } else {
            (octave, 2 * self.unit - (p - octave * self.unit))
        };
        ((halves as u64) << (bits - octave) >> 1) as u32
    }

    /// The 256 values at distances `0..=255`, the whole domain of int8 scores.
    pub fn table(self) -> [u32; 256] {
        let mut distance = 0;
        [(); 256].map(|()| {
            let value = self.eval(distance);
            distance += 1;
            value
        })
    }
}

#[cfg(feature = "scale")]
impl ShiftExp {
    /// Parameters for input scale `scale`, with as many fraction bits as keep
    /// `terms · unit · 2^bits ≤ limit` (so that a sum of `terms` values fits), at
    /// most `bits`. `None` when not even one bit fits or the scale is not a
    /// positive finite number.
    pub fn for_scale(scale: f64, bits: u8, terms: u32, limit: u32) -> Option<Self> {
        if !(scale > 0.0 && scale.is_finite()) || 1.0 / scale >= f64::from(u32::MAX) {
            return None;
        }
        let inverse = 1.0 / scale;
        let truncated = inverse as u32;
        let unit = if f64::from(truncated) < inverse { truncated + 1 } else { truncated };
        let largest = u64::from(unit) * u64::from(terms);
        let exp = (1..=bits.min(30)).rev().find(|&n| largest << n <= u64::from(limit))?;
        let found = Self { unit, bits: exp };
        found.is_valid().then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The authors' `int_exp_shift` in exact rational arithmetic (denominators are powers of two).
    fn authors(x: i64, unit: i64, n: i64) -> i64 {
        let x0 = -unit;
        let p = x + x.div_euclid(2) - x.div_euclid(16);
        let p = p.max(n * x0);
        let q = p.div_euclid(x0); // both ≤ 0: floor(p / x0) ≥ 0
        let q = if q * x0 < p { q - 1 } else { q };
        let r = p - q * x0;
        // floor((r/2 − x0) · 2^(n−q))
        ((r - 2 * x0) << (n - q)).div_euclid(2)
    }

    proptest! {
        #[test]
        fn equals_the_authors_formula(distance in 0u32..=1 << 17, unit in 1u32..4000, bits in 1u8..=15) {
            let exp = ShiftExp { unit, bits };
            prop_assert_eq!(
                i64::from(exp.eval(distance)),
                authors(-i64::from(distance), i64::from(unit), i64::from(bits))
            );
            prop_assert!(exp.eval(distance) >= 1);
            prop_assert!(exp.eval(distance) <= exp.max());
        }

        /// `2^r ≈ 1 + r/2` is high by at most 6.2 %; 1.4375 against log2 e adds 0.4 % of the exponent.
        #[test]
        fn close_to_the_real_exponential(distance in 0u32..=255, unit in 8u32..200) {
            let exp = ShiftExp { unit, bits: 15 };
            let x = f64::from(distance) / f64::from(unit);
            prop_assume!(x < 7.0);
            let real = libm_exp(-x);
            let got = f64::from(exp.eval(distance)) / f64::from(exp.max());
            prop_assert!((got / real).ln().abs() < 0.07 + 0.006 * x + 2.0 / f64::from(unit), "{got} {real}");
        }
    }

    fn libm_exp(x: f64) -> f64 {
        x.exp()
    }

    #[test]
    fn monotone_over_the_int8_domain() {
        for unit in [1, 2, 7, 12, 100] {
            let table = ShiftExp { unit, bits: 15 }.table();
            assert!(table.windows(2).all(|w| w[0] >= w[1]));
        }
    }
}
