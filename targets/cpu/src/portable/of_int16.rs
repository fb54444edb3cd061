//! Requantization of int16 values in arithmetic of 32 bits, which vectors have more of than of 64.
//!
//! For a mantissa `2¹⁶·high + low`, and a bias whose product with the mantissa, half of what is shifted
//! out included, is `2¹⁶·offset + rest`, both lower parts without a sign:
//!
//! ```text
//! floor(((v + bias) · mantissa + half) / 2¹⁶) = v·high + floor((v·low + rest) / 2¹⁶) + offset
//! ```

use quant::arith::Multiplier;

/// A multiplier with a bias.
#[derive(Clone, Copy)]
pub(super) struct OfInt16 {
    high: i32,
    low: i32,
    rest: i32,
    offset: i32,
    /// The shift less 16, at most 30.
    right: u32,
}

/// Largest magnitude of an offset: `v·high` is at most 2³⁰, and the lower part at most 2¹⁵.
const MAX_OFFSET: u64 = (1 << 30) - (1 << 16);

impl OfInt16 {
    /// Where the shift and the bias, of at most 2³⁰ in magnitude, allow it.
    #[inline(always)]
    pub(super) fn new(Multiplier { mantissa, shift }: Multiplier, bias: i32) -> Option<Self> {
        if !(17..=46).contains(&shift) {
            return None;
        }
        let constant = i64::from(bias) * i64::from(mantissa) + (1 << (shift - 1));
        let offset = constant >> 16;
        (offset.unsigned_abs() <= MAX_OFFSET).then_some(Self {
            high: mantissa >> 16,
            low: mantissa & 0xffff,
            rest: (constant & 0xffff) as i32,
            offset: offset as i32,
            right: u32::from(shift) - 16,
        })
    }

    /// `round((v + bias) · mantissa / 2^shift)` for a `v` of 16 bits: at most 2³⁰ in magnitude.
    #[inline(always)]
    pub(super) fn apply(self, v: i32) -> i32 {
        // The lower product is at least −2¹⁵·(2¹⁶ − 1), and with the rest at most 2¹⁵·(2¹⁶ − 1).
        (v * self.high + ((v * self.low + self.rest) >> 16) + self.offset) >> self.right
    }
}

/// Those of `C` channels.
pub(super) struct OfInt16s<const C: usize> {
    high: [i32; C],
    low: [i32; C],
    rest: [i32; C],
    offset: [i32; C],
    right: [u32; C],
}

impl<const C: usize> OfInt16s<C> {
    /// Where all shifts and biases allow it.
    #[inline(always)]
    pub(super) fn new(mantissa: &[i32; C], shift: &[u8; C], bias: &[i32; C]) -> Option<Self> {
        let zero = [0; C];
        let mut all = Self { high: zero, low: zero, rest: zero, offset: zero, right: [0; C] };
        for c in 0..C {
            let one = OfInt16::new(Multiplier { mantissa: mantissa[c], shift: shift[c] }, bias[c])?;
            (all.high[c], all.low[c], all.right[c]) = (one.high, one.low, one.right);
            (all.rest[c], all.offset[c]) = (one.rest, one.offset);
        }
        Some(all)
    }

    /// As [`OfInt16::apply`].
    #[inline(always)]
    pub(super) fn apply(&self, v: &[i32; C]) -> [i32; C] {
        let mut t = [0; C];
        for c in 0..C {
            let (high, low, right) = (self.high[c], self.low[c], self.right[c] & 31);
            let (rest, offset) = (self.rest[c], self.offset[c]);
            t[c] = OfInt16 { high, low, rest, offset, right }.apply(v[c]);
        }
        t
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The least and the largest of everything, and values between.
    #[test]
    fn equals_arithmetic_of_64_bits() {
        let mut admitted = 0;
        for mantissa in [i32::MIN, -1_434_211_781, -1, 0, 1, 65_535, 65_536, 1_434_211_781, i32::MAX] {
            for shift in 1..=62 {
                for bias in [-(1 << 30), -16_384, -1527, 0, 7033, 16_383, 1 << 30] {
                    let Some(one) = OfInt16::new(Multiplier { mantissa, shift }, bias) else { continue };
                    admitted += 1;
                    for v in [-32_768, -32_767, -12_345, -1, 0, 1, 255, 12_345, 32_767] {
                        let exact = quant::arith::requantize(v + bias, mantissa, shift);
                        assert_eq!(i64::from(one.apply(v)), exact, "{v} {bias} {mantissa} {shift}");
                    }
                }
            }
        }
        assert!(admitted > 1000, "{admitted}");
    }
}
