//! Requantize: `out = saturate(round(sat32(x + bias[c]) · mantissa[c] / 2^shift[c]))`.
//!
//! Changes scale, zero point or width of activations, per tensor or per channel. The sum
//! with the bias is saturated to int32 (it is exact for int8 and int16); the product is
//! rounded half up once and saturated to the type of `out`.

use serde::{Deserialize, Serialize};

use super::{Act, ChannelsRef, Consts, PerChannel, Tensor, TensorMut};
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Memory, Window};
use crate::operand::{Role, Tiling, Visitor};

/// Requantizes rows of `width` elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requantize {
    /// Rows (tokens).
    pub rows: u32,
    /// Elements of each row.
    pub width: u32,
    /// Input, `rows × width`.
    pub x: Act,
    /// Biases and multipliers, of all elements or of each channel.
    pub requant: PerChannel,
    /// Number of them: 1 or `width`.
    pub channels: u32,
    /// Output, `rows × width`.
    pub out: Act,
}

impl Requantize {
    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        self.x.visit(visitor, Role::Read, Tiling::rows(self.width));
        self.requant.operands(visitor);
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

    /// One multiplier or one per channel, |bias| ≤ 2³⁰, shifts in range.
    pub fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
        if self.rows == 0 || self.width == 0 || !(self.channels == 1 || self.channels == self.width) {
            return Err(Reject::Dimension);
        }
        self.requant.check(consts, self.channels)
    }

    /// Runs the rows of `window`.
    pub fn run<K: Kernels>(
        &self,
        kernels: &mut K,
        memory: &mut Memory<'_>,
        window: Window,
    ) -> Result<(), Fault> {
        let args = RequantizeArgs {
            width: self.width as usize,
            bias: memory.blob(self.requant.bias)?,
            scale: self.requant.scale.load(memory)?,
        };
        let x = self.x.window(window, self.width, self.width)?;
        let (mut out, rest) = self.out.window(window, self.width, self.width)?.split(memory)?;
        kernels.requantize(&args, x.read(&rest)?, &mut out)
    }
}

/// Constants of a [`Requantize`] over rows of `width`.
#[derive(Clone, Copy, Debug)]
pub struct RequantizeArgs<'a> {
    /// Elements of each row.
    pub width: usize,
    /// Bias of each channel, or one for all.
    pub bias: &'a [i32],
    /// Multiplier of each channel, or one for all; as many as biases.
    pub scale: ChannelsRef<'a>,
}

/// Scalar reference.
pub fn requantize(args: &RequantizeArgs<'_>, x: Tensor<'_>, out: &mut TensorMut<'_>) -> Result<(), Fault> {
    if x.len() < out.len() {
        return Err(Fault::Bounds);
    }
    let shared = args.bias.len() == 1;
    let rows = out.len().checked_div(args.width).unwrap_or(0);
    for r in 0..rows {
        for c in 0..args.width {
            let at = r * args.width + c;
            let channel = if shared { 0 } else { c };
            let bias = args.bias.get(channel).copied().unwrap_or(0);
            out.set(at, args.scale.apply(channel, x.get(at).saturating_add(bias)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::{Blob, Slot};
    use crate::ops::Channels;
    use crate::ops::testing::{Buffer, run};
    use proptest::prelude::*;
    use std::vec::Vec;

    fn exact(x: i32, bias: i32, m: i32, e: u8) -> i128 {
        let z = (i128::from(x) + i128::from(bias)).clamp(i32::MIN.into(), i32::MAX.into());
        (2 * z * i128::from(m) + (1 << e)).div_euclid(1 << (e + 1))
    }

    proptest! {
        #[test]
        fn equals_exact_arithmetic_for_every_type_and_tile(
            x in prop::collection::vec(prop_oneof![any::<i32>(), Just(i32::MIN), Just(i32::MAX)], 12),
            bias in prop::array::uniform3(prop_oneof![-(1i32 << 30)..=1 << 30, Just(1 << 30), Just(-(1 << 30))]),
            m in prop::array::uniform3(any::<i32>()),
            e in prop::array::uniform3(1u8..=62),
            per_channel: bool,
            tile in 1u32..5,
        ) {
            let (mut arena, mut consts) = (Buffer::new(), Buffer::new());
            let x8: Vec<i8> = x.iter().map(|&v| v as i8).collect();
            let x16: Vec<i16> = x.iter().map(|&v| v as i16).collect();
            let (out8, out16, out32) = (arena.slot(&[0i8; 12]), arena.slot(&[0i16; 12]), arena.slot(&[0i32; 12]));
            let inputs = [
                (Act::I8(arena.slot(&x8)), x8.iter().map(|&v| v.into()).collect()),
                (Act::I16(arena.slot(&x16)), x16.iter().map(|&v| v.into()).collect()),
                (Act::I32(arena.slot(&x)), x),
            ];
            let channels = if per_channel { 3 } else { 1 };
            let requant = PerChannel {
                bias: consts.blob(&bias[..channels]),
                scale: Channels { mantissa: consts.blob(&m[..channels]), shift: consts.blob(&e[..channels]) },
            };
            for (x, values) in inputs {
                let op = |out| Requantize { rows: 4, width: 3, x, requant, channels: channels as u32, out };
                prop_assert_eq!(op(Act::I8(out8)).check(&Consts::new(consts.bytes())), Ok(()));
                let want: Vec<i128> = values
                    .iter()
                    .enumerate()
                    .map(|(i, &v)| exact(v, bias[i % channels], m[i % channels], e[i % channels]))
                    .collect();
                let run = |out| run(op(out), &arena, &consts, tile).unwrap();
                let (a, b, c) = (run(Act::I8(out8)).get(out8), run(Act::I16(out16)).get(out16), run(Act::I32(out32)).get(out32));
                for i in 0..12 {
                    prop_assert_eq!(i128::from(a[i]), want[i].clamp(i8::MIN.into(), i8::MAX.into()));
                    prop_assert_eq!(i128::from(b[i]), want[i].clamp(i16::MIN.into(), i16::MAX.into()));
                    prop_assert_eq!(i128::from(c[i]), want[i].clamp(i32::MIN.into(), i32::MAX.into()));
                }
            }
        }
    }

    #[test]
    fn the_checker_refuses_hostile_records() {
        let mut consts = Buffer::new();
        let requant = PerChannel {
            bias: consts.blob(&[1i32 << 30; 2]),
            scale: Channels { mantissa: consts.blob(&[i32::MIN; 2]), shift: consts.blob(&[62u8; 2]) },
        };
        let x = Act::I32(Slot::new(0, 6));
        let op = Requantize { rows: 3, width: 2, x, requant, channels: 2, out: x };
        let check = |op: Requantize| op.check(&Consts::new(consts.bytes()));
        assert_eq!(check(op), Ok(()));
        assert_eq!(check(Requantize { channels: 1, ..op }), Err(Reject::BlobLength));
        assert_eq!(check(Requantize { width: 3, ..op }), Err(Reject::Dimension));
        assert_eq!(check(Requantize { width: 0, channels: 0, ..op }), Err(Reject::Dimension));
        let bias = Blob::new(0, 3);
        let wrong = Requantize { requant: PerChannel { bias, ..requant }, ..op };
        assert_eq!(check(wrong), Err(Reject::BlobLength));
    }
}
