//! Requantization of blocks of channels: loops of a fixed length, which the compiler turns into
//! vectors of the instruction set that it compiles them for.

use quant::Fault;
use quant::arith::{MAX_SHIFT, Multiplier};
use quant::ops::{ChannelsRef, RequantizeArgs, Tensor, TensorMut};
use quant::slice::window;

use super::block::{BLOCK, blocks, magnitude, narrow, widen};
use super::of_int16::{OfInt16, OfInt16s};

/// Smallest shift at which the high half of a product and one rounding shift give the requantized
/// value (see [`quant::arith`]).
pub(crate) const HIGH: u8 = 33;

/// Multipliers of `C` channels; those behind the last one are 0.
pub(crate) struct Multipliers<const C: usize> {
    pub(crate) mantissa: [i32; C],
    shift: [u8; C],
    /// Whether every shift is at least [`HIGH`].
    pub(crate) is_high: bool,
    /// The shift of a high half, and half of what it shifts out.
    pub(crate) right: [i32; C],
    pub(crate) half: [i32; C],
}

impl<const C: usize> Multipliers<C> {
    /// Those of channels `start .. start + count`.
    #[inline(always)]
    pub(crate) fn new(channels: &ChannelsRef<'_>, start: usize, count: usize) -> Result<Self, Fault> {
        let (mut mantissa, mut shift) = ([0; C], [HIGH; C]);
        mantissa[..count].copy_from_slice(window(channels.mantissa, start, count)?);
        shift[..count].copy_from_slice(window(channels.shift, start, count)?);
        Ok(Self::of(mantissa, shift))
    }

    /// One multiplier for all.
    #[inline(always)]
    pub(crate) fn uniform(mantissa: i32, shift: u8) -> Self {
        Self::of([mantissa; C], [shift; C])
    }

    #[inline(always)]
    fn of(mantissa: [i32; C], shift: [u8; C]) -> Self {
        let (mut right, mut half, mut least) = ([0; C], [0; C], u8::MAX);
        for c in 0..C {
            right[c] = (i32::from(shift[c] & 63) - 32).max(0);
            half[c] = (1 << right[c]) >> 1;
            least = least.min(shift[c]);
        }
        Self { mantissa, shift, is_high: least >= HIGH, right, half }
    }

    /// Makes every shift at least [`HIGH`] where that takes at most `room` bits, by which the values
    /// are then shifted left first: gives those bits, or 0.
    #[inline(always)]
    pub(crate) fn lift(&mut self, room: u32) -> u32 {
        let (least, most) = self.shift.iter().fold((MAX_SHIFT, 0), |(a, b), &e| (e.min(a), e.max(b)));
        let up = HIGH.saturating_sub(least);
        if u32::from(up) > room || most + up > MAX_SHIFT {
            return 0;
        }
        *self = Self::of(self.mantissa, self.shift.map(|shift| shift + up));
        up.into()
    }

    /// `round(z · mantissa / 2^shift)` saturated to int32.
    #[inline(always)]
    pub(crate) fn apply(&self, z: &[i32; C]) -> [i32; C] {
        let mut t = [0; C];
        if self.is_high {
            for c in 0..C {
                let high = ((i64::from(z[c]) * i64::from(self.mantissa[c])) >> 32) as i32;
                // At most 2³⁰ and 2²⁹.
                t[c] = (high + self.half[c]) >> (self.right[c] & 31);
            }
        } else {
            for c in 0..C {
                let exact = quant::arith::requantize(z[c], self.mantissa[c], self.shift[c]);
                t[c] = exact.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
            }
        }
        t
    }
}

/// Saturated to int8.
#[inline(always)]
pub(crate) fn to_i8<const C: usize>(t: &[i32; C]) -> [i8; C] {
    let mut narrow = [0; C];
    for c in 0..C {
        narrow[c] = t[c].clamp(i8::MIN.into(), i8::MAX.into()) as i8;
    }
    narrow
}

/// Saturated to int16.
#[inline(always)]
pub(crate) fn to_i16<const C: usize>(t: &[i32; C]) -> [i16; C] {
    let mut narrow = [0; C];
    for c in 0..C {
        narrow[c] = t[c].clamp(i16::MIN.into(), i16::MAX.into()) as i16;
    }
    narrow
}

/// Requantize, a block of channels at a time over all rows.
#[inline(always)]
pub(crate) fn requantize(
    args: &RequantizeArgs<'_>,
    x: Tensor<'_>,
    out: &mut TensorMut<'_>,
) -> Result<(), Fault> {
    let rows = out.len().checked_div(args.width).unwrap_or(0);
    let x = x.window(0, rows * args.width)?;
    if let ([bias], [mantissa], [shift]) = (args.bias, args.scale.mantissa, args.scale.shift) {
        let one = OfInt16::new(Multiplier { mantissa: *mantissa, shift: *shift }, *bias);
        match (one, x) {
            (Some(one), Tensor::I8(x)) => return one_for_all(one, x, out),
            (Some(one), Tensor::I16(x)) => return one_for_all(one, x, out),
            (None, _) | (_, Tensor::I32(_)) => {}
        }
        let scaling = Scaling::new(Multipliers::uniform(*mantissa, *shift), [*bias; BLOCK], x);
        for (start, count) in blocks(rows * args.width) {
            scaling.apply(x, out, start, count)?;
        }
        return Ok(());
    }
    for (column, count) in blocks(args.width) {
        let mut bias = [0; BLOCK];
        bias[..count].copy_from_slice(window(args.bias, column, count)?);
        let scaling = Scaling::new(Multipliers::new(&args.scale, column, count)?, bias, x);
        for row in 0..rows {
            scaling.apply(x, out, row * args.width + column, count)?;
        }
    }
    Ok(())
}

/// All elements of `x`, by one multiplier.
#[inline(always)]
fn one_for_all<X: Copy + Into<i32>>(one: OfInt16, x: &[X], out: &mut TensorMut<'_>) -> Result<(), Fault> {
    match out {
        TensorMut::I8(out) => {
            for (to, &v) in out.iter_mut().zip(x) {
                *to = one.apply(v.into()).clamp(i8::MIN.into(), i8::MAX.into()) as i8;
            }
        }
        TensorMut::I16(out) => {
            for (to, &v) in out.iter_mut().zip(x) {
                *to = one.apply(v.into()).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
            }
        }
        TensorMut::I32(out) => {
            for (to, &v) in out.iter_mut().zip(x) {
                *to = one.apply(v.into());
            }
        }
    }
    Ok(())
}

/// The constants of a block of elements.
struct Scaling {
    bias: [i32; BLOCK],
    /// Bits by which the sum with the bias is shifted left.
    up: u32,
    multipliers: Multipliers<BLOCK>,
    /// Bias and multipliers of elements of at most 16 bits, where they allow it.
    of_int16: Option<OfInt16s<BLOCK>>,
}

impl Scaling {
    /// For elements of the type of `x`.
    #[inline(always)]
    fn new(mut multipliers: Multipliers<BLOCK>, bias: [i32; BLOCK], x: Tensor<'_>) -> Self {
        let bias_most = bias.iter().fold(0, |most, bias| bias.unsigned_abs().max(most));
        let most = magnitude(x).saturating_add(bias_most);
        let of_int16 = match x {
            Tensor::I8(_) | Tensor::I16(_) => OfInt16s::new(&multipliers.mantissa, &multipliers.shift, &bias),
            Tensor::I32(_) => None,
        };
        let up = multipliers.lift(most.leading_zeros().saturating_sub(1));
        Self { bias, up, multipliers, of_int16 }
    }

    /// Requantizes the `count` elements from `start` on.
    #[inline(always)]
    fn apply(&self, x: Tensor<'_>, out: &mut TensorMut<'_>, start: usize, count: usize) -> Result<(), Fault> {
        let mut z = [0; BLOCK];
        widen(x.window(start, count)?, &mut z);
        if let Some(multipliers) = &self.of_int16 {
            narrow(&multipliers.apply(&z), &mut out.window(start, count)?);
            return Ok(());
        }
        match x {
            // Biases are at most 2³⁰ in magnitude.
            Tensor::I8(_) | Tensor::I16(_) => {
                for (z, &bias) in z.iter_mut().zip(&self.bias) {
                    *z = z.wrapping_add(bias) << self.up;
                }
            }
            Tensor::I32(_) => {
                for (z, &bias) in z.iter_mut().zip(&self.bias) {
                    *z = z.saturating_add(bias);
                }
            }
        }
        narrow(&self.multipliers.apply(&z), &mut out.window(start, count)?);
        Ok(())
    }
}
