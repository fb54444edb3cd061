//! Permute: a strided copy, `out[a, b, c, d] = x[a·s₀ + b·s₁ + c·s₂ + d·s₃]`. Exact.
//!
//! `out` is contiguous in the order of `shape`. This one op executes transposes, slices and
//! strided copies; a concatenation is several of them (or of
//! [`Requantize`](super::Requantize)) that write consecutive parts of a slot.

use serde::{Deserialize, Serialize};

use super::{Act, Consts, Tensor, TensorMut};
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Memory, Window};
use crate::operand::{Role, Tiling, Visitor};
use crate::slice::{at, rows_mut};

/// Copies a four-dimensional strided view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permute {
    /// Dimensions of `out`, outermost first; the first is the one tiled over.
    pub shape: [u32; 4],
    /// Elements of `x` from one index of each dimension to the next; 0 repeats.
    pub strides: [u32; 4],
    /// Input, at least up to the largest index.
    pub x: Act,
    /// Output, contiguous, of the type of `x`.
    pub out: Act,
}

impl Permute {
    /// Elements of one row of the output.
    fn width(&self) -> Option<u32> {
        let [_, b, c, d] = self.shape;
        b.checked_mul(c)?.checked_mul(d)
    }

    /// One past the largest index into `x`; `None` for an empty shape or past 2³² − 1.
    fn reach(&self) -> Option<u32> {
        let mut last = 0u32;
        for (size, stride) in self.shape.into_iter().zip(self.strides) {
            last = last.checked_add(size.checked_sub(1)?.checked_mul(stride)?)?;
        }
        last.checked_add(1)
    }

    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        let width = self.width().unwrap_or(u32::MAX);
        self.x.visit(visitor, Role::Read, Tiling::Whole);
        self.out.visit(visitor, Role::Write, Tiling::rows(width));
    }

    /// The outermost dimension.
    pub fn rows(&self) -> u32 {
        let [rows, ..] = self.shape;
        rows
    }

    /// None: not a matrix product.
    pub fn macs(&self) -> u64 {
        0
    }

    /// The same type on both sides, and every index inside `x`.
    pub fn check(&self, _consts: &Consts<'_>) -> Result<(), Reject> {
        self.width().and_then(|width| width.checked_mul(self.rows())).ok_or(Reject::Dimension)?;
        let reach = self.reach().ok_or(Reject::Dimension)?;
        if self.x.dtype() != self.out.dtype() {
            return Err(Reject::Type);
        }
        if reach > self.x.len() { Err(Reject::SlotLength) } else { Ok(()) }
    }

    /// Runs the outermost indices of `window`.
    pub fn run<K: Kernels>(
        &self,
        kernels: &mut K,
        memory: &mut Memory<'_>,
        window: Window,
    ) -> Result<(), Fault> {
        let width = self.width().ok_or(Fault::Instruction)?;
        let args = PermuteArgs {
            shape: self.shape.map(|size| size as usize),
            strides: self.strides.map(|stride| stride as usize),
            first: window.start as usize,
        };
        let (mut out, rest) = self.out.window(window, width, width)?.split(memory)?;
        kernels.permute(&args, self.x.read(&rest)?, &mut out)
    }
}

/// Dimensions of a [`Permute`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PermuteArgs {
    /// Dimensions; of the first, as many indices as the output holds are computed.
    pub shape: [usize; 4],
    /// Strides of the input.
    pub strides: [usize; 4],
    /// First outermost index to compute.
    pub first: usize,
}

/// Scalar reference: as many outermost indices as `out` holds, from `args.first` on.
pub fn permute(args: &PermuteArgs, x: Tensor<'_>, out: &mut TensorMut<'_>) -> Result<(), Fault> {
    match (x, out) {
        (Tensor::I8(x), TensorMut::I8(out)) => copy(args, x, out),
        (Tensor::I16(x), TensorMut::I16(out)) => copy(args, x, out),
        (Tensor::I32(x), TensorMut::I32(out)) => copy(args, x, out),
        (Tensor::I8(_) | Tensor::I16(_) | Tensor::I32(_), _) => Err(Fault::Instruction),
    }
}

fn copy<T: Copy>(args: &PermuteArgs, x: &[T], out: &mut [T]) -> Result<(), Fault> {
    let [_, size_b, size_c, size_d] = args.shape;
    let [stride_a, stride_b, stride_c, stride_d] = args.strides;
    for (a, out) in rows_mut(out, size_b * size_c * size_d).enumerate() {
        for (b, out) in rows_mut(out, size_c * size_d).enumerate() {
            for (c, out) in rows_mut(out, size_d).enumerate() {
                let start = (args.first + a) * stride_a + b * stride_b + c * stride_c;
                for (d, y) in out.iter_mut().enumerate() {
                    *y = at(x, start + d * stride_d)?;
                }
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
    use std::{vec, vec::Vec};

    proptest! {
        #[test]
        fn equals_the_definition_in_every_tile(
            shape in prop::array::uniform4(1u32..5),
            strides in prop::array::uniform4(0u32..12),
            tile in 1u32..6,
            spare in 0u32..3,
        ) {
            let mut arena = Buffer::new();
            let empty = Act::I8(Slot::new(0, 0));
            let reach = Permute { shape, strides, x: empty, out: empty }.reach().unwrap();
            let x: Vec<i32> = (0..(reach + spare) as i32).map(|i| i * 65537 - 9).collect();
            let [a, b, c, d] = shape;
            let count = (a * b * c * d) as usize;
            let mut want: Vec<i32> = vec![];
            for a in 0..a { for b in 0..b { for c in 0..c { for d in 0..d {
                let [sa, sb, sc, sd] = strides;
                want.push(x[(a * sa + b * sb + c * sc + d * sd) as usize]);
            }}}}
            let (out8, out16, out32) =
                (arena.slot(&vec![0i8; count]), arena.slot(&vec![0i16; count]), arena.slot(&vec![0i32; count]));
            let x8 = Act::I8(arena.slot(&x.iter().map(|&v| v as i8).collect::<Vec<_>>()));
            let x16 = Act::I16(arena.slot(&x.iter().map(|&v| v as i16).collect::<Vec<_>>()));
            let x32 = Act::I32(arena.slot(&x));
            let run = |x, out| {
                let op = Permute { shape, strides, x, out };
                assert_eq!(op.check(&Consts::new(&[])), Ok(()));
                run(op, &arena, &Buffer::new(), tile).unwrap()
            };
            prop_assert_eq!(run(x8, Act::I8(out8)).get(out8), want.iter().map(|&v| v as i8).collect::<Vec<_>>());
            prop_assert_eq!(run(x16, Act::I16(out16)).get(out16), want.iter().map(|&v| v as i16).collect::<Vec<_>>());
            prop_assert_eq!(run(x32, Act::I32(out32)).get(out32), want);
        }

        #[test]
        fn hostile_records_are_refused_without_overflow(
            shape in prop::array::uniform4(prop_oneof![any::<u32>(), 0u32..3]),
            strides in prop::array::uniform4(prop_oneof![any::<u32>(), 0u32..3]),
        ) {
            let x = Act::I16(Slot::new(0, 0));
            let op = Permute { shape, strides, x, out: x };
            prop_assert!(op.check(&Consts::new(&[])).is_err());
        }
    }

    #[test]
    fn one_index_past_the_end_is_refused() {
        let op = |len| Permute {
            shape: [2, 3, 1, 1],
            strides: [1, 2, 0, 0],
            x: Act::I8(Slot::new(0, len)),
            out: Act::I8(Slot::new(16, 6)),
        };
        assert_eq!(op(6).check(&Consts::new(&[])), Ok(()));
        assert_eq!(op(5).check(&Consts::new(&[])), Err(Reject::SlotLength));
        let mixed = Permute { out: Act::I16(Slot::new(16, 6)), ..op(6) };
        assert_eq!(mixed.check(&Consts::new(&[])), Err(Reject::Type));
    }
}
