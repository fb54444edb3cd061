//! Requantization in 32-bit registers.

use quant::arith::Multiplier;

/// `(z · m + 2^(e−1)) >> e` with `33 ≤ e ≤ 62`: a truncated high product of at most 2³⁰ in
/// magnitude, and one rounding shift.
#[inline(always)]
pub(crate) fn requantize(z: i32, mantissa: i32, shift: u8) -> i32 {
    let high = ((i64::from(z) * i64::from(mantissa)) >> 32) as i32;
    // Shifting by one less, then halving upwards.
    ((high >> (shift.wrapping_sub(33) & 31)) + 1) >> 1
}

/// [`requantize`], saturated to int8.
#[inline(always)]
pub(crate) fn requantize_i8(z: i32, mantissa: i32, shift: u8) -> i8 {
    requantize(z, mantissa, shift).clamp(-128, 127) as i8
}

/// [`requantize`], saturated to int16.
#[inline(always)]
pub(crate) fn requantize_i16(z: i32, mantissa: i32, shift: u8) -> i16 {
    requantize(z, mantissa, shift).clamp(-32768, 32767) as i16
}

/// Replaces each value by its entry of `table`, where −128 has the first.
#[inline(always)]
pub(crate) fn look_up(table: &[i8; 256], values: &mut [i8]) {
    for y in values {
        *y = table[usize::from((*y as u8).wrapping_add(128))];
    }
}

/// A [`Multiplier`] of 16-bit values. They leave 16 bits free above them, by which a shift of
/// less than 33 is made up beforehand.
#[derive(Clone, Copy)]
pub(crate) struct Scale16 {
    mantissa: i32,
    up: u32,
    /// Half a unit of the result, in upper halves of products.
    half: i32,
    down: u32,
}

impl Scale16 {
    /// `None` for shifts below 17.
    pub(crate) fn new(scale: Multiplier) -> Option<Self> {
        let up = u32::from(33u8.saturating_sub(scale.shift));
        let down = u32::from(scale.shift.max(33).saturating_sub(32)) & 31;
        (up <= 16).then_some(Self { mantissa: scale.mantissa, up, half: (1 << down) >> 1, down })
    }

    /// The mantissa, the bits up before the product, and the bits down behind its upper half.
    #[cfg(all(target_arch = "arm", any(feature = "dsp", feature = "mve")))]
    pub(crate) fn parts(self) -> (i32, u32, u32) {
        (self.mantissa, self.up, self.down)
    }

    /// As [`Multiplier::apply`]; at most 2³⁰ in magnitude.
    #[inline(always)]
    pub(crate) fn apply(self, v: i16) -> i32 {
        let product = i64::from(i32::from(v) << self.up) * i64::from(self.mantissa);
        ((product >> 32) as i32 + self.half) >> self.down
    }
}

/// Both multipliers of an addition of 16-bit values.
#[derive(Clone, Copy)]
pub(crate) struct Sum {
    stream: Scale16,
    branch: Scale16,
}

impl Sum {
    /// The multipliers of the stream and of the branch.
    #[cfg(all(target_arch = "arm", any(feature = "dsp", feature = "mve")))]
    pub(crate) fn parts(&self) -> [Scale16; 2] {
        [self.stream, self.branch]
    }

    /// `None` where a shift is below 17.
    pub(crate) fn new(stream: Multiplier, branch: Multiplier) -> Option<Self> {
        Some(Self { stream: Scale16::new(stream)?, branch: Scale16::new(branch)? })
    }

    /// `saturate(round(stream · its scale) + round(branch · its scale))`.
    #[inline(always)]
    pub(crate) fn apply(&self, stream: i16, branch: i16) -> i16 {
        (self.stream.apply(stream) + self.branch.apply(branch)).clamp(-32768, 32767) as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quant::arith;

    #[test]
    fn equals_the_definition_on_extremes() {
        let mantissas = [i32::MIN, i32::MIN + 1, -1, 0, 1, 1 << 30, (1 << 30) + 1, i32::MAX];
        for m in mantissas {
            for z in [i32::MIN, i32::MIN + 1, -3, -1, 0, 1, 2, 1 << 30, i32::MAX] {
                for e in 33..=62 {
                    assert_eq!(i64::from(requantize(z, m, e)), arith::requantize(z, m, e), "{z} {m} {e}");
                }
            }
            for v in [i16::MIN, -1, 0, 1, 257, i16::MAX] {
                for e in 17..=62 {
                    let scale = Multiplier { mantissa: m, shift: e };
                    let got = Scale16::new(scale).map(|scale| i64::from(scale.apply(v)));
                    assert_eq!(got, Some(scale.apply(v.into())), "{v} {m} {e}");
                }
            }
        }
        assert!(Scale16::new(Multiplier { mantissa: 1, shift: 16 }).is_none());
    }
}
