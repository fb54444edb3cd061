//! Div: the quotient of two activations, `saturate(round(x / y · ratio))`.
//!
//! `y` has an element for each of `x`, for each channel or for each row (the sum of a row that is
//! normalised). The exact quotient `x · mantissa / (y · 2^shift)` is rounded once, half up. For
//! `y > 0`, which a change of both signs achieves, that is
//! `floor(floor((x · mantissa + y · 2^(shift − 1)) / 2^shift) / y)`, because the floor of a quotient
//! by a product is that of successive quotients. `|x · mantissa| ≤ 2⁴⁶`, and with `shift ≤ 46` the
//! other term is at most 2⁶⁰. The inner quotient is saturated to 32 bits, so that the division is
//! one of 32 bits: beyond them the result is at least 2¹⁶ in magnitude, and saturated whatever it is.
//!
//! **A quotient by 0 is saturated** to the end of the type that `x · mantissa` points to, and `0 / 0`
//! is 0. The result replaces `x`, or goes elsewhere where `x` is still needed, is `y` as well, or
//! has another type.

use serde::{Deserialize, Serialize};

use super::paired::{self, Paired, Spread};
use super::{Act, Consts, Tensor, TensorMut};
use crate::arith::{MIN_SHIFT, Multiplier, saturate_i32};
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Memory, Window};
use crate::operand::Visitor;

/// Largest shift of the ratio, so that the rounding term is at most 2⁶⁰ in magnitude.
pub const MAX_RATIO_SHIFT: u8 = 46;

/// Divides each row of `x`. All activations are int8 or int16, each of its own type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Div {
    /// Rows (tokens, pixels).
    pub rows: u32,
    /// Elements of each row.
    pub width: u32,
    /// The dividend, `rows × width`; updated where there is no `out`.
    pub x: Act,
    /// The divisor, as many elements as `spread` says.
    pub y: Act,
    /// Which elements of `x` one of `y` divides.
    pub spread: Spread,
    /// Multiplier of the quotients: `s_x / (s_y · s_out)`; shift in `1..=46`.
    pub ratio: Multiplier,
    /// The result, `rows × width`; without it the result replaces `x`, in its type.
    pub out: Option<Act>,
}

impl Div {
    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        let activations = (&mut self.x, &mut self.y, &mut self.out);
        paired::operands(visitor, (self.width, self.spread), activations);
    }

    /// Rows (tokens, pixels).
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// None: not a matrix product.
    pub fn macs(&self) -> u64 {
        0
    }

    /// int8 and int16 only, a shift in range, a divisor for every channel where they have one.
    pub fn check(&self, _: &Consts<'_>) -> Result<(), Reject> {
        self.paired().check(self.rows)?;
        if (MIN_SHIFT..=MAX_RATIO_SHIFT).contains(&self.ratio.shift) { Ok(()) } else { Err(Reject::Shift) }
    }

    /// Runs the rows of `window`.
    pub fn run<K: Kernels>(
        &self,
        kernels: &mut K,
        memory: &mut Memory<'_>,
        window: Window,
    ) -> Result<(), Fault> {
        let args = DivArgs { width: self.width as usize, spread: self.spread, ratio: self.ratio };
        self.paired().run(memory, window, |x, y, out| kernels.div(&args, x, y, out))
    }

    fn paired(&self) -> Paired {
        Paired { width: self.width, spread: self.spread, x: self.x, y: self.y, out: self.out }
    }
}

/// What a [`Div`] does with rows of `width`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DivArgs {
    /// Elements of each row.
    pub width: usize,
    /// Which elements one of the divisor divides.
    pub spread: Spread,
    /// Multiplier of the quotients.
    pub ratio: Multiplier,
}

/// `round(x / y · ratio)` of 16-bit values, exact as far as it fits 16 bits and else as far beyond
/// them; by 0 an end of the 32-bit integers, or 0.
#[inline]
pub fn quotient(x: i32, y: i32, ratio: Multiplier) -> i32 {
    let product = i64::from(x) * i64::from(ratio.mantissa);
    let (product, y) = if y < 0 { (-product, -y) } else { (product, y) };
    let shift = ratio.shift & 63;
    let half = (i64::from(y) << shift) >> 1;
    match saturate_i32((product + half) >> shift).checked_div_euclid(y) {
        Some(rounded) => rounded,
        None if product > 0 => i32::MAX,
        None if product < 0 => i32::MIN,
        None => 0,
    }
}

/// Scalar reference. Without `x`, `out` holds it.
pub fn div(
    args: &DivArgs,
    x: Option<Tensor<'_>>,
    y: Tensor<'_>,
    out: &mut TensorMut<'_>,
) -> Result<(), Fault> {
    paired::each((args.width, args.spread), x, y, out, |x, y| quotient(x, y, args.ratio).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::Slot;
    use crate::ops::testing::{Buffer, run};
    use proptest::prelude::*;
    use std::vec::Vec;

    const SPREADS: [Spread; 3] = [Spread::Element, Spread::Channel, Spread::Row];

    fn exact(x: i16, y: i16, ratio: Multiplier, [low, high]: [i128; 2]) -> i128 {
        let product = i128::from(x) * i128::from(ratio.mantissa);
        let divisor = i128::from(y) * (1 << ratio.shift);
        if divisor == 0 {
            return product.signum() * if product > 0 { high } else { -low };
        }
        let sign = divisor.signum();
        (2 * sign * product + divisor.abs()).div_euclid(2 * divisor.abs()).clamp(low, high)
    }

    fn ratio() -> impl Strategy<Value = Multiplier> {
        let shift = prop_oneof![1u8..=MAX_RATIO_SHIFT, 12u8..=24];
        (prop_oneof![any::<i32>(), Just(i32::MIN), Just(i32::MAX), Just(0)], shift)
            .prop_map(|(mantissa, shift)| Multiplier { mantissa, shift })
    }

    fn value() -> impl Strategy<Value = i16> {
        prop_oneof![any::<i16>(), Just(i16::MIN), Just(i16::MAX), -2i16..=2, -128i16..128]
    }

    #[test]
    fn the_extremes_do_not_overflow() {
        let all = [i16::MIN.into(), i16::MAX.into()];
        for mantissa in [i32::MIN, -1, 0, 1, i32::MAX] {
            for shift in 1..=MAX_RATIO_SHIFT {
                let ratio = Multiplier { mantissa, shift };
                for x in [i16::MIN, -1, 0, 1, i16::MAX] {
                    for y in [i16::MIN, -1, 0, 1, i16::MAX] {
                        let got = i128::from(quotient(x.into(), y.into(), ratio)).clamp(all[0], all[1]);
                        assert_eq!(got, exact(x, y, ratio, all), "{x} / {y} · {ratio:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn halves_round_up_and_zero_divides_to_the_ends() {
        let of = |x: i32, y: i32| quotient(x, y, Multiplier { mantissa: 2, shift: 1 });
        assert_eq!([of(1, 2), of(-1, 2), of(1, -2), of(-3, 2), of(7, 2)], [1, 0, 0, -1, 4]);
        let mut out = [5i8, -5, 0];
        let args = DivArgs { width: 3, spread: Spread::Row, ratio: Multiplier::IDENTITY };
        div(&args, None, Tensor::I16(&[0]), &mut TensorMut::I8(&mut out)).unwrap();
        assert_eq!(out, [127, -128, 0]);
    }

    proptest! {
        #[test]
        fn equals_exact_arithmetic_in_every_tile_and_type(
            (rows, width, tile) in (1u32..6, 1u32..6, 1u32..7),
            values in prop::collection::vec([value(), value()], 36),
            ratio in ratio(),
            wide in any::<[bool; 3]>(),
            spread in prop::sample::select(&SPREADS[..]),
        ) {
            let count = (rows * width) as usize;
            let divisors = match spread {
                Spread::Element => count,
                Spread::Channel => width as usize,
                Spread::Row => rows as usize,
            };
            let column = |at: usize, len: usize| -> Vec<i16> { values[..len].iter().map(|v| v[at]).collect() };
            let mut arena = Buffer::new();
            let (x, xs) = arena.act(&column(0, count), wide[0]);
            let (y, ys) = arena.act(&column(1, divisors), wide[1]);
            let (out, _) = arena.act(&std::vec![0; count], wide[2]);
            for out in [None, Some(out)] {
                let op = Div { rows, width, x, y, spread, ratio, out };
                prop_assert_eq!(op.check(&Consts::new(&[])), Ok(()));
                let made = out.unwrap_or(x);
                let limits = if let Act::I8(_) = made { [-128, 127] } else { [-32768, 32767] };
                let want: Vec<i128> = (0..count)
                    .map(|at| {
                        let divisor = match spread {
                            Spread::Element => ys[at],
                            Spread::Channel => ys[at % width as usize],
                            Spread::Row => ys[at / width as usize],
                        };
                        exact(xs[at], divisor, ratio, limits)
                    })
                    .collect();
                prop_assert_eq!(run(op, &arena, &Buffer::new(), tile).unwrap().values(made), want);
            }
        }
    }

    #[test]
    fn short_slices_are_a_fault() {
        let args = DivArgs { width: 2, spread: Spread::Element, ratio: Multiplier::IDENTITY };
        let (mut out, y) = ([0i8; 4], [1i8; 4]);
        let mut run = |args: DivArgs, x: &[i8], y: &[i8]| {
            div(&args, Some(Tensor::I8(x)), Tensor::I8(y), &mut TensorMut::I8(&mut out))
        };
        assert_eq!(run(args, &y, &y), Ok(()));
        assert_eq!(run(args, &y[..3], &y), Err(Fault::Bounds));
        assert_eq!(run(args, &y, &y[..3]), Err(Fault::Bounds));
        assert_eq!(run(DivArgs { spread: Spread::Row, ..args }, &y, &y[..1]), Err(Fault::Bounds));
        assert_eq!(run(DivArgs { width: 0, ..args }, &y, &y), Ok(()));
    }

    #[test]
    fn the_checker_refuses_hostile_records() {
        let (x, y) = (Act::I8(Slot::new(0, 6)), Act::I16(Slot::new(8, 6)));
        let ratio = Multiplier { mantissa: 1, shift: MAX_RATIO_SHIFT };
        let op = Div { rows: 2, width: 3, x, y, spread: Spread::Element, ratio, out: None };
        let check = |op: Div| op.check(&Consts::new(&[]));
        let wide = Act::I32(Slot::new(32, 6));
        assert_eq!(check(op), Ok(()));
        assert_eq!(check(Div { rows: 0, ..op }), Err(Reject::Dimension));
        assert_eq!(check(Div { width: 0, ..op }), Err(Reject::Dimension));
        assert_eq!(check(Div { x: wide, ..op }), Err(Reject::Type));
        assert_eq!(check(Div { y: wide, ..op }), Err(Reject::Type));
        assert_eq!(check(Div { out: Some(wide), ..op }), Err(Reject::Type));
        assert_eq!(check(Div { spread: Spread::Channel, ..op }), Err(Reject::SlotLength));
        for shift in [0, MAX_RATIO_SHIFT + 1, u8::MAX] {
            let ratio = Multiplier { mantissa: 1, shift };
            assert_eq!(check(Div { ratio, ..op }), Err(Reject::Shift));
        }
    }
}
