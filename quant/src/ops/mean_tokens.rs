//! MeanTokens: the mean over tokens, `out[c] = saturate(round(Σ_t x[t][c] · mantissa / 2^shift))`.
//!
//! The multiplier holds `1 / tokens` besides the ratio of scales, so that there is one
//! rounding, half up. At most 65535 tokens: `65535 · 2¹⁵ < 2³¹`, the sum fits int32.

use serde::{Deserialize, Serialize};

use super::{Act, Consts, Tensor, TensorMut};
use crate::arith::Multiplier;
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Memory, Window};
use crate::operand::{Role, Tiling, Visitor};
use crate::slice::rows;

/// Most tokens whose int16 values sum in int32.
const MAX_TOKENS: u32 = u16::MAX as u32;

/// Mean of `tokens` rows of `width` channels. Runs as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeanTokens {
    /// Rows of the input, `1..=65535`.
    pub tokens: u32,
    /// Channels.
    pub width: u32,
    /// Input, `tokens × width`, int8 or int16.
    pub x: Act,
    /// `s_x / (tokens · s_out)`.
    pub scale: Multiplier,
    /// Output, `width`.
    pub out: Act,
}

impl MeanTokens {
    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        self.x.visit(visitor, Role::Read, Tiling::All { stride: self.width, width: self.width });
        self.out.visit(visitor, Role::Write, Tiling::Whole);
    }

    /// One: it runs as a whole.
    pub fn rows(&self) -> u32 {
        1
    }

    /// None: not a matrix product.
    pub fn macs(&self) -> u64 {
        0
    }

    /// At most 65535 tokens, exact slot lengths, the shift in range.
    pub fn check(&self, _consts: &Consts<'_>) -> Result<(), Reject> {
        if self.tokens == 0 || self.tokens > MAX_TOKENS || self.width == 0 {
            return Err(Reject::Dimension);
        }
        if matches!(self.x, Act::I32(_)) {
            return Err(Reject::Type);
        }
        if !self.scale.is_valid() {
            return Err(Reject::Shift);
        }
        let input = self.tokens.checked_mul(self.width).ok_or(Reject::Dimension)?;
        if self.x.len() != input || self.out.len() != self.width { Err(Reject::SlotLength) } else { Ok(()) }
    }

    /// Runs all channels.
    pub fn run<K: Kernels>(&self, kernels: &mut K, memory: &mut Memory<'_>, _: Window) -> Result<(), Fault> {
        let args = MeanTokensArgs { width: self.width as usize, scale: self.scale };
        let (mut out, rest) = self.out.split(memory)?;
        kernels.mean_tokens(&args, self.x.read(&rest)?, &mut out)
    }
}

/// Constants of a [`MeanTokens`] over rows of `width`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeanTokensArgs {
    /// Channels.
    pub width: usize,
    /// Multiplier of the sum.
    pub scale: Multiplier,
}

/// Scalar reference.
pub fn mean_tokens(args: &MeanTokensArgs, x: Tensor<'_>, out: &mut TensorMut<'_>) -> Result<(), Fault> {
    for c in 0..args.width {
        let sum = match x {
            Tensor::I8(x) => column_sum(x, args.width, c),
            Tensor::I16(x) => column_sum(x, args.width, c),
            Tensor::I32(_) => return Err(Fault::Instruction),
        };
        out.set(c, args.scale.apply(sum));
    }
    Ok(())
}

/// Sum of element `column` of every row.
fn column_sum<T: Copy + Into<i32>>(x: &[T], width: usize, column: usize) -> i32 {
    rows(x, width).filter_map(|row| row.get(column)).map(|&v| v.into()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::Slot;
    use crate::ops::testing::{Buffer, run};
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    #[test]
    fn the_largest_sums_fit() {
        assert_eq!(i64::from(MAX_TOKENS) * i64::from(i16::MIN), i64::from(i32::MIN) + 32768);
        let x = vec![i16::MIN; MAX_TOKENS as usize];
        let mut out = [0i32];
        let args = MeanTokensArgs { width: 1, scale: Multiplier::IDENTITY };
        mean_tokens(&args, Tensor::I16(&x), &mut TensorMut::I32(&mut out)).unwrap();
        assert_eq!(out, [i32::MIN + 32768]);
    }

    proptest! {
        #[test]
        fn equals_exact_arithmetic(
            (width, x) in (1usize..6).prop_flat_map(|w| (Just(w), prop::collection::vec(any::<i16>(), w..=w * 9))),
            mantissa: i32,
            shift in 1u8..=62,
            narrow: bool,
        ) {
            let tokens = x.len() / width;
            let x = &x[..tokens * width];
            let x8: Vec<i8> = x.iter().map(|&v| v as i8).collect();
            let mut arena = Buffer::new();
            let out = arena.slot(&vec![0i16; width]);
            let input = if narrow { Act::I8(arena.slot(&x8)) } else { Act::I16(arena.slot(x)) };
            let op = MeanTokens {
                tokens: tokens as u32,
                width: width as u32,
                x: input,
                scale: Multiplier { mantissa, shift },
                out: Act::I16(out),
            };
            prop_assert_eq!(op.check(&Consts::new(&[])), Ok(()));
            let got = run(op, &arena, &Buffer::new(), 1).unwrap().get(out);
            for c in 0..width {
                let sum: i128 = (0..tokens)
                    .map(|t| if narrow { i128::from(x8[t * width + c]) } else { i128::from(x[t * width + c]) })
                    .sum();
                let want = (2 * sum * i128::from(mantissa) + (1 << shift)).div_euclid(1 << (shift + 1));
                prop_assert_eq!(i128::from(got[c]), want.clamp(i16::MIN.into(), i16::MAX.into()));
            }
        }
    }

    #[test]
    fn the_checker_refuses_hostile_records() {
        let x = Act::I16(Slot::new(0, 6));
        let op = MeanTokens {
            tokens: 3,
            width: 2,
            x,
            scale: Multiplier::IDENTITY,
            out: Act::I8(Slot::new(16, 2)),
        };
        let check = |op: MeanTokens| op.check(&Consts::new(&[]));
        assert_eq!(check(op), Ok(()));
        assert_eq!(check(MeanTokens { tokens: 65536, ..op }), Err(Reject::Dimension));
        assert_eq!(check(MeanTokens { tokens: 65535, width: u32::MAX, ..op }), Err(Reject::Dimension));
        assert_eq!(check(MeanTokens { width: 3, ..op }), Err(Reject::SlotLength));
        assert_eq!(check(MeanTokens { out: x, ..op }), Err(Reject::SlotLength));
        assert_eq!(check(MeanTokens { x: Act::I32(Slot::new(0, 6)), ..op }), Err(Reject::Type));
        assert_eq!(
            check(MeanTokens { scale: Multiplier { mantissa: 1, shift: 0 }, ..op }),
            Err(Reject::Shift)
        );
    }
}
