//! Tiles, and which one a product takes.

use super::generate::{Tile, Variant};
use crate::plan::{Dispatch, Larger};
use crate::selftest::Sides;

/// A tile that products may take.
#[derive(Debug)]
pub(super) struct Row {
    /// Its name.
    pub name: &'static str,
    /// Its sizes.
    pub tile: Tile,
    /// Whether int16 activations may take it: they take twice the sums, and more shared memory.
    pub wide: bool,
    /// Workgroups from which on it is taken.
    pub enough: u64,
}

/// All of them; a product takes the first of which there are enough. The larger a tile, the fewer
/// words an invocation loads for its products, and the fewer workgroups there are. The numbers are
/// those of an NVIDIA H200, which has 132 processors, with the products of DeiT-S and DeiT-B.
pub(super) const TILES: &[Row] = &[
    Row { name: "64x64", tile: tile([64, 64, 16], [8, 4], 1), wide: false, enough: 800 },
    Row { name: "32x64", tile: tile([32, 64, 16], [4, 4], 1), wide: true, enough: 200 },
    Row { name: "16x32", tile: tile([16, 32, 32], [4, 4], 4), wide: false, enough: 0 },
    Row { name: "32x32", tile: tile([32, 32, 16], [4, 4], 1), wide: true, enough: 0 },
];

const fn tile([rows, columns, words]: [u32; 3], [down, across]: [u32; 2], split: u32) -> Tile {
    Tile { rows, columns, words, down, across, split }
}

/// The rows of [`TILES`] that products may take.
#[derive(Clone, Debug)]
pub(crate) struct Tiles(Vec<&'static Row>);

impl Default for Tiles {
    fn default() -> Self {
        Self::without(&[])
    }
}

impl Tiles {
    /// All but those called `names`.
    pub(crate) fn without(names: &[&str]) -> Self {
        Self(TILES.iter().filter(|row| !names.contains(&row.name)).collect())
    }

    /// The one called `name`.
    pub(crate) fn only(name: &str) -> Self {
        Self(TILES.iter().filter(|row| row.name == name).collect())
    }

    /// None, which leaves general kernels.
    pub(crate) const fn none() -> Self {
        Self(Vec::new())
    }

    /// What the first is tested with; `None` where there is none.
    pub(crate) fn sides(&self) -> Option<Sides> {
        let Tile { rows, columns, words, .. } = self.0.first()?.tile;
        Some(Sides { rows, columns, words })
    }

    /// Whether one is there for activations that are `wide`.
    pub(super) fn fit(&self, wide: bool) -> bool {
        self.of(wide).next().is_some()
    }

    fn of(&self, wide: bool) -> impl DoubleEndedIterator<Item = &'static Row> {
        self.0.iter().copied().filter(move |row| row.wide || !wide)
    }
}

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

    /// The first of `tiles` of which there are enough, otherwise the last.
    fn choose(self, tiles: &Tiles, wide: bool, frames: u32) -> &'static Row {
        let enough = |row: &&Row| self.workgroups(row.tile, frames) >= row.enough;
        tiles.of(wide).find(enough).or(tiles.of(wide).next_back()).expect("tiles that fit")
    }
}

/// Completes `dispatch`, whose source lacks the tile, with the one of `tiles`, which
/// [fit](Tiles::fit), for each number of frames.
pub(super) fn spread(mut dispatch: Dispatch, tiles: &Tiles, shape: Shape, variant: Variant) -> Dispatch {
    let operands = dispatch.source.clone();
    let mut last = None;
    for frames in FRAMES {
        let row = shape.choose(tiles, variant.wide, frames);
        if last == Some(row.name) {
            continue;
        }
        last = Some(row.name);
        let source = operands.clone().generated(row.name, row.tile.text(variant));
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
        let all = Tiles::default();
        let name = |shape: Shape, frames| shape.choose(&all, false, frames).name;
        assert_eq!(name(shape(1, 1000), 1), "16x32");
        let narrow = [1, 8, 64].map(|frames| name(shape(197, 384), frames));
        assert_eq!(narrow, ["16x32", "32x64", "64x64"]);
        assert_eq!([1, 8].map(|frames| name(shape(197, 2304), frames)), ["32x64", "64x64"]);
        assert_eq!(shape(197, 1152).choose(&all, true, 64).name, "32x64");
    }

    #[test]
    fn rows_that_are_left_out_are_not_taken() {
        let shape = Shape { products: 1, joined: true, rows: 197, columns: 1152 };
        assert_eq!(shape.choose(&Tiles::without(&["64x64"]), false, 64).name, "32x64");
        assert_eq!(shape.choose(&Tiles::only("64x64"), false, 1).name, "64x64");
        assert!(!Tiles::only("64x64").fit(true) && Tiles::only("64x64").fit(false));
    }
}
