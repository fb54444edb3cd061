//! Rotary: rotary position embedding, pairs of channels turned by the angle of their position.
//!
//! ```text
//! first  ← saturate(round((first · cos − second · sin) · scale))
//! second ← saturate(round((second · cos + first · sin) · scale))
//! ```
//!
//! Heads lie side by side in a row and share its angles. Cosines and sines are Q14: 16384 is 1,
//! so that a row that is not turned stays as it is, exactly. With |cos|, |sin| ≤ 2¹⁴ and
//! activations of at most 16 bits a sum is at most 2³⁰ in magnitude, exact in 32 bits; it is
//! requantized once, rounded half up, and saturated to the type of the result.

use serde::{Deserialize, Serialize};

use super::{Act, Consts, Tensor, TensorMut};
use crate::arith::Multiplier;
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Blob, DType, Memory, Window};
use crate::operand::{Role, Tiling, Visitor};

/// The cosine of no rotation: angles are Q14.
pub const ONE: i16 = 1 << 14;

/// Turns pairs of channels in each row by the angles of its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotary {
    /// Rows (tokens).
    pub rows: u32,
    /// Elements of each row that are turned: a multiple of `head_dim`.
    pub width: u32,
    /// Channels of each head: even.
    pub head_dim: u32,
    /// Which channels of a head are a pair.
    pub pairs: Pairs,
    /// Input, int8 or int16, rows `stride` apart.
    pub x: Act,
    /// Elements from one row of `x` to the next, at least `width`.
    pub stride: u32,
    /// For each position the cosines of the `head_dim / 2` pairs of a head, then their sines, of at
    /// most 2¹⁴ in magnitude. Row `r` has position `r mod positions`; `positions` divides `rows`.
    pub angles: Blob<i16>,
    /// Multiplier of the sums: `s_x / s_out / 2¹⁴`.
    pub scale: Multiplier,
    /// Output, `rows × width`, int8 or int16.
    pub out: Act,
}

/// Which channels of a head are a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pairs {
    /// `i` and `i + head_dim / 2`.
    Halves,
    /// `2·i` and `2·i + 1`.
    Neighbours,
}

impl Pairs {
    /// The channels of pair `pair` of a head with `half` pairs.
    #[inline(always)]
    pub const fn channels(self, pair: usize, half: usize) -> (usize, usize) {
        match self {
            Pairs::Halves => (pair, pair + half),
            Pairs::Neighbours => (2 * pair, 2 * pair + 1),
        }
    }
}

impl Rotary {
    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        self.x.visit(visitor, Role::Read, Tiling::Rows { stride: self.stride, width: self.width });
        visitor.constant(&mut self.angles);
        self.out.visit(visitor, Role::Write, Tiling::rows(self.width));
    }

    /// Rows (tokens).
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// None: not a matrix product.
    pub fn macs(&self) -> u64 {
        0
    }

    /// Whole heads of whole pairs, whole turns of positions, angles of at most 1, int8 and int16
    /// only, a shift in range.
    pub fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
        let whole = |of: u32, part: u32| of != 0 && of.checked_rem(part) == Some(0);
        let positions = self.angles.len.checked_div(self.head_dim).unwrap_or(0);
        let heads = whole(self.head_dim, 2) && whole(self.width, self.head_dim) && self.width <= self.stride;
        if !heads || !whole(self.angles.len, self.head_dim) || !whole(self.rows, positions) {
            return Err(Reject::Dimension);
        }
        let narrow = |act: &Act| matches!(act.dtype(), DType::I8 | DType::I16);
        if !(narrow(&self.x) && narrow(&self.out)) {
            return Err(Reject::Type);
        }
        let angles = consts.get(self.angles, self.angles.len)?;
        if angles.iter().any(|angle| angle.unsigned_abs() > ONE.unsigned_abs()) {
            return Err(Reject::Bias);
        }
        if self.scale.is_valid() { Ok(()) } else { Err(Reject::Shift) }
    }

    /// Runs the rows of `window`.
    pub fn run<K: Kernels>(
        &self,
        kernels: &mut K,
        memory: &mut Memory<'_>,
        window: Window,
    ) -> Result<(), Fault> {
        let args = RotaryArgs {
            width: self.width as usize,
            head_dim: self.head_dim as usize,
            pairs: self.pairs,
            stride: self.stride as usize,
            first: window.start as usize,
            angles: memory.blob(self.angles)?,
            scale: self.scale,
        };
        let x = self.x.window(window, self.stride, self.width)?;
        let (mut out, rest) = self.out.window(window, self.width, self.width)?.split(memory)?;
        kernels.rotary(&args, x.read(&rest)?, &mut out)
    }
}

/// What a [`Rotary`] does with rows of `width`.
#[derive(Clone, Copy, Debug)]
pub struct RotaryArgs<'a> {
    /// Elements of each row of the output.
    pub width: usize,
    /// Channels of each head.
    pub head_dim: usize,
    /// Which channels of a head are a pair.
    pub pairs: Pairs,
    /// Elements from one row of the input to the next.
    pub stride: usize,
    /// The first row, of all those of the instruction.
    pub first: usize,
    /// For each position the cosines of a head's pairs, then their sines.
    pub angles: &'a [i16],
    /// Multiplier of the sums.
    pub scale: Multiplier,
}

impl<'a> RotaryArgs<'a> {
    /// The cosines and the sines of row `row`, counted from the first in hand.
    #[inline]
    pub fn angles(&self, row: usize) -> Result<(&'a [i16], &'a [i16]), Fault> {
        let positions = self.angles.len().checked_div(self.head_dim).unwrap_or(0);
        let position = (self.first + row).checked_rem(positions).ok_or(Fault::Bounds)?;
        let angles = crate::slice::window(self.angles, position * self.head_dim, self.head_dim)?;
        angles.split_at_checked(self.head_dim / 2).ok_or(Fault::Bounds)
    }
}

/// `(first · cos − second · sin, second · cos + first · sin)`, exact in 32 bits for activations of
/// 16 bits and angles of at most 2¹⁴.
#[inline(always)]
pub fn turned(first: i32, second: i32, cos: i16, sin: i16) -> (i32, i32) {
    let (cos, sin) = (i32::from(cos), i32::from(sin));
    let product = |a: i32, b: i32| a.wrapping_mul(b);
    (
        product(first, cos).wrapping_sub(product(second, sin)),
        product(second, cos).wrapping_add(product(first, sin)),
    )
}

/// Scalar reference.
pub fn rotary(args: &RotaryArgs<'_>, x: Tensor<'_>, out: &mut TensorMut<'_>) -> Result<(), Fault> {
    let rows = out.len().checked_div(args.width).unwrap_or(0);
    let heads = args.width.checked_div(args.head_dim).unwrap_or(0);
    let Some(last) = rows.checked_sub(1) else { return Ok(()) };
    if x.len() < last * args.stride + args.width {
        return Err(Fault::Bounds);
    }
    for row in 0..rows {
        let (cosines, sines) = args.angles(row)?;
        for head in 0..heads {
            for (pair, (&cos, &sin)) in cosines.iter().zip(sines).enumerate() {
                let (a, b) = args.pairs.channels(pair, args.head_dim / 2);
                let at = |channel: usize| head * args.head_dim + channel;
                let value = |channel: usize| x.get(row * args.stride + at(channel));
                let (first, second) = turned(value(a), value(b), cos, sin);
                out.set(row * args.width + at(a), args.scale.apply(first));
                out.set(row * args.width + at(b), args.scale.apply(second));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::Slot;
    use crate::ops::testing::{Buffer, run};
    use proptest::prelude::*;
    use std::vec::Vec;

    fn exact(sum: i128, scale: Multiplier, [low, high]: [i128; 2]) -> i128 {
        let product = 2 * sum * i128::from(scale.mantissa);
        (product + (1 << scale.shift)).div_euclid(1 << (scale.shift + 1)).clamp(low, high)
    }

    fn multiplier() -> impl Strategy<Value = Multiplier> {
        (prop_oneof![any::<i32>(), Just(i32::MIN), Just(i32::MAX)], prop_oneof![1u8..=62, 40u8..=48])
            .prop_map(|(mantissa, shift)| Multiplier { mantissa, shift })
    }

    fn value() -> impl Strategy<Value = i16> {
        prop_oneof![any::<i16>(), Just(i16::MIN), Just(i16::MAX), -128i16..128]
    }

    fn angle() -> impl Strategy<Value = i16> {
        prop_oneof![-ONE..=ONE, Just(-ONE), Just(ONE)]
    }

    proptest! {
        #[test]
        fn equals_exact_arithmetic_in_every_tile_layout_and_type(
            (heads, half, tile) in (1u32..3, 1u32..4, 1u32..7),
            (positions, turns, gap) in (1u32..4, 1u32..3, 0u32..3),
            values in prop::collection::vec(value(), 6 * 15),
            angles in prop::collection::vec(angle(), 3 * 6),
            scale in multiplier(),
            (wide, out_wide, neighbours) in any::<(bool, bool, bool)>(),
        ) {
            let (rows, head_dim, width) = (positions * turns, 2 * half, heads * 2 * half);
            let stride = width + gap;
            let pairs = if neighbours { Pairs::Neighbours } else { Pairs::Halves };
            let (mut arena, mut consts) = (Buffer::new(), Buffer::new());
            let len = ((rows - 1) * stride + width) as usize;
            let (x, xs) = arena.act(&values[..len], wide);
            let (out, _) = arena.act(&std::vec![0; (rows * width) as usize], out_wide);
            let angles = &angles[..(positions * head_dim) as usize];
            let blob = consts.blob(angles);
            let op = Rotary { rows, width, head_dim, pairs, x, stride, angles: blob, scale, out };
            prop_assert_eq!(op.check(&Consts::new(consts.bytes())), Ok(()));
            let limits = if out_wide { [-32768, 32767] } else { [-128, 127] };
            let mut want = Vec::new();
            for r in 0..rows {
                for c in 0..width {
                    let (head, channel) = (c / head_dim, c % head_dim);
                    // The channel that it is turned with, its pair, and whether it is the second.
                    let (partner, pair, second) = match (neighbours, channel < half) {
                        (true, _) => (channel ^ 1, channel / 2, channel % 2 == 1),
                        (false, true) => (channel + half, channel, false),
                        (false, false) => (channel - half, channel - half, true),
                    };
                    let at = |channel: u32| i128::from(xs[(r * stride + head * head_dim + channel) as usize]);
                    let angle = |of: u32| i128::from(angles[(r % positions * head_dim + of) as usize]);
                    let sign = if second { 1 } else { -1 };
                    let sum = at(channel) * angle(pair) + sign * at(partner) * angle(half + pair);
                    want.push(exact(sum, scale, limits));
                }
            }
            prop_assert_eq!(run(op, &arena, &consts, tile).unwrap().values(out), want);
        }
    }

    #[test]
    fn the_extremes_do_not_overflow() {
        for (cos, sin) in [(ONE, ONE), (ONE, -ONE), (-ONE, ONE), (-ONE, -ONE)] {
            for (a, b) in [(i16::MIN, i16::MIN), (i16::MIN, i16::MAX), (i16::MAX, i16::MIN)] {
                let wide = [a, b, cos, sin].map(i64::from);
                let want = (wide[0] * wide[2] - wide[1] * wide[3], wide[1] * wide[2] + wide[0] * wide[3]);
                let got = turned(a.into(), b.into(), cos, sin);
                assert_eq!((i64::from(got.0), i64::from(got.1)), want);
            }
        }
    }

    #[test]
    fn a_row_that_is_not_turned_stays() {
        let (mut arena, mut consts) = (Buffer::new(), Buffer::new());
        let values = [-32768i16, 32767, 5, -6];
        let (x, _) = arena.act(&values, true);
        let (out, _) = arena.act(&[0; 4], true);
        let angles = consts.blob(&[ONE, 0]);
        let scale = Multiplier { mantissa: 1 << 30, shift: 44 };
        let pairs = Pairs::Halves;
        let op = Rotary { rows: 1, width: 4, head_dim: 2, pairs, x, stride: 4, angles, scale, out };
        let made = run(op, &arena, &consts, 1).unwrap().values(out);
        assert_eq!(made, values.map(i128::from));
    }

    #[test]
    fn the_checker_refuses_hostile_records() {
        let mut consts = Buffer::new();
        let angles = consts.blob(&[ONE; 8]);
        let steep = consts.blob(&[ONE + 1; 8]);
        let (x, out) = (Act::I8(Slot::new(0, 16)), Act::I16(Slot::new(16, 16)));
        let (pairs, scale) = (Pairs::Halves, Multiplier::IDENTITY);
        let op = Rotary { rows: 2, width: 8, head_dim: 4, pairs, x, stride: 8, angles, scale, out };
        let check = |op: Rotary| op.check(&Consts::new(consts.bytes()));
        assert_eq!(check(op), Ok(()));
        let wrong = [
            Rotary { rows: 0, ..op },
            Rotary { rows: 3, ..op },
            Rotary { width: 0, ..op },
            Rotary { width: 6, ..op },
            Rotary { head_dim: 0, ..op },
            Rotary { head_dim: 1, ..op },
            Rotary { stride: 7, ..op },
            Rotary { head_dim: 8, angles: Blob::new(0, 4), ..op },
            Rotary { angles: Blob::new(0, 0), ..op },
        ];
        for op in wrong {
            assert_eq!(check(op), Err(Reject::Dimension), "{op:?}");
        }
        let wide = Act::I32(Slot::new(64, 16));
        assert_eq!(check(Rotary { x: wide, ..op }), Err(Reject::Type));
        assert_eq!(check(Rotary { out: wide, ..op }), Err(Reject::Type));
        assert_eq!(check(Rotary { angles: steep, ..op }), Err(Reject::Bias));
        assert_eq!(check(Rotary { scale: Multiplier { mantissa: 1, shift: 0 }, ..op }), Err(Reject::Shift));
    }

    #[test]
    fn short_slices_are_a_fault() {
        let args = RotaryArgs {
            width: 4,
            head_dim: 2,
            pairs: Pairs::Neighbours,
            stride: 5,
            first: 0,
            angles: &[ONE, 0],
            scale: Multiplier::IDENTITY,
        };
        let (x, mut out) = ([1i8; 9], [0i8; 8]);
        let mut run =
            |args: RotaryArgs<'_>, x: &[i8]| rotary(&args, Tensor::I8(x), &mut TensorMut::I8(&mut out));
        assert_eq!(run(args, &x), Ok(()));
        assert_eq!(run(args, &x[..8]), Err(Fault::Bounds));
        assert_eq!(run(RotaryArgs { angles: &[], ..args }, &x), Err(Fault::Bounds));
        assert_eq!(run(RotaryArgs { head_dim: 0, ..args }, &x), Err(Fault::Bounds));
        assert_eq!(run(RotaryArgs { width: 0, ..args }, &x), Ok(()));
    }
}
