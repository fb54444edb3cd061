//! Tile: the control record that runs the following instructions tile by tile.

use serde::{Deserialize, Serialize};

use super::Consts;
use crate::error::{Fault, Reject};
use crate::kernels::Kernels;
use crate::mem::{Memory, Window};
use crate::operand::Visitor;

/// Runs the next `count` instructions together, `tile` rows at a time, so that the
/// buffers between them need hold only one tile, and a step stays short.
///
/// All of them have `rows` rows, none is a `Tile`. `tile` is a hint: it cannot change
/// results, because every tiled instruction computes its rows independently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tile {
    /// Instructions in the group, at least 1.
    pub count: u16,
    /// Rows of each of them.
    pub rows: u32,
    /// Rows of one tile, `1..=rows`.
    pub tile: u32,
}

impl Tile {
    /// No operands.
    pub fn operands(&mut self, _visitor: &mut Visitor<'_>) {}

    /// A control record has no rows of its own.
    pub fn rows(&self) -> u32 {
        1
    }

    /// No arithmetic.
    pub fn macs(&self) -> u64 {
        0
    }

    /// A non-empty group and a tile of at least one row.
    pub fn check(&self, _consts: &Consts<'_>) -> Result<(), Reject> {
        let sane = self.count > 0 && self.tile > 0 && self.tile <= self.rows;
        if sane { Ok(()) } else { Err(Reject::Dimension) }
    }

    /// Nothing to run: the executor reads the record.
    pub fn run<K: Kernels>(&self, _: &mut K, _: &mut Memory<'_>, _: Window) -> Result<(), Fault> {
        Ok(())
    }
}
