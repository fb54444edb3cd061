//! Binarize: integer activations to signs, by the threshold of each channel.
//!
//! Exact: nothing is rounded. Bias, scale and normalisation in front of the sign are
//! folded into the thresholds off line.

use serde::{Deserialize, Serialize};

use super::bit_rows::BLOCK;
use super::{Act, BitOut, BitsOut, Consts, Tensor};
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Memory, Window};
use crate::operand::{Role, Tiling, Visitor};
use crate::slice::window;

/// Compares rows of `width` integers with the thresholds of `out`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binarize {
    /// Rows (tokens).
    pub rows: u32,
    /// Elements of each row.
    pub width: u32,
    /// Input, `rows × width`, int8 or int16.
    pub x: Act,
    /// Output, `rows` bit rows of `width`.
    pub out: BitOut,
}

impl Binarize {
    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        self.x.visit(visitor, Role::Read, Tiling::rows(self.width));
        self.out.operands(visitor, self.width);
    }

    /// Rows (tokens).
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// None: not a matrix product.
    pub fn macs(&self) -> u64 {
        0
    }

    /// int8 or int16, groups that divide the width, thresholds in order.
    pub fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
        if self.rows == 0 || self.width == 0 {
            return Err(Reject::Dimension);
        }
        if matches!(self.x, Act::I32(_)) {
            return Err(Reject::Type);
        }
        self.out.check(consts, self.width)
    }

    /// Runs the rows of `window`.
    pub fn run<K: Kernels>(
        &self,
        kernels: &mut K,
        memory: &mut Memory<'_>,
        window: Window,
    ) -> Result<(), Fault> {
        let x = self.x.window(window, self.width, self.width)?;
        self.out.with(memory, window, self.width, |out, rest| {
            kernels.binarize(self.width as usize, x.read(rest)?, out)
        })
    }
}

/// Scalar reference.
pub fn binarize(width: usize, x: Tensor<'_>, mut out: BitsOut<'_>) -> Result<(), Fault> {
    out.clear();
    match x {
        Tensor::I8(x) => rows(width, x, &mut out),
        Tensor::I16(x) => rows(width, x, &mut out),
        Tensor::I32(_) => Err(Fault::Instruction),
    }
}

fn rows<T: Copy + Into<i32>>(width: usize, x: &[T], out: &mut BitsOut<'_>) -> Result<(), Fault> {
    for (r, row) in crate::slice::rows(x, width).enumerate() {
        for (block, x) in row.chunks(BLOCK).enumerate() {
            let mut z = [0i32; BLOCK];
            for (z, &x) in z.iter_mut().zip(x) {
                *z = x.into();
            }
            out.store(r, block * BLOCK, window(&z, 0, x.len())?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mem::Slot;
    use crate::ops::testing::{Buffer, pack_rows, run};
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        #[test]
        fn equals_comparisons_for_every_width_group_and_tile(
            (group, groups, x) in (1usize..40, 1usize..4).prop_flat_map(|(group, groups)| {
                let value = prop_oneof![any::<i16>(), Just(i16::MIN), Just(i16::MAX), -2i16..=2];
                (Just(group), Just(groups), prop::collection::vec(value, 3 * group * groups))
            }),
            limits in prop::collection::vec((-40_000i32..40_000, 1i32..4), 120),
            tile in 1u32..=3,
        ) {
            let width = group * groups;
            let low: Vec<i32> = (0..width).map(|c| limits[c % 120].0).collect();
            let high: Vec<i32> = (0..width).map(|c| low[c] + limits[c % 120].1).collect();
            let x8: Vec<i8> = x.iter().map(|&x| x as i8).collect();
            let (mut arena, mut consts) = (Buffer::new(), Buffer::new());
            let (low_blob, high_blob) = (consts.blob(&low), consts.blob(&high));
            for (act, x) in [
                (Act::I8(arena.slot(&x8)), x8.iter().map(|&x| i64::from(x)).collect::<Vec<_>>()),
                (Act::I16(arena.slot(&x)), x.iter().map(|&x| i64::from(x)).collect()),
            ] {
                let ternary: Vec<i64> = (0..x.len())
                    .map(|at| i64::from(x[at] >= high[at % width].into()) - i64::from(x[at] <= low[at % width].into()))
                    .collect();
                let (want_sign, want_nonzero) = pack_rows(&ternary, width, group);
                let dirty = std::vec![u32::MAX; want_sign.len()];
                let slots: [Slot<u32>; 3] = std::array::from_fn(|_| arena.slot(&dirty));
                let [sign, nonzero, plain] = slots;
                let group = group as u32;
                let out = BitOut::Ternary { sign, nonzero, group, low: low_blob, high: high_blob };
                let op = Binarize { rows: 3, width: width as u32, x: act, out };
                prop_assert_eq!(op.check(&Consts::new(consts.bytes())), Ok(()));
                let done = run(op, &arena, &consts, tile).unwrap();
                prop_assert_eq!((done.get(sign), done.get(nonzero)), (want_sign.clone(), want_nonzero));
                let op = Binarize { out: BitOut::Sign { out: plain, group, high: high_blob }, ..op };
                prop_assert_eq!(run(op, &arena, &consts, tile).unwrap().get(plain), want_sign);
            }
        }
    }

    #[test]
    fn the_checker_refuses_hostile_records() {
        let mut consts = Buffer::new();
        let (low, high) = (consts.blob(&[0i32, 0]), consts.blob(&[1i32, i32::MIN]));
        let slot = || Slot::<u32>::new(0, 1);
        let out = |group| BitOut::Sign { out: slot(), group, high };
        let op = Binarize { rows: 1, width: 2, x: Act::I8(Slot::new(0, 2)), out: out(2) };
        let check = |op: Binarize| op.check(&Consts::new(consts.bytes()));
        assert_eq!(check(op), Ok(()));
        assert_eq!(check(Binarize { rows: 0, ..op }), Err(Reject::Dimension));
        assert_eq!(check(Binarize { width: 0, ..op }), Err(Reject::Dimension));
        assert_eq!(check(Binarize { width: 4, ..op }), Err(Reject::BlobLength));
        assert_eq!(check(Binarize { out: out(0), ..op }), Err(Reject::Dimension));
        assert_eq!(check(Binarize { out: out(3), ..op }), Err(Reject::Dimension));
        assert_eq!(check(Binarize { x: Act::I32(Slot::new(0, 2)), ..op }), Err(Reject::Type));
        let unordered = BitOut::Ternary { sign: slot(), nonzero: slot(), group: 2, low, high };
        assert_eq!(check(Binarize { out: unordered, ..op }), Err(Reject::Threshold));
    }
}
