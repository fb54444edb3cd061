//! Tiles, and which one a product takes.

use super::generate::{Tile, Variant};
use crate::plan::{Dispatch, Larger};

/// A tile that products may take.
pub(super) struct Row {
    /// Its name.
    pub name: &'static str,
    /// Its sizes.
    pub tile: Tile,
    /// Whether int16 activations may take it: they take twice the sums, and more shared memory.
    pub wide: bool,
}

/// All of them, the largest first: the larger, the fewer words an invocation loads for its
/// products, and the fewer workgroups there are.
pub(super) const TILES: &[Row] = &[
    Row { name: "128x128", tile: Tile { rows: 128, columns: 128, words: 8, each: 8 }, wide: false },
    Row { name: "64x64", tile: Tile { rows: 64, columns: 64, words: 16, each: 4 }, wide: true },
    Row { name: "32x64", tile: Tile { rows: 32, columns: 64, words: 16, each: 4 }, wide: true },
    Row { name: "32x32", tile: Tile { rows: 32, columns: 32, words: 16, each: 4 }, wide: true },
];

/// Workgroups that keep a large GPU busy: about as many as it has processors.
const ENOUGH: u64 = 96;

/// Submissions for which a product takes a tile of its own, in frames.
const FRAMES: [u32; 3] = [1, 8, 64];

/// Results of one frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Products, each with rows of its own.
    pub products: u32,
    /// Whether the rows of all frames are one matrix; there is one product then.
    pub joined: bool,
    /// Rows of each.
    pub rows: u32,
    /// Columns of each.
    pub columns: u32,
}

impl Shape {
    /// Workgroups of `tile` for `frames` frames.
    fn workgroups(self, tile: Tile, frames: u32) -> u64 {
        let (rows, frames) = (u64::from(self.rows), u64::from(frames));
        let (rows, times) = if self.joined { (rows * frames, 1) } else { (rows, frames) };
        let down = rows.div_ceil(tile.rows.into());
        let across = u64::from(self.columns.div_ceil(tile.columns));
        down.saturating_mul(across).saturating_mul(times * u64::from(self.products))
    }

    /// The largest tile of which there are enough, otherwise the smallest.
    fn choose(self, wide: bool, frames: u32) -> &'static Row {
        let mut rows = TILES.iter().filter(|row| row.wide || !wide);
        let enough = |row: &&Row| self.workgroups(row.tile, frames) >= ENOUGH;
        rows.clone().find(enough).or(rows.next_back()).expect("a tile for every type")
    }
}

/// Completes `dispatch`, whose source lacks the tile, with the tile for each number of frames.
pub(super) fn spread(mut dispatch: Dispatch, shape: Shape, variant: Variant) -> Dispatch {
    let operands = dispatch.source.clone();
    let mut last = None;
    for frames in FRAMES {
        let row = shape.choose(variant.wide, frames);
        if last == Some(row.name) {
            continue;
        }
        last = Some(row.name);
        let source = operands.clone().generated(row.tile.text(variant));
        let count = u32::try_from(shape.workgroups(row.tile, 1)).unwrap_or(u32::MAX);
        if frames == 1 {
            dispatch.source = source;
            dispatch.workgroups(count);
        } else {
            dispatch.larger.push(Larger { frames, source, grid: crate::plan::grid(count) });
        }
    }
    dispatch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_results_take_larger_tiles() {
        let shape = |rows, columns| Shape { products: 1, joined: true, rows, columns };
        let name = |shape: Shape, frames| shape.choose(false, frames).name;
        assert_eq!(name(shape(1, 1000), 1), "32x32");
        assert_eq!([1, 8, 64].map(|frames| name(shape(197, 1152), frames)), ["32x64", "128x128", "128x128"]);
        assert_eq!([1, 8, 64].map(|frames| name(shape(197, 384), frames)), ["32x32", "64x64", "128x128"]);
        assert_eq!(shape(197, 1152).choose(true, 64).name, "64x64");
    }
}
