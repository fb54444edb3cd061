//! Mul: the product of two activations, `saturate(round(x · y · scale))`.
//!
//! `y` has an element for each of `x`, for each channel (a squeeze-and-excitation gate) or for
//! each row (a spatial gate). The product of two 16-bit values is exact: at most 2³⁰ in
//! magnitude, at −32768 · −32768, and fits 32 bits. It is requantized once, rounded half up,
//! and saturated to the type of the result: times a mantissa of 32 bits it is at most 2⁶¹, the
//! rounding term is at most 2⁶¹, and the sum of both is below 2⁶³. The result replaces `x`, or
//! goes elsewhere where `x` is still needed, is `y` as well, or has another type.

use serde::{Deserialize, Serialize};

use super::paired::{self, Paired, Spread};
use super::{Act, Consts, Tensor, TensorMut};
use crate::arith::Multiplier;
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Memory, Window};
use crate::operand::Visitor;

/// Multiplies each row of `x`. All activations are int8 or int16, each of its own type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mul {
    /// Rows (tokens, pixels).
    pub rows: u32,
    /// Elements of each row.
    pub width: u32,
    /// The first factor, `rows × width`; updated where there is no `out`.
    pub x: Act,
    /// The second factor, as many elements as `spread` says.
    pub y: Act,
    /// Which elements of `x` one of `y` multiplies.
    pub spread: Spread,
    /// Multiplier of the products: `s_x · s_y / s_out`.
    pub scale: Multiplier,
    /// The result, `rows × width`; without it the result replaces `x`, in its type.
    pub out: Option<Act>,
}

impl Mul {
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

    /// int8 and int16 only, a shift in range, a factor for every channel where they have one.
    pub fn check(&self, _: &Consts<'_>) -> Result<(), Reject> {
        self.paired().check(self.rows)?;
        if self.scale.is_valid() { Ok(()) } else { Err(Reject::Shift) }
    }

    /// Runs the rows of `window`.
    pub fn run<K: Kernels>(
        &self,
        kernels: &mut K,
        memory: &mut Memory<'_>,
        window: Window,
    ) -> Result<(), Fault> {
        let args = MulArgs { width: self.width as usize, spread: self.spread, scale: self.scale };
        self.paired().run(memory, window, |x, y, out| kernels.mul(&args, x, y, out))
    }

    fn paired(&self) -> Paired {
        Paired { width: self.width, spread: self.spread, x: self.x, y: self.y, out: self.out }
    }
}

/// What a [`Mul`] does with rows of `width`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MulArgs {
    /// Elements of each row.
    pub width: usize,
    /// Which elements one of the second factor multiplies.
    pub spread: Spread,
    /// Multiplier of the products.
    pub scale: Multiplier,
}

/// `round(x · y · scale)`, before it is saturated. Of 16 bits, factors do not saturate their product.
#[inline(always)]
pub fn product(x: i32, y: i32, scale: Multiplier) -> i64 {
    scale.apply(x.saturating_mul(y))
}

/// Scalar reference. Without `x`, `out` holds it.
pub fn mul(
    args: &MulArgs,
    x: Option<Tensor<'_>>,
    y: Tensor<'_>,
    out: &mut TensorMut<'_>,
) -> Result<(), Fault> {
    paired::each((args.width, args.spread), x, y, out, |x, y| product(x, y, args.scale))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::Slot;
    use crate::ops::testing::{Buffer, run};
    use proptest::prelude::*;
    use std::vec::Vec;

    const SPREADS: [Spread; 3] = [Spread::Element, Spread::Channel, Spread::Row];

    fn exact(x: i16, y: i16, scale: Multiplier, [low, high]: [i128; 2]) -> i128 {
        let product = 2 * i128::from(x) * i128::from(y) * i128::from(scale.mantissa);
        (product + (1 << scale.shift)).div_euclid(1 << (scale.shift + 1)).clamp(low, high)
    }

    fn multiplier() -> impl Strategy<Value = Multiplier> {
        (prop_oneof![any::<i32>(), Just(i32::MIN), Just(i32::MAX)], prop_oneof![1u8..=62, 30u8..=45])
            .prop_map(|(mantissa, shift)| Multiplier { mantissa, shift })
    }

    fn value() -> impl Strategy<Value = i16> {
        prop_oneof![any::<i16>(), Just(i16::MIN), Just(i16::MAX), -2i16..=2, -128i16..128]
    }

    fn limits(act: Act) -> [i128; 2] {
        match act {
            Act::I8(_) => [-128, 127],
            Act::I16(_) | Act::I32(_) => [-32768, 32767],
        }
    }

    #[test]
    fn the_extremes_do_not_overflow() {
        for mantissa in [i32::MIN, -1, 1, i32::MAX] {
            for shift in 1..=62 {
                let scale = Multiplier { mantissa, shift };
                for (x, y) in [(i16::MIN, i16::MIN), (i16::MIN, i16::MAX), (i16::MAX, i16::MAX)] {
                    let all = [i64::MIN.into(), i64::MAX.into()];
                    assert_eq!(i128::from(product(x.into(), y.into(), scale)), exact(x, y, scale, all));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn equals_exact_arithmetic_in_every_tile_and_type(
            (rows, width, tile) in (1u32..6, 1u32..6, 1u32..7),
            values in prop::collection::vec([value(), value()], 36),
            scale in multiplier(),
            wide in any::<[bool; 3]>(),
            spread in prop::sample::select(&SPREADS[..]),
        ) {
            let count = (rows * width) as usize;
            let factors = match spread {
                Spread::Element => count,
                Spread::Channel => width as usize,
                Spread::Row => rows as usize,
            };
            let column = |at: usize, len: usize| -> Vec<i16> { values[..len].iter().map(|v| v[at]).collect() };
            let mut arena = Buffer::new();
            let (x, xs) = arena.act(&column(0, count), wide[0]);
            let (y, ys) = arena.act(&column(1, factors), wide[1]);
            let (out, _) = arena.act(&std::vec![0; count], wide[2]);
            for out in [None, Some(out)] {
                let op = Mul { rows, width, x, y, spread, scale, out };
                prop_assert_eq!(op.check(&Consts::new(&[])), Ok(()));
                let made = out.unwrap_or(x);
                let want: Vec<i128> = (0..count)
                    .map(|at| {
                        let (r, c) = (at / width as usize, at % width as usize);
                        let factor = match spread {
                            Spread::Element => ys[at],
                            Spread::Channel => ys[c],
                            Spread::Row => ys[r],
                        };
                        exact(xs[at], factor, scale, limits(made))
                    })
                    .collect();
                prop_assert_eq!(run(op, &arena, &Buffer::new(), tile).unwrap().values(made), want);
            }
        }
    }

    #[test]
    fn a_square_reads_one_slot_twice() {
        let mut arena = Buffer::new();
        let (x, _) = arena.act(&[-3, 0, 5, 181], true);
        let (out, _) = arena.act(&[0; 4], true);
        let scale = Multiplier::IDENTITY;
        let op = Mul { rows: 2, width: 2, x, y: x, spread: Spread::Element, scale, out: Some(out) };
        assert_eq!(run(op, &arena, &Buffer::new(), 1).unwrap().values(out), [9, 0, 25, 32761]);
        assert_eq!(run(Mul { out: None, ..op }, &arena, &Buffer::new(), 1).err(), Some(Fault::Overlap));
    }

    #[test]
    fn short_slices_are_a_fault() {
        let args = MulArgs { width: 2, spread: Spread::Element, scale: Multiplier::IDENTITY };
        let mut out = [0i8; 4];
        let y = [1i8; 4];
        let mut run = |args: MulArgs, x: &[i8], y: &[i8]| {
            mul(&args, Some(Tensor::I8(x)), Tensor::I8(y), &mut TensorMut::I8(&mut out))
        };
        assert_eq!(run(args, &y, &y), Ok(()));
        assert_eq!(run(args, &y[..3], &y), Err(Fault::Bounds));
        assert_eq!(run(args, &y, &y[..3]), Err(Fault::Bounds));
        for spread in [Spread::Channel, Spread::Row] {
            assert_eq!(run(MulArgs { spread, ..args }, &y, &y[..2]), Ok(()));
            assert_eq!(run(MulArgs { spread, ..args }, &y, &y[..1]), Err(Fault::Bounds));
        }
        assert_eq!(run(MulArgs { width: 0, ..args }, &y, &y), Ok(()));
    }

    #[test]
    fn the_checker_refuses_hostile_records() {
        let (x, y) = (Act::I8(Slot::new(0, 6)), Act::I16(Slot::new(8, 6)));
        let scale = Multiplier::IDENTITY;
        let op = Mul { rows: 2, width: 3, x, y, spread: Spread::Element, scale, out: None };
        let check = |op: Mul| op.check(&Consts::new(&[]));
        let wide = Act::I32(Slot::new(32, 6));
        assert_eq!(check(op), Ok(()));
        assert_eq!(check(Mul { rows: 0, ..op }), Err(Reject::Dimension));
        assert_eq!(check(Mul { width: 0, ..op }), Err(Reject::Dimension));
        assert_eq!(check(Mul { x: wide, ..op }), Err(Reject::Type));
        assert_eq!(check(Mul { y: wide, ..op }), Err(Reject::Type));
        assert_eq!(check(Mul { out: Some(wide), ..op }), Err(Reject::Type));
        assert_eq!(check(Mul { spread: Spread::Channel, ..op }), Err(Reject::SlotLength));
        let scale = Multiplier { mantissa: 1, shift: 63 };
        assert_eq!(check(Mul { scale, ..op }), Err(Reject::Shift));
    }
}
