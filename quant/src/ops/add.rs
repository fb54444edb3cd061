//! Add: the residual addition, `x ← saturate(round(x · a) + round(y · b))` in int16.
//!
//! Each operand is requantized to the scale of the result and rounded half up once,
//! on its own; the sum of the two integers is saturated. There is no intermediate
//! saturation: each rounded product is below 2⁶² in magnitude, and the sum of two of
//! them fits 64 bits.

use serde::{Deserialize, Serialize};

use super::Consts;
use crate::arith::{Multiplier, saturate_i16};
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Blob, Memory, Slot, Window};
use crate::operand::{Tiling, Visitor};
use crate::slice;

/// Adds to each row of the 16-bit stream `x`, in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Add {
    /// Rows (tokens).
    pub rows: u32,
    /// Elements of each row.
    pub width: u32,
    /// The stream, `rows × width`, updated.
    pub x: Slot<i16>,
    /// Multiplier of `x`: `s_x / s_out`.
    pub x_scale: Multiplier,
    /// What is added.
    pub y: Addend,
    /// Multiplier of `y`: `s_y / s_out`.
    pub y_scale: Multiplier,
}

/// The second operand of an [`Add`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Addend {
    /// Activations, `rows × width`.
    Slot(Slot<i16>),
    /// A constant: `rows × width` (a position embedding), or one row of `width` added to every row.
    Blob(Blob<i16>),
}

impl Add {
    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        visitor.update(&mut self.x, Tiling::rows(self.width));
        match &mut self.y {
            Addend::Slot(y) => visitor.read(y, Tiling::rows(self.width)),
            Addend::Blob(y) => visitor.constant(y),
        }
    }

    /// Rows (tokens).
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// None: not a matrix product.
    pub fn macs(&self) -> u64 {
        0
    }

    /// Shifts in range; a constant of all rows or of one.
    pub fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
        if self.rows == 0 || self.width == 0 {
            return Err(Reject::Dimension);
        }
        if !(self.x_scale.is_valid() && self.y_scale.is_valid()) {
            return Err(Reject::Shift);
        }
        match self.y {
            Addend::Slot(_) => Ok(()),
            Addend::Blob(y) if y.len == self.width => consts.get(y, self.width).map(|_| ()),
            Addend::Blob(y) => {
                let all = self.rows.checked_mul(self.width).ok_or(Reject::Dimension)?;
                consts.get(y, all).map(|_| ())
            }
        }
    }

    /// Runs the rows of `window`.
    pub fn run<K: Kernels>(
        &self,
        kernels: &mut K,
        memory: &mut Memory<'_>,
        window: Window,
    ) -> Result<(), Fault> {
        let args = AddArgs { x_scale: self.x_scale, y_scale: self.y_scale };
        let x = window.of(self.x, self.width, self.width)?;
        match self.y {
            Addend::Slot(y) => {
                let y = window.of(y, self.width, self.width)?;
                let (x, rest) = memory.split(x)?;
                kernels.add(&args, x, rest.read(y)?)
            }
            Addend::Blob(y) => {
                let all = memory.blob(y)?;
                let y = if y.len == self.width {
                    all
                } else {
                    let width = self.width as usize;
                    let start = (window.start as usize).checked_mul(width).ok_or(Fault::Bounds)?;
                    slice::window(all, start, (x.len) as usize)?
                };
                kernels.add(&args, memory.slot(x)?, y)
            }
        }
    }
}

/// Multipliers of an [`Add`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddArgs {
    /// Multiplier of the stream.
    pub x_scale: Multiplier,
    /// Multiplier of what is added.
    pub y_scale: Multiplier,
}

/// `saturate(round(stream · stream_scale) + round(branch · branch_scale))`.
#[inline(always)]
pub fn sum(stream: i16, stream_scale: Multiplier, branch: i16, branch_scale: Multiplier) -> i16 {
    saturate_i16(stream_scale.apply(stream.into()).saturating_add(branch_scale.apply(branch.into())))
}

/// Scalar reference. A `y` shorter than `x` is repeated; an empty one is a [`Fault`].
pub fn add(args: &AddArgs, x: &mut [i16], y: &[i16]) -> Result<(), Fault> {
    if y.is_empty() {
        return Err(Fault::Bounds);
    }
    for row in x.chunks_mut(y.len()) {
        for (x, &y) in row.iter_mut().zip(y) {
            *x = sum(*x, args.x_scale, y, args.y_scale);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Buffer, run};
    use proptest::prelude::*;
    use std::vec::Vec;

    fn exact(x: i16, a: Multiplier, y: i16, b: Multiplier) -> i128 {
        let rounded = |v: i16, m: Multiplier| {
            (2 * i128::from(v) * i128::from(m.mantissa) + (1 << m.shift)).div_euclid(1 << (m.shift + 1))
        };
        (rounded(x, a) + rounded(y, b)).clamp(i16::MIN.into(), i16::MAX.into())
    }

    fn multiplier() -> impl Strategy<Value = Multiplier> {
        (prop_oneof![any::<i32>(), Just(i32::MIN), Just(i32::MAX)], prop_oneof![1u8..=62, 12u8..=18])
            .prop_map(|(mantissa, shift)| Multiplier { mantissa, shift })
    }

    fn value() -> impl Strategy<Value = i16> {
        prop_oneof![any::<i16>(), Just(i16::MIN), Just(i16::MAX), -2i16..=2]
    }

    proptest! {
        #[test]
        fn equals_exact_arithmetic(
            x in value(), a in multiplier(), y in value(), b in multiplier(),
        ) {
            prop_assert_eq!(i128::from(sum(x, a, y, b)), exact(x, a, y, b));
        }

        #[test]
        fn slots_constants_and_broadcast_agree_in_every_tile(
            (rows, width, tile) in (1u32..6, 1u32..6, 1u32..7),
            values in prop::collection::vec(any::<[i16; 2]>(), 36),
        ) {
            let count = (rows * width) as usize;
            let x: Vec<i16> = values[..count].iter().map(|v| v[0]).collect();
            let row: Vec<i16> = values[..width as usize].iter().map(|v| v[1]).collect();
            let y = row.repeat(rows as usize);
            let (mut arena, mut consts) = (Buffer::new(), Buffer::new());
            let op = Add {
                rows,
                width,
                x: arena.slot(&x),
                x_scale: Multiplier { mantissa: 1 << 30, shift: 30 },
                y: Addend::Slot(arena.slot(&y)),
                y_scale: Multiplier { mantissa: 3, shift: 2 },
            };
            let want: Vec<i16> = x.iter().zip(&y).map(|(&x, &y)| sum(x, op.x_scale, y, op.y_scale)).collect();
            for y in [op.y, Addend::Blob(consts.blob(&y)), Addend::Blob(consts.blob(&row))] {
                let op = Add { y, ..op };
                prop_assert_eq!(op.check(&Consts::new(consts.bytes())), Ok(()));
                prop_assert_eq!(run(op, &arena, &consts, tile).unwrap().get(op.x), want.clone());
            }
        }
    }

    #[test]
    fn an_empty_addend_is_a_fault_not_a_hang() {
        let args = AddArgs { x_scale: Multiplier::IDENTITY, y_scale: Multiplier::IDENTITY };
        assert_eq!(add(&args, &mut [1, 2], &[]), Err(Fault::Bounds));
        let mut x = [1, 2, 3];
        add(&args, &mut x, &[10, 20]).unwrap();
        assert_eq!(x, [11, 22, 13]);
    }

    #[test]
    fn the_checker_refuses_hostile_records() {
        let mut consts = Buffer::new();
        let y = consts.blob(&[0i16; 6]);
        let op = Add {
            rows: 2,
            width: 3,
            x: Slot::new(0, 6),
            x_scale: Multiplier::IDENTITY,
            y: Addend::Blob(y),
            y_scale: Multiplier::IDENTITY,
        };
        let check = |op: Add| op.check(&Consts::new(consts.bytes()));
        assert_eq!(check(op), Ok(()));
        assert_eq!(check(Add { rows: 3, ..op }), Err(Reject::BlobLength));
        assert_eq!(check(Add { width: 0, ..op }), Err(Reject::Dimension));
        assert_eq!(check(Add { rows: u32::MAX, width: u32::MAX, ..op }), Err(Reject::Dimension));
        let y_scale = Multiplier { mantissa: 1, shift: 63 };
        assert_eq!(check(Add { y_scale, ..op }), Err(Reject::Shift));
        assert_eq!(check(Add { y: Addend::Blob(Blob::new(u32::MAX, 6)), ..op }), Err(Reject::Blob));
    }
}
