//! Interpolate: any function of one int16 value, linear between 513 knots, in place.
//!
//! ```text
//! u = x + 32768,  i = u div 128,  f = u mod 128
//! x ← (128·t[i] + (t[i + 1] − t[i])·f + 64) >> 7
//! ```
//!
//! The sum is a mean of two int16 values, weighted by 128 parts: it needs no saturation,
//! and is rounded half up, once.

use serde::{Deserialize, Serialize};

use super::Consts;
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Blob, Memory, Slot, Window};
use crate::operand::{Tiling, Visitor};

/// Knots of a function: at −32768, every 128 from there on, and at 32768.
pub const KNOTS: usize = 513;

/// Maps every element through an interpolated table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpolate {
    /// Rows (tokens).
    pub rows: u32,
    /// Elements of each row.
    pub width: u32,
    /// Values, `rows × width`, updated.
    pub x: Slot<i16>,
    /// Results at the [`KNOTS`].
    pub table: Blob<i16>,
}

impl Interpolate {
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

    /// A table of 513 entries.
    pub fn check(&self, consts: &Consts<'_>) -> Result<(), Reject> {
        if self.rows == 0 || self.width == 0 {
            return Err(Reject::Dimension);
        }
        consts.get(self.table, KNOTS as u32).map(|_| ())
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
        kernels.interpolate(table, memory.slot(x)?)
    }
}

/// The function's value at `x`.
#[inline(always)]
pub fn interpolated(table: &[i16; KNOTS], x: i16) -> i16 {
    let u = (i32::from(x) + 32768) as usize;
    let knot = |i: usize| table.get(i).copied().map_or(0, i32::from);
    let (low, high, part) = (knot(u / 128), knot(u / 128 + 1), (u % 128) as i32);
    ((128 * low + (high - low) * part + 64) >> 7) as i16
}

/// Scalar reference.
pub fn interpolate(table: &[i16; KNOTS], x: &mut [i16]) -> Result<(), Fault> {
    for v in x {
        *v = interpolated(table, *v);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{Buffer, run};
    use proptest::prelude::*;
    use std::vec::Vec;

    fn knots(entries: &[i16]) -> [i16; KNOTS] {
        entries.try_into().unwrap()
    }

    #[test]
    fn a_line_is_met_everywhere() {
        let line: Vec<i16> = (0..KNOTS as i32).map(|i| (64 * i - 16384) as i16).collect();
        let line = knots(&line);
        for x in i16::MIN..=i16::MAX {
            assert_eq!(i32::from(interpolated(&line, x)), (i32::from(x) + 1) >> 1, "{x}");
        }
    }

    proptest! {
        #[test]
        fn maps_each_element_in_every_tile(
            x in prop::collection::vec(any::<i16>(), 12),
            entries in prop::collection::vec(any::<i16>(), KNOTS),
            tile in 1u32..5,
        ) {
            let (mut arena, mut consts) = (Buffer::new(), Buffer::new());
            let op = Interpolate { rows: 4, width: 3, x: arena.slot(&x), table: consts.blob(&entries) };
            prop_assert_eq!(op.check(&Consts::new(consts.bytes())), Ok(()));
            let exact = |x: i16| -> i16 {
                let u = i128::from(x) + 32768;
                let at = |i: i128| i128::from(entries[i as usize]);
                let (i, f) = (u / 128, u % 128);
                let sum = at(i) * (128 - f) + at(i + 1) * f;
                (sum + 64).div_euclid(128).try_into().expect("between its knots")
            };
            let want: Vec<i16> = x.iter().map(|&v| exact(v)).collect();
            prop_assert_eq!(run(op, &arena, &consts, tile).unwrap().get(op.x), want);
        }
    }

    #[test]
    fn the_checker_wants_all_knots() {
        let mut consts = Buffer::new();
        let table = consts.blob(&[0i16; KNOTS - 1]);
        let op = Interpolate { rows: 1, width: 1, x: Slot::new(0, 1), table };
        assert_eq!(op.check(&Consts::new(consts.bytes())), Err(Reject::BlobLength));
        assert_eq!(Interpolate { rows: 0, ..op }.check(&Consts::new(&[])), Err(Reject::Dimension));
    }
}
