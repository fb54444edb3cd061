//! Table: `x ← table[x + 128]`, int8 in place.
//!
//! A table of 256 entries holds any function of one int8 value, already rounded and
//! saturated by whoever made it: this is how GELU with a constant maximum, and any other
//! element-wise activation, is executed.

use serde::{Deserialize, Serialize};

use super::Consts;
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Blob, Memory, Slot, Window};
use crate::operand::{Tiling, Visitor};

/// Maps every element through a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Rows (tokens).
    pub rows: u32,
    /// Elements of each row.
    pub width: u32,
    /// Values, `rows × width`, updated.
    pub x: Slot<i8>,
    /// Results for −128..=127, in this order.
    pub table: Blob<i8>,
}

impl Table {
    /// Reports the operands.
    pub fn operands(&mut self, visitor: &mut Visitor<'_>) {
        visitor.update(&mut self.x, Tiling::rows(self.width));
        visitor.constant(&mut self.table);
    }

    /// Rows (tokens).
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// None: not a matrix product.
    pub fn macs(&self) -> u64 {
        0
    }

    /// A table of 256 entries.
    pub fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
        if self.rows == 0 || self.width == 0 {
            return Err(Reject::Dimension);
        }
        consts.get(self.table, 256).map(|_| ())
    }

    /// Runs the rows of `window`.
    pub fn run<K: Kernels>(
        &self,
        kernels: &mut K,
        memory: &mut Memory<'_>,
        window: Window,
    ) -> Result<(), Fault> {
        let table = memory.blob(self.table)?.try_into().map_err(|_| Fault::Bounds)?;
        let x = window.of(self.x, self.width, self.width)?;
        kernels.table(table, memory.slot(x)?)
    }
}

/// `table[x + 128]`.
#[inline(always)]
pub fn lookup(table: &[i8; 256], x: i8) -> i8 {
    let index = (x as u8) ^ 0x80;
    table.get(usize::from(index)).copied().unwrap_or(0)
}

/// Scalar reference.
pub fn table(table: &[i8; 256], x: &mut [i8]) -> Result<(), Fault> {
    for v in x {
        *v = lookup(table, *v);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Buffer, run};
    use proptest::prelude::*;
    use std::vec::Vec;

    #[test]
    fn every_value_finds_its_entry() {
        let entries: Vec<i8> = (-128i32..128).map(|v| (-(v + 1)) as i8).collect();
        let entries: [i8; 256] = entries.try_into().unwrap();
        for v in i8::MIN..=i8::MAX {
            assert_eq!(i32::from(lookup(&entries, v)), -(i32::from(v) + 1));
        }
    }

    proptest! {
        #[test]
        fn maps_each_element_in_every_tile(
            x in prop::collection::vec(any::<i8>(), 12),
            entries in prop::collection::vec(any::<i8>(), 256),
            tile in 1u32..5,
        ) {
            let (mut arena, mut consts) = (Buffer::new(), Buffer::new());
            let op = Table { rows: 4, width: 3, x: arena.slot(&x), table: consts.blob(&entries) };
            prop_assert_eq!(op.check(&Consts::new(consts.bytes())), Ok(()));
            let want: Vec<i8> = x.iter().map(|&v| entries[(i32::from(v) + 128) as usize]).collect();
            prop_assert_eq!(run(op, &arena, &consts, tile).unwrap().get(op.x), want);
        }
    }

    #[test]
    fn the_checker_wants_256_entries() {
        let mut consts = Buffer::new();
        let table = consts.blob(&[0i8; 255]);
        let op = Table { rows: 1, width: 1, x: Slot::new(0, 1), table };
        assert_eq!(op.check(&Consts::new(consts.bytes())), Err(Reject::BlobLength));
        assert_eq!(Table { rows: 0, ..op }.check(&Consts::new(&[])), Err(Reject::Dimension));
    }
}
