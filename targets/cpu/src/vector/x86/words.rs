//! Multipliers of words in arithmetic of words: with the mantissa `2¹⁶·high + low`, both signed, and a shift of
//! 17 at least,
//!
//! ```text
//! round(v · mantissa / 2^shift) = (v·high + floor(v·low / 2¹⁶) + 2^(shift − 17)) >> (shift − 16)
//! ```
//!
//! `floor(v·low / 2¹⁶)` is the high half of a product of words, and the first sum one of two such products.

use quant::arith::Multiplier;

/// A multiplier.
#[derive(Clone, Copy)]
pub(super) struct OfWord {
    pub(super) low: i16,
    /// `high`, and 1 in the upper half, by which the high half of the lower product is multiplied.
    pub(super) pair: i32,
    /// Half of what is shifted out, and the shift: 1 to 30.
    pub(super) half: i32,
    pub(super) right: i32,
}

impl OfWord {
    /// `multiplier`, where it is one of these: all are with a shift in 17 ..= 46, but for mantissas next to 2³¹.
    #[inline(always)]
    pub(super) fn new(Multiplier { mantissa, shift }: Multiplier) -> Option<Self> {
        let low = mantissa as i16;
        let high = (i64::from(mantissa) - i64::from(low)) >> 16;
        if !(17..=46).contains(&shift) || high > i16::MAX.into() {
            return None;
        }
        let right = i32::from(shift) - 16;
        Some(Self { low, pair: 1 << 16 | (high & 0xffff) as i32, half: (1 << right) >> 1, right })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least and the largest of everything, and values between.
    #[test]
    fn words_are_multiplied_as_by_64_bits() {
        let mut admitted = 0;
        for mantissa in [
            i32::MIN,
            -1_434_211_781,
            -32_769,
            -1,
            0,
            1,
            32_767,
            32_768,
            1_434_211_781,
            0x7fff_7fff,
            i32::MAX,
        ] {
            for shift in 1..=62 {
                let Some(OfWord { low, pair, half, right }) = OfWord::new(Multiplier { mantissa, shift })
                else {
                    continue;
                };
                admitted += 1;
                for v in [i16::MIN, -32_767, -12_345, -1, 0, 1, 255, 12_345, i16::MAX] {
                    let upper = (i32::from(v) * i32::from(low)) >> 16;
                    let sum = i32::from(v) * i32::from(pair as i16) + upper * (pair >> 16);
                    let exact = quant::arith::requantize(v.into(), mantissa, shift);
                    assert_eq!(i64::from((sum + half) >> right), exact, "{v} {mantissa} {shift}");
                }
            }
        }
        assert_eq!(admitted, 10 * 30);
    }
}
