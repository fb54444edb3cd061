//! Gather: row `i` of the output is row `index[i]` of the input. Exact.

use serde::{Deserialize, Serialize};

use super::{Act, Consts, Tensor, TensorMut};
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Blob, Memory, Window};
use crate::operand::{Role, Tiling, Visitor};
use crate::slice;

/// Picks rows of `width` elements by constant indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gather {
    /// Rows of the output.
    pub rows: u32,
    /// Elements of each row.
    pub width: u32,
    /// Rows of the input.
    pub source_rows: u32,
    /// Input, `source_rows × width`.
    pub x: Act,
    /// For each row of the output, a row of the input: below `source_rows`.
    pub index: Blob<u32>,
    /// Output, `rows × width`, of the type of `x`.
    pub out: Act,
}

impl Gather {
    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        self.x.visit(visitor, Role::Read, Tiling::All { stride: self.width, width: self.width });
        visitor.constant(&mut self.index);
        self.out.visit(visitor, Role::Write, Tiling::rows(self.width));
    }

    /// Rows of the output.
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// None: not a matrix product.
    pub fn macs(&self) -> u64 {
        0
    }

    /// The same type on both sides, and every index inside `x`.
    pub fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
        if self.rows == 0 || self.width == 0 || self.source_rows == 0 {
            return Err(Reject::Dimension);
        }
        if self.x.dtype() != self.out.dtype() {
            return Err(Reject::Type);
        }
        if self.x.len() != self.source_rows.checked_mul(self.width).ok_or(Reject::Dimension)? {
            return Err(Reject::SlotLength);
        }
        let index = consts.get(self.index, self.rows)?;
        if index.iter().any(|&row| row >= self.source_rows) { Err(Reject::Index) } else { Ok(()) }
    }

    /// Runs the rows of `window`.
    pub fn run<K: Kernels>(
        &self,
        kernels: &mut K,
        memory: &mut Memory<'_>,
        window: Window,
    ) -> Result<(), Fault> {
        let index = slice::window(memory.blob(self.index)?, window.start as usize, window.count as usize)?;
        let (mut out, rest) = self.out.window(window, self.width, self.width)?.split(memory)?;
        kernels.gather(index, self.width as usize, self.x.read(&rest)?, &mut out)
    }
}

/// Scalar reference.
pub fn gather(index: &[u32], width: usize, x: Tensor<'_>, out: &mut TensorMut<'_>) -> Result<(), Fault> {
    match (x, out) {
        (Tensor::I8(x), TensorMut::I8(out)) => pick(index, width, x, out),
        (Tensor::I16(x), TensorMut::I16(out)) => pick(index, width, x, out),
        (Tensor::I32(x), TensorMut::I32(out)) => pick(index, width, x, out),
        (Tensor::I8(_) | Tensor::I16(_) | Tensor::I32(_), _) => Err(Fault::Instruction),
    }
}

fn pick<T: Copy>(index: &[u32], width: usize, x: &[T], out: &mut [T]) -> Result<(), Fault> {
    for (out, &row) in slice::rows_mut(out, width).zip(index) {
        let start = (row as usize).checked_mul(width).ok_or(Fault::Bounds)?;
        for (y, &v) in out.iter_mut().zip(slice::window(x, start, width)?) {
            *y = v;
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
        fn picks_rows_in_every_tile(
            (source, width, index) in (1u32..6, 1u32..5)
                .prop_flat_map(|(s, w)| (Just(s), Just(w), prop::collection::vec(0..s, 1..8))),
            tile in 1u32..9,
        ) {
            let (mut arena, mut consts) = (Buffer::new(), Buffer::new());
            let x: Vec<i16> = (0..(source * width) as i16).map(|v| v * 1000 - 7).collect();
            let want: Vec<i16> =
                index.iter().flat_map(|&i| x[(i * width) as usize..][..width as usize].to_vec()).collect();
            let out = arena.slot(&vec![0i16; want.len()]);
            let op = Gather {
                rows: index.len() as u32,
                width,
                source_rows: source,
                x: Act::I16(arena.slot(&x)),
                index: consts.blob(&index),
                out: Act::I16(out),
            };
            prop_assert_eq!(op.check(&Consts::new(consts.bytes())), Ok(()));
            prop_assert_eq!(run(op, &arena, &consts, tile).unwrap().get(out), want);
        }
    }

    #[test]
    fn the_checker_refuses_hostile_records() {
        let mut consts = Buffer::new();
        let (x, out) = (Act::I8(Slot::new(0, 6)), Act::I8(Slot::new(8, 4)));
        let op = Gather { rows: 2, width: 2, source_rows: 3, x, index: consts.blob(&[0u32, 2]), out };
        let past = consts.blob(&[0u32, 3]);
        let check = |op: Gather| op.check(&Consts::new(consts.bytes()));
        assert_eq!(check(op), Ok(()));
        assert_eq!(check(Gather { index: past, ..op }), Err(Reject::Index));
        assert_eq!(check(Gather { source_rows: 4, ..op }), Err(Reject::SlotLength));
        assert_eq!(check(Gather { rows: 3, ..op }), Err(Reject::BlobLength));
        assert_eq!(check(Gather { out: Act::I16(Slot::new(8, 4)), ..op }), Err(Reject::Type));
        assert_eq!(check(Gather { source_rows: u32::MAX, width: u32::MAX, ..op }), Err(Reject::Dimension));
        assert_eq!(
            gather(&[1], 2, Tensor::I8(&[1, 2, 3]), &mut TensorMut::I8(&mut [0; 2])),
            Err(Fault::Bounds)
        );
    }
}
