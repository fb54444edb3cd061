//! BitTranspose: rows of bits to columns of bits. Exact.
//!
//! It turns the values of an attention, rows of channels, into one bit row of all keys
//! for each channel, as [`BinaryAttention`](super::BinaryAttention) reads them.

use serde::{Deserialize, Serialize};

use super::Consts;
use crate::bits::{WORD, place, row_words};
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Memory, Slot, Window, span};
use crate::operand::{Role, Tiling, Visitor};
use crate::slice::rows_mut;

/// Transposes `rows` bit rows of `width` elements, grouped by `group`, to `width` bit rows
/// of `rows` elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BitTranspose {
    /// Rows of `x`: elements of each row of `out`.
    pub rows: u32,
    /// Elements of each row of `x`: rows of `out`.
    pub width: u32,
    /// Elements of `x` that start on a word.
    pub group: u32,
    /// Input, `rows` rows `stride` words apart.
    pub x: Slot<u32>,
    /// Words from one row of `x` to the next.
    pub stride: u32,
    /// Output, `width` bit rows of `rows` elements in the order of the channels.
    pub out: Slot<u32>,
}

impl BitTranspose {
    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        let words = row_words(self.width, self.group).unwrap_or(u32::MAX);
        visitor.read(&mut self.x, Tiling::All { stride: self.stride, width: words });
        visitor.slot(Role::Write, &mut self.out, Tiling::Whole);
    }

    /// Every word of the output depends on 32 rows: one row.
    pub fn rows(&self) -> u32 {
        1
    }

    /// None: not a matrix product.
    pub fn macs(&self) -> u64 {
        0
    }

    /// Groups that divide the width, and slots of the right lengths.
    pub fn check(&self, _consts: &Consts<'_>) -> Result<(), Reject> {
        if self.rows == 0 || self.width == 0 {
            return Err(Reject::Dimension);
        }
        let words = row_words(self.width, self.group).ok_or(Reject::Dimension)?;
        if self.stride < words {
            return Err(Reject::Dimension);
        }
        let x = span(self.rows, self.stride, words).ok_or(Reject::Dimension)?;
        let out = self.width.checked_mul(self.rows.div_ceil(WORD)).ok_or(Reject::Dimension)?;
        if self.x.len == x && self.out.len == out { Ok(()) } else { Err(Reject::SlotLength) }
    }

    /// Runs the whole instruction.
    pub fn run<K: Kernels>(&self, kernels: &mut K, memory: &mut Memory<'_>, _: Window) -> Result<(), Fault> {
        let args = BitTransposeArgs {
            rows: self.rows as usize,
            width: self.width as usize,
            group: self.group as usize,
            stride: self.stride as usize,
        };
        let (out, rest) = memory.split(self.out)?;
        kernels.bit_transpose(&args, rest.read(self.x)?, out)
    }
}

/// Dimensions of a [`BitTranspose`].
#[derive(Clone, Copy, Debug)]
pub struct BitTransposeArgs {
    /// Rows of the input.
    pub rows: usize,
    /// Elements of each.
    pub width: usize,
    /// Elements that start on a word.
    pub group: usize,
    /// Words from one row to the next.
    pub stride: usize,
}

/// Scalar reference: bit by bit.
pub fn bit_transpose(args: &BitTransposeArgs, x: &[u32], out: &mut [u32]) -> Result<(), Fault> {
    let BitTransposeArgs { rows, width, group, stride } = *args;
    for (channel, out) in rows_mut(out, rows.div_ceil(WORD as usize)).take(width).enumerate() {
        let (word, bit) = place(channel, group);
        for (block, out) in out.iter_mut().enumerate() {
            let first = block * WORD as usize;
            let mut bits = 0;
            for (row, to) in (first..rows).zip(0..WORD) {
                let word = x.get(row * stride + word).copied().ok_or(Fault::Bounds)?;
                bits |= (word >> bit & 1) << to;
            }
            *out = bits;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Buffer, pack_rows, run};
    use proptest::prelude::*;
    use std::vec::Vec;

    proptest! {
        /// Padding bits and the words between rows are full of ones.
        #[test]
        fn equals_a_transpose_of_values(
            (rows, group, groups, values) in (1usize..70, 1usize..40, 1usize..4).prop_flat_map(|(rows, group, groups)| {
                let signs = prop::collection::vec(prop_oneof![Just(-1i64), Just(1)], rows * group * groups);
                (Just(rows), Just(group), Just(groups), signs)
            }),
            gap in 0usize..3,
        ) {
            let width = group * groups;
            let (sign, nonzero) = pack_rows(&values, width, group);
            let words = sign.len() / rows;
            let mut x: Vec<u32> = Vec::new();
            for (sign, nonzero) in sign.chunks(words).zip(nonzero.chunks(words)) {
                x.extend(sign.iter().zip(nonzero).map(|(s, m)| s | !m));
                x.extend(std::vec![u32::MAX; gap]);
            }
            x.truncate((rows - 1) * (words + gap) + words);
            let columns: Vec<i64> = (0..width).flat_map(|c| (0..rows).map(move |r| (r, c)))
                .map(|(r, c)| values[r * width + c]).collect();
            let want = pack_rows(&columns, rows, rows).0;
            let mut arena = Buffer::new();
            let (x, out) = (arena.slot(&x), arena.slot(&std::vec![u32::MAX; want.len()]));
            let stride = (words + gap) as u32;
            let (rows, width, group) = (rows as u32, width as u32, group as u32);
            let op = BitTranspose { rows, width, group, x, stride, out };
            prop_assert_eq!(op.check(&Consts::new(&[])), Ok(()));
            prop_assert_eq!(run(op, &arena, &Buffer::new(), 1).unwrap().get(out), want);
        }
    }

    #[test]
    fn the_checker_refuses_hostile_records() {
        let slot = |len| Slot::<u32>::new(0, len);
        let op = BitTranspose { rows: 33, width: 6, group: 3, x: slot(98), stride: 3, out: slot(12) };
        let check = |op: BitTranspose| op.check(&Consts::new(&[]));
        assert_eq!(check(op), Ok(()));
        assert_eq!(check(BitTranspose { rows: 0, ..op }), Err(Reject::Dimension));
        assert_eq!(check(BitTranspose { width: 0, ..op }), Err(Reject::Dimension));
        assert_eq!(check(BitTranspose { group: 0, ..op }), Err(Reject::Dimension));
        assert_eq!(check(BitTranspose { group: 4, ..op }), Err(Reject::Dimension));
        assert_eq!(check(BitTranspose { stride: 1, ..op }), Err(Reject::Dimension));
        assert_eq!(check(BitTranspose { stride: u32::MAX, ..op }), Err(Reject::Dimension));
        assert_eq!(check(BitTranspose { rows: 32, ..op }), Err(Reject::SlotLength));
        assert_eq!(check(BitTranspose { out: slot(6), ..op }), Err(Reject::SlotLength));
        let huge = BitTranspose { rows: u32::MAX, width: u32::MAX, group: 1, stride: u32::MAX, ..op };
        assert_eq!(check(huge), Err(Reject::Dimension));
    }
}
