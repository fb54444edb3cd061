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
use crate::operand::{Role, Tiling, Visitor, VisitorExt};
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
    pub fn operands<V: Visitor + ?Sized>(&mut self, visitor: &mut V) {
        visitor.read("x", &mut self.x, Tiling::Whole);
        visitor.typed("out", Role::Write, &mut self.out, Tiling::Whole);
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
